"""Seconds of a search: the same RandomizedSearchCV with skdnn's classifier and scikit-learn's.

    python benchmarks/search_speed.py [--rounds 3]

40 candidates × 5 folds on 4,000 × 30 standardised numbers in three classes, n_jobs=2, the same
parameter distributions and seeds, the same kind of initial weights (Glorot, uniform), and every fit
runs all its epochs, so that both do the same work.  The searches take turns (A B A B …) within one
run, and medians are printed.
"""

import time
from contextlib import ExitStack

import numpy as np
from common import (
    NUMPY_KERNELS,
    Worker,
    make_parser,
    medians,
    number,
    print_header,
    print_table,
    take_turns,
)
from joblib.externals.loky import get_reusable_executor
from scipy.stats import loguniform
from sklearn.datasets import make_classification
from sklearn.model_selection import RandomizedSearchCV, StratifiedKFold
from sklearn.preprocessing import StandardScaler

OURS, THEIRS, NUMPY_ROW = "skdnn", "scikit-learn", "skdnn, numpy kernels"
PROCESSES = ((OURS, {}), (NUMPY_ROW, NUMPY_KERNELS), (THEIRS, {}))
DISTRIBUTIONS = {
    "hidden_layer_sizes": [(32,), (64,), (32, 32), (64, 32)],
    "activation": ["relu", "tanh"],
    "alpha": loguniform(1e-6, 1e-1),
    "learning_rate_init": loguniform(3e-4, 1e-2),
    "batch_size": [32, 64, 128, 200],
}


def make_search(library, n_candidates, max_iter):
    """Return the search over the library's classifier."""
    if library == THEIRS:
        from sklearn.neural_network import MLPClassifier

        options = {}
    else:
        from skdnn import MLPClassifier

        options = {"init": "glorot_uniform"}  # what scikit-learn has
    return RandomizedSearchCV(
        MLPClassifier(max_iter=max_iter, n_iter_no_change=np.inf, random_state=0, **options),
        DISTRIBUTIONS,
        n_iter=n_candidates,
        cv=StratifiedKFold(5, shuffle=True, random_state=0),
        n_jobs=2,
        random_state=0,
    )


def searches(library, n_candidates, max_iter):
    """Return the function that searches, and tells seconds and best score."""
    X, y = make_classification(
        4_000, 30, n_informative=15, n_classes=3, flip_y=0.05, class_sep=0.8, random_state=0
    )
    X = StandardScaler().fit_transform(X)

    def search_once():
        search = make_search(library, n_candidates, max_iter)
        make_search(library, 2, 1).fit(X, y)  # starts joblib's processes and their imports
        try:
            start = time.perf_counter()
            search.fit(X, y)
            return time.perf_counter() - start, search.best_score_
        finally:
            get_reusable_executor().shutdown()  # or they would outlive this process

    return {library: search_once}


def main(argv=None):
    """Print the table."""
    parser = make_parser(__doc__, rounds=3, quick="one round of 4 candidates and 2 epochs")
    parser.add_argument("--candidates", type=int, default=40, help="settings that are tried")
    parser.add_argument("--max-iter", type=int, default=30, help="epochs of every fit")
    arguments = parser.parse_args(argv)
    rounds, n_candidates, max_iter = arguments.rounds, arguments.candidates, arguments.max_iter
    if arguments.quick:
        rounds, n_candidates, max_iter = 1, 4, 2
    print_header(
        f"{n_candidates} candidates × 5 folds, 4,000 × 30, {max_iter} epochs, n_jobs=2, "
        f"median of {rounds} rounds"
    )
    with ExitStack() as stack:
        workers = [
            stack.enter_context(
                Worker(searches, library, n_candidates, max_iter, variables=variables)
            )
            for library, variables in PROCESSES
        ]
        results = take_turns(workers, rounds, warm_up=False)
    seconds = medians({library: [s for s, _ in runs] for (library, _), runs in results.items()})
    scores = medians({library: [b for _, b in runs] for (library, _), runs in results.items()})
    print_table(
        ["RandomizedSearchCV", "seconds", "scikit-learn / this", "best accuracy"],
        [
            [library, number(s), number(seconds[THEIRS] / s), f"{scores[library]:.4f}"]
            for library, s in seconds.items()
        ],
    )


if __name__ == "__main__":
    main()
