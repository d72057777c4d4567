"""Plot how networks learn, and the candidates of hyperparameter searches.

The example draws two pictures, from data that come with scikit-learn:

1. ``training.png``: a plain network overfits 300 rows of the breast cancer data, and its validation
   loss rises again.  Early stopping ends the training before that.  Dropout and batch normalisation
   slow overfitting down.
2. ``search.png``: a grid search and a random search over two hyperparameters, with the same number
   of candidates.  The grid has only four learning rates.  In the random search every candidate has
   a different one, so it shows more about the hyperparameter that matters.

Run it, in a few seconds, with

    python examples/plot_training_and_search.py

``--seed`` sets all random numbers, and ``--out`` the folder of the pictures, by default the folder
of this file.  The example needs ``pip install "skdnn[plot]"``.
"""

import argparse
import warnings
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # it only writes files

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import loguniform
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdnn import MLPClassifier
from skdnn.inspection import LossCurveDisplay, SearchDisplay


def fit_networks(seed):
    """Return three networks by name, all fitted to the same rows."""
    X, y = load_breast_cancer(return_X_y=True)
    X, X_val, y, y_val = train_test_split(X, y, train_size=300, stratify=y, random_state=seed)
    scaler = StandardScaler().fit(X)
    X, X_val = scaler.transform(X), scaler.transform(X_val)
    common = {"batch_size": 32, "max_iter": 60, "n_iter_no_change": np.inf}
    networks = {
        "plain": MLPClassifier((64, 64), random_state=seed, **common),
        "dropout and batch norm": MLPClassifier(
            (64, 64), dropout=0.5, batch_norm=True, random_state=seed + 1, **common
        ),
        "early stopping": MLPClassifier(
            (64, 64),
            early_stopping=True,
            random_state=seed + 2,
            **common | {"n_iter_no_change": 10},
        ),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # two of them use all their epochs
        for net in networks.values():
            net.fit(X, y, X_val=X_val, y_val=y_val)
    return networks


def run_searches(seed):
    """Return a fitted grid search and a fitted random search over two hyperparameters."""
    X, y = load_digits(return_X_y=True)
    X, _, y, _ = train_test_split(X, y, train_size=600, stratify=y, random_state=seed)
    net = MLPClassifier(
        (32,), batch_size=32, max_iter=10, learning_rate="cosine", random_state=seed
    )
    model = make_pipeline(StandardScaler(), net)
    rate, alpha = "mlpclassifier__learning_rate_init", "mlpclassifier__alpha"
    grid = GridSearchCV(model, {rate: np.logspace(-4, -1, 4), alpha: np.logspace(-3, 0, 4)}, cv=4)
    random = RandomizedSearchCV(
        model,
        {rate: loguniform(1e-4, 1e-1), alpha: loguniform(1e-3, 1)},
        n_iter=16,
        cv=4,
        random_state=seed,
    )
    return {"Grid search": grid.fit(X, y), "Random search": random.fit(X, y)}


def plot_training(networks, path):
    """Write the picture of the loss curves."""
    fig, ax = plt.subplots(figsize=(8, 6), layout="constrained")
    LossCurveDisplay.from_estimators(networks, ax=ax, log=True)
    ax.set_title("Breast cancer, 300 training rows")
    fig.savefig(path, dpi=150)
    plt.close(fig)


def plot_searches(searches, path):
    """Write the picture of the searches, side by side."""
    fig, axes = plt.subplots(1, len(searches), figsize=(14, 5.5), layout="constrained")
    for ax, (name, search) in zip(axes, searches.items(), strict=True):
        colors = {"vmin": 0.86, "vmax": 0.96}  # the same scale in both
        SearchDisplay.from_search(search, "learning_rate_init", "alpha", ax=ax, scatter_kw=colors)
        ax.set(xlim=(7e-5, 0.15), ylim=(7e-4, 1.5))
        ax.set_title(f"{name}: {len(search.cv_results_['params'])} candidates")
    fig.savefig(path, dpi=150)
    plt.close(fig)


def parse_arguments(argv):
    """Return the arguments of the command line."""
    here = Path(__file__).parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers")
    parser.add_argument("--out", type=Path, default=here, help="folder of the pictures")
    args = parser.parse_args(argv)
    if not args.out.is_dir():
        parser.error(f"--out: there is no folder {args.out}")
    return args


def main(argv=None):
    """Run the example."""
    args = parse_arguments(argv)
    networks = fit_networks(args.seed)
    for name, net in networks.items():
        loss = net.history_["validation_loss"]
        print(f"{name:<24}validation loss {min(loss):.3f}, in the end {loss[-1]:.3f}")
    plot_training(networks, args.out / "training.png")

    searches = run_searches(args.seed)
    for name, search in searches.items():
        print(f"{name:<24}best accuracy in cross-validation {search.best_score_:.3f}")
    plot_searches(searches, args.out / "search.png")
    print(f"\nPictures: {args.out / 'training.png'}, {args.out / 'search.png'}")


if __name__ == "__main__":
    main()
