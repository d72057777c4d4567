"""Search for hyperparameters on many machines, with the same results as on one machine.

scikit-learn runs its searches through joblib, which can run them on a cluster.  This example starts
a Dask cluster of two worker processes on this machine.  It runs a random search and a search from
coarse to fine on the cluster, and both again in local processes without Dask.  Then it compares the
results: all scores are equal, bit for bit.

    python examples/search_on_dask.py
    python examples/search_on_dask.py tcp://scheduler:8786

The second line uses a cluster that is already running.  Its workers need the same packages.  The
example needs ``pip install "skdnn[examples]"``.
"""

import argparse
import logging
import signal
import time
from contextlib import contextmanager

import numpy as np
from dask.distributed import Client, LocalCluster
from joblib import parallel_config
from scipy.stats import loguniform, uniform
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.model_selection import RandomizedSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdnn import MLPClassifier
from skdnn.model_selection import CoarseToFineSearchCV, layers

SPACE = {
    "mlpclassifier__hidden_layer_sizes": layers(depth=(1, 3), width=(8, 64)),
    "mlpclassifier__learning_rate_init": loguniform(1e-4, 1e-1),
    "mlpclassifier__dropout": uniform(0, 0.5),
}


@contextmanager
def connect(address, n_workers):
    """Yield a client of the cluster at `address`, or of a local one that ends with the client."""
    if address is not None:
        with Client(address) as client:
            yield client
        return
    with (
        LocalCluster(
            n_workers=n_workers,
            threads_per_worker=1,  # one fit a process, in which Dask gives BLAS one thread
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):
        client.run(ignore_interrupts)
        yield client


def ignore_interrupts():
    """Ignore Ctrl-C in a worker: it reaches all processes, and the main one ends the workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def make_searches(n_iter, seed):
    """Return the searches, by name."""
    # The cosine lowers the learning rate to zero over max_iter epochs: no need to stop early.
    net = MLPClassifier(max_iter=10, learning_rate="cosine", random_state=seed)
    pipeline = make_pipeline(StandardScaler(), net)
    common = {"cv": 3, "random_state": seed}
    return {
        "random": RandomizedSearchCV(pipeline, SPACE, n_iter=2 * n_iter, **common),
        "coarse to fine": CoarseToFineSearchCV(
            pipeline, SPACE, n_rounds=2, n_iter=n_iter, **common
        ),
    }


def fit_all(searches, X, y):
    """Return the searches, fitted to X and y, and the seconds that each took."""
    fitted, seconds = {}, {}
    for name, search in searches.items():
        start = time.perf_counter()
        fitted[name] = clone(search).fit(X, y)
        seconds[name] = time.perf_counter() - start
    return fitted, seconds


def same_results(a, b):
    """Whether two searches tried the same candidates, with the same scores, and chose the same."""
    scores = [name for name in a.cv_results_ if name.endswith("test_score")]
    return (
        a.cv_results_["params"] == b.cv_results_["params"]
        and all(np.array_equal(a.cv_results_[name], b.cv_results_[name]) for name in scores)
        and a.best_params_ == b.best_params_
    )


def print_report(name, on_dask, locally, seconds):
    """Print whether the two runs of a search have equal results, and their times."""
    n_fits = len(on_dask.cv_results_["params"]) * on_dask.n_splits_
    same = "equal, bit for bit" if same_results(on_dask, locally) else "NOT EQUAL"
    print(f"Search, {name}: {n_fits} fits, best score {on_dask.best_score_:.4f}")
    print(f"  on Dask {seconds[0]:.1f} s, in local processes {seconds[1]:.1f} s: {same}")


def parse_arguments(argv):
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "address", nargs="?", help="of a scheduler (default: start a local cluster)"
    )
    parser.add_argument("--workers", type=int, default=2, help="of the local cluster (default: 2)")
    parser.add_argument("--rows", type=int, default=20_000, help="of the data (default: 20,000)")
    parser.add_argument("--n-iter", type=int, default=10, help="candidates a round (default: 10)")
    parser.add_argument("--seed", type=int, default=0, help="of the data and all random numbers")
    return parser.parse_args(argv)


def main(argv=None):
    """Run the example."""
    args = parse_arguments(argv)
    X, y = make_classification(args.rows, 30, n_informative=10, random_state=args.seed)
    searches = make_searches(args.n_iter, args.seed)

    with connect(args.address, args.workers) as client:
        n_threads = client.ncores().values()
        print(f"{len(n_threads)} Dask workers, {sum(n_threads)} threads")
        # X and y travel to every worker once, not with every task.
        with parallel_config(backend="dask", scatter=[X, y]):
            on_dask, dask_seconds = fit_all(searches, X, y)

    # One thread a process, as on Dask: on more threads sums are rounded in another order.
    with parallel_config(backend="loky", n_jobs=args.workers, inner_max_num_threads=1):
        locally, local_seconds = fit_all(searches, X, y)

    for name in searches:
        seconds = dask_seconds[name], local_seconds[name]
        print_report(name, on_dask[name], locally[name], seconds)


if __name__ == "__main__":
    main()
