"""Best validation score of CoarseToFineSearchCV beside RandomizedSearchCV's, after as many fits.

    python benchmarks/coarse_to_fine.py --data FOLDER [--names adult spambase …] [--rounds 5]

FOLDER has a table ``NAME.parquet`` of every name: the target in ``__target__``, integers where it
is classes; categorical columns of dtype category; NaN where something is missing.  A pipeline of
imputing, scaling and one-hot encoding before a network of 20 epochs is searched on 1,500 rows, with
`search_space` of medium size: 3 rounds × 20 candidates × 3 folds against 60 candidates × 3 folds.
A round has another seed, which draws the rows, the folds and the candidates, the same first 20 in
both searches.  The score, accuracy or R², is that of the best candidate on the folds that chose it;
means over the rounds are printed, and how many of them the search in rounds wins or ties.
"""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from common import make_parser, print_header, print_table
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import KFold, RandomizedSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skdnn import MLPClassifier, MLPRegressor
from skdnn.model_selection import CoarseToFineSearchCV, search_space

NAMES = ("adult", "california", "concrete", "spambase", "telco_churn", "wine_quality")
N_ROWS, N_ROUNDS, N_ITER = 1_500, 3, 20


def make_model(is_classes, max_iter):
    """Return the pipeline."""
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    classes = make_pipeline(
        SimpleImputer(strategy="most_frequent"),
        OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    )
    columns = make_column_transformer(
        (numbers, make_column_selector(dtype_exclude="category")),
        (classes, make_column_selector(dtype_include="category")),
    )
    net = MLPClassifier() if is_classes else MLPRegressor(normalize_y=True)
    return make_pipeline(columns, net.set_params(max_iter=max_iter, random_state=0))


def best_scores(table, seed, n_iter, max_iter):
    """Return the best score of the search in rounds and that of the search at random."""
    X = table.sample(min(N_ROWS, len(table)), random_state=seed)
    y = X.pop("__target__")
    is_classes = y.dtype.kind == "i"
    model = make_model(is_classes, max_iter)
    folds = (StratifiedKFold if is_classes else KFold)(3, shuffle=True, random_state=seed)
    common = {"cv": folds, "refit": False, "random_state": seed}
    space = search_space(model, size="medium")
    searches = (
        CoarseToFineSearchCV(model, space, n_rounds=N_ROUNDS, n_iter=n_iter, **common),
        RandomizedSearchCV(model, space, n_iter=N_ROUNDS * n_iter, **common),
    )
    return [search.fit(X, y).best_score_ for search in searches]


def main(argv=None):
    """Print the table."""
    parser = make_parser(__doc__, rounds=5, quick="one round of 3 × 2 candidates and 2 epochs")
    parser.add_argument("--data", type=Path, required=True, help="folder of parquet files")
    parser.add_argument("--names", nargs="+", default=NAMES, help="tables to search on")
    parser.add_argument("--first-seed", type=int, default=0, help="seed of the first round")
    arguments = parser.parse_args(argv)
    rounds, n_iter, max_iter = arguments.rounds, N_ITER, 20
    if arguments.quick:
        rounds, n_iter, max_iter = 1, 2, 2
    warnings.simplefilter("ignore")  # none of the fits is meant to converge
    seeds = range(arguments.first_seed, arguments.first_seed + rounds)
    print_header(
        f"{N_ROUNDS} × {n_iter} candidates against {N_ROUNDS * n_iter}, {max_iter} epochs, mean of "
        f"seeds {seeds[0]} to {seeds[-1]}"
    )
    rows, n_good = [], 0
    for name in arguments.names:
        table = pd.read_parquet(arguments.data / f"{name}.parquet")
        scores = np.array([best_scores(table, seed, n_iter, max_iter) for seed in seeds])
        ours, theirs = scores.mean(axis=0)
        n_won = np.count_nonzero(scores[:, 0] >= scores[:, 1])
        n_good += ours >= theirs
        rows.append(
            [name, f"{ours:.4f}", f"{theirs:.4f}", f"{ours - theirs:+.4f}", f"{n_won} of {rounds}"]
        )
    print_table(["data", "coarse to fine", "random", "difference", "seeds as good"], rows)
    print(f"\nCoarse to fine is as good or better on {n_good} of {len(rows)} tables.")


if __name__ == "__main__":
    main()
