"""Best validation score of CoarseToFineSearchCV beside RandomizedSearchCV's, after as many fits.

    python benchmarks/coarse_to_fine.py [--data FOLDER] [--names adult spambase …] [--rounds 5]

Without a folder the tables are those at hand: the bank's calls of `examples/data`, and breast
cancer and diabetes of scikit-learn.  A folder has tables of your own, each a file ``NAME.parquet``:
the target in ``__target__``, integers if it is classes; categorical columns of dtype category; NaN
if something is missing.

A pipeline of imputing, scaling and one-hot encoding before a network of 20 epochs is searched on
1,500 rows, with `search_space` of medium size: 3 rounds × 20 candidates × 3 folds against 60
candidates × 3 folds.  A round has another seed, which draws the rows, the folds and the candidates,
the same first 20 in both searches.  The score, accuracy or R², is that of the best candidate on the
folds that chose it; means over the rounds are printed, and how many of them the search in rounds
wins or ties.
"""

import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from common import make_parser, print_header, print_table
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.impute import SimpleImputer
from sklearn.model_selection import KFold, RandomizedSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skdnn import MLPClassifier, MLPRegressor
from skdnn.model_selection import CoarseToFineSearchCV, search_space

BANK = Path(__file__).parents[1] / "examples" / "data" / "bank.csv.gz"
N_ROWS, N_ROUNDS, N_ITER = 1_500, 3, 20


def load_bank():
    """Return the bank's calls without their length, which is known only after the call."""
    table = pd.read_csv(BANK).drop(columns="duration")
    text = table.columns[table.dtypes == table["job"].dtype]
    target = (table.pop("y") == "yes").astype(int)
    return table.astype(dict.fromkeys(text.drop("y"), "category")).assign(__target__=target)


def load_from(loader):
    """Return a table of scikit-learn."""
    X, y = loader(return_X_y=True, as_frame=True)
    return X.assign(__target__=y)


def find_tables(folder):
    """Return a function that loads the table, by name."""
    if folder is None:
        return {
            "bank": load_bank,
            "breast_cancer": partial(load_from, load_breast_cancer),
            "diabetes": partial(load_from, load_diabetes),
        }
    return {path.stem: partial(pd.read_parquet, path) for path in sorted(folder.glob("*.parquet"))}


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


def parse_arguments(argv):
    """Return the arguments of the command line, and the tables to search on by name."""
    parser = make_parser(__doc__, rounds=5, quick="one round of 3 × 2 candidates and 2 epochs")
    parser.add_argument("--data", type=Path, help="folder of parquet files")
    parser.add_argument("--names", nargs="+", help="tables to search on (default: all)")
    parser.add_argument("--first-seed", type=int, default=0, help="seed of the first round")
    arguments = parser.parse_args(argv)
    tables = find_tables(arguments.data)
    names = tables if arguments.names is None else arguments.names
    if not tables or not tables.keys() >= set(names):
        parser.error(
            f"the names of the tables are {', '.join(tables) or 'none: there is no table'}"
        )
    return arguments, {name: tables[name] for name in names}


def main(argv=None):
    """Print the table."""
    arguments, tables = parse_arguments(argv)
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
    for name, load in tables.items():
        table = load()
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
