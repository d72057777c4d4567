"""Microseconds a training step: skdnn beside scikit-learn, on the same data, network and batch.

    python benchmarks/train_speed.py [--rounds 5]

A row is a whole ``fit`` divided by its number of steps, on one thread, after one fit to warm up.
The candidates take turns (A B A B …) within one run, and the medians of the rounds are
printed: machines are noisy, their ratios less so.
"""

import argparse
import platform
import statistics
import time
import warnings

import numpy as np
import scipy
import sklearn
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier as SklearnClassifier
from threadpoolctl import threadpool_limits

import skdnn

# name: (inputs, hidden layers, classes, batch, rows, epochs)
WORKLOADS = {
    "S": (20, (50,), 3, 32, 4_000, 16),
    "M": (100, (100,), 2, 200, 40_000, 2),
    "L": (20, (256, 256, 256), 10, 256, 20_000, 2),
}


def make_data(n_in, n_classes, n_rows, seed=0):
    """Return X in float64, what users have, and labels that depend on it."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, n_in))
    y = (X @ rng.normal(size=(n_in, n_classes)) + rng.normal(size=(n_rows, n_classes))).argmax(1)
    return X, y


def seconds_per_step(estimator, X, y, n_steps):
    """Return the time of one fit, divided by its steps."""
    start = time.perf_counter()
    estimator.fit(X, y)
    return (time.perf_counter() - start) / n_steps


def candidates(hidden, batch, epochs):
    """Return the estimators to compare, by name; none stops early."""
    common = {
        "batch_size": batch,
        "max_iter": epochs,
        "n_iter_no_change": np.inf,
        "random_state": 0,
    }
    return {
        "skdnn": skdnn.MLPClassifier(hidden, **common),
        "scikit-learn float64": SklearnClassifier(hidden, **common),
    }


def measure(name, rounds):
    """Return the median microseconds a step of every candidate on one workload."""
    n_in, hidden, n_classes, batch, n_rows, epochs = WORKLOADS[name]
    X, y = make_data(n_in, n_classes, n_rows)
    n_steps = epochs * -(-n_rows // batch)
    estimators = candidates(hidden, batch, epochs)
    times = {candidate: [] for candidate in estimators}
    for round_ in range(rounds + 1):
        for candidate, estimator in estimators.items():
            seconds = seconds_per_step(estimator, X, y, n_steps)
            if round_ > 0:  # the first is for warming up
                times[candidate].append(seconds * 1e6)
    return {candidate: statistics.median(values) for candidate, values in times.items()}


def main(argv=None):
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workloads", nargs="+", default=list(WORKLOADS), choices=WORKLOADS)
    arguments = parser.parse_args(argv)
    print(
        f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, "
        f"numpy {np.__version__}, scipy {scipy.__version__}, scikit-learn {sklearn.__version__}, "
        f"skdnn {skdnn.__version__}; one thread, median of {arguments.rounds} rounds"
    )
    print(f"{'workload':26}{'skdnn µs':>10}{'scikit-learn µs':>17}{'ratio':>8}")
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for name in arguments.workloads:
            n_in, hidden, n_classes, batch, *_ = WORKLOADS[name]
            ours, theirs = measure(name, arguments.rounds).values()
            network = "-".join(map(str, (n_in, *hidden, n_classes)))
            label = f"{name} {network}, batch {batch}"
            print(f"{label:26}{ours:10.1f}{theirs:17.1f}{theirs / ours:8.2f}")


if __name__ == "__main__":
    main()
