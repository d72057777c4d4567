"""Tune a neural network on tabular data, and compare it with other models.

A bank telephoned its customers to sell them a deposit (see data/README.md).  Which of them said
yes?  This example shows a complete analysis:

1. it splits a DataFrame of numbers and text into training and test rows;
2. it builds a pipeline of preprocessing and `skdnn.MLPClassifier`;
3. it searches for good hyperparameters at random, with cross-validation on the training rows;
4. it compares the ROC AUC on the test rows with scikit-learn's own network and gradient boosting;
5. it plots the learning curves and the search, in ``quickstart.png``.

Run it, in about a minute, with

    python examples/quickstart.py

``--n-iter`` sets the number of candidates, ``--seed`` the split and all random numbers, and
``--out`` the file of the picture.  The example needs ``pip install "skdnn[examples]"``.
"""

import argparse
import warnings
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # it only writes a file

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import sklearn.neural_network
from scipy.stats import loguniform, uniform
from sklearn.base import clone
from sklearn.callback import ProgressBar
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import RandomizedSearchCV, StratifiedKFold, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skdnn import MLPClassifier
from skdnn.inspection import LossCurveDisplay, SearchDisplay

DATA = Path(__file__).parent / "data" / "bank.csv.gz"


def load_data():
    """Return the customers, and the answer of each, "yes" or "no"."""
    table = pd.read_csv(DATA)
    y = table.pop("y")
    return table.drop(columns="duration"), y  # it is known only after the call


def make_pipeline(net):
    """Return `net` behind its preprocessing.

    ``pdays`` is -1 for customers who were never called before.  No extra column marks them, since
    ``poutcome`` is "unknown" for the same rows.  ``balance`` is skewed, but in cross-validation on
    the training rows quantile and power transforms were no better than scaling.
    """
    numbers = make_column_selector(dtype_include="number")
    text = make_column_selector(dtype_exclude="number")
    preprocessing = make_column_transformer(
        (StandardScaler(), numbers),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), text),
    )
    return Pipeline([("preprocessing", preprocessing), ("net", net)])


def search_space():
    """Return the lists and distributions that candidates are drawn from.

    There are two dicts, because "sgd" needs larger learning rates than the adaptive solvers, and
    has a momentum.
    """
    common = {
        "net__hidden_layer_sizes": [(32,), (128,), (64, 32), (128, 64)],
        "net__activation": ["relu", "elu", "gelu", "tanh"],
        "net__init": ["glorot_uniform", "he_normal", "orthogonal"],
        "net__batch_norm": [False, True],
        "net__dropout": uniform(0, 0.6),
        "net__input_dropout": [0.0, 0.1, 0.2],
        "net__alpha": loguniform(1e-3, 10),
        "net__batch_size": [64, 256],
        "net__max_iter": [20, 40],
    }
    adaptive = {"net__solver": ["adam", "nadam"], "net__learning_rate_init": loguniform(3e-4, 3e-2)}
    sgd = {
        "net__solver": ["sgd"],
        "net__learning_rate_init": loguniform(3e-3, 0.3),
        "net__momentum": [0.8, 0.9, 0.95],
    }
    return [common | adaptive, common | sgd]


def run_search(X, y, n_iter, seed):
    """Return the fitted random search, which refits the best candidate to all of X."""
    # The cosine lowers the learning rate to zero over max_iter epochs: no need to stop early.
    net = MLPClassifier(learning_rate="cosine", random_state=seed)
    search = RandomizedSearchCV(
        make_pipeline(net),
        search_space(),
        n_iter=n_iter,
        scoring="roc_auc",
        cv=StratifiedKFold(5, shuffle=True, random_state=seed),
        n_jobs=2,
        random_state=seed,
    )
    # With a greater depth, every fit would have a bar of its own.
    search.set_callbacks(ProgressBar(max_propagation_depth=0))
    return search.fit(X, y)


def fit_sklearn_mlp(X, y, seed):
    """Return scikit-learn's network, with its defaults, behind the same preprocessing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # 200 epochs are not enough for it
        net = sklearn.neural_network.MLPClassifier(random_state=seed)
        return make_pipeline(net).fit(X, y)


def with_categories(X):
    """Return X with its text columns as categories, which gradient boosting needs."""
    return X.astype(dict.fromkeys(X.select_dtypes(exclude="number"), "category"))


def auc(model, X, y):
    """Return the area under the ROC curve."""
    return roc_auc_score(y, model.predict_proba(X)[:, 1])


def validated(model, X, y, seed):
    """Return the network of `model`, trained anew on 4/5 of the rows, validated on the others."""
    X, X_val, y, y_val = train_test_split(X, y, test_size=0.2, stratify=y, random_state=seed)
    model = clone(model)
    preprocessing, net = model[:-1], model[-1]
    X = preprocessing.fit_transform(X, y)
    return net.fit(X, y, X_val=preprocessing.transform(X_val), y_val=y_val)


def plot(search, net, path):
    """Write the picture: the learning curves of `net`, and the candidates of the search."""
    fig, axes = plt.subplots(1, 2, figsize=(13, 5), layout="constrained")
    LossCurveDisplay.from_estimator(net, name="best candidate", ax=axes[0])
    axes[0].set_title("Learning curves of the best candidate")
    SearchDisplay.from_search(search, "learning_rate_init", "solver", ax=axes[1])
    axes[1].set_title(f"The {len(search.cv_results_['params'])} candidates of the search")
    fig.savefig(path, dpi=150)
    plt.close(fig)


def print_report(search, aucs):
    """Print the best candidate and the table of results."""
    print(f"\nBest of {len(search.cv_results_['params'])} candidates:")
    for name, value in search.best_params_.items():
        value = f"{value:.3g}" if isinstance(value, float) else value
        print(f"  {name.removeprefix('net__'):<20}{value}")
    print(f"  ROC AUC in cross-validation: {search.best_score_:.3f}\n")
    print("ROC AUC on the test rows")
    for name, value in aucs.items():
        print(f"  {name:<48}{value:.3f}")


def parse_arguments(argv):
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n-iter", type=int, default=60, help="candidates (default: 60)")
    parser.add_argument("--seed", type=int, default=0, help="of the split and all random numbers")
    parser.add_argument("--out", type=Path, default=Path("quickstart.png"), help="the picture")
    return parser.parse_args(argv)


def main(argv=None):
    """Run the example."""
    args = parse_arguments(argv)
    seed = args.seed
    X, y = load_data()
    X, X_test, y, y_test = train_test_split(X, y, stratify=y, random_state=seed)
    print(f"{len(X)} training rows, {len(X_test)} test rows, {np.mean(y == 'yes'):.1%} say yes")

    search = run_search(X, y, args.n_iter, seed)
    baseline = fit_sklearn_mlp(X, y, seed)
    boosting = HistGradientBoostingClassifier(
        categorical_features="from_dtype", random_state=seed
    ).fit(with_categories(X), y)

    aucs = {
        "skdnn.MLPClassifier, best of the search": auc(search, X_test, y_test),
        "sklearn.neural_network.MLPClassifier, defaults": auc(baseline, X_test, y_test),
        "HistGradientBoostingClassifier, defaults": auc(boosting, with_categories(X_test), y_test),
    }
    print_report(search, aucs)
    plot(search, validated(search.best_estimator_, X, y, seed), args.out)
    print(f"\nLearning curves and search: {args.out}")


if __name__ == "__main__":
    main()
