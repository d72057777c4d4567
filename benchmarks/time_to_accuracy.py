"""Seconds of training to 97.5 % test accuracy on MNIST: skdnn, scikit-learn and PyTorch.

    python benchmarks/time_to_accuracy.py [--rounds 5] [--data mnist.parquet] [--threads 1]

784-256-10 with ReLU, Adam, batches of 128.  The first 60,000 rows train, the rest test, pixels
are divided by 255.  Training goes epoch by epoch, and the clock stands still while the test rows
are predicted.  A round is another seed; the candidates take turns (A B A B …) within one run, and
medians are printed.
"""

import itertools
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import peers
from common import (
    NUMPY_KERNELS,
    Worker,
    make_parser,
    medians,
    number,
    print_header,
    print_table,
    take_turns,
    usable_cores,
)

DATA = Path(__file__).parents[2] / "shared" / "bench" / "data" / "mnist.parquet"
HIDDEN, BATCH, N_TRAIN = (256,), 128, 60_000
OURS, THEIRS, NUMPY_ROW = "skdnn", "scikit-learn float64", "skdnn, numpy kernels"


def load(path, quick):
    """Return training and test rows: pixels from 0 to 1, in float64, and digits."""
    import pandas as pd

    table = pd.read_parquet(path)
    y = table.pop("__target__").to_numpy().astype(np.int64)
    X = table.to_numpy(np.float64) / 255
    n_train, n = (2_000, N_TRAIN + 1_000) if quick else (N_TRAIN, len(X))
    return X[:n_train], y[:n_train], X[N_TRAIN:n], y[N_TRAIN:n]


def race(start, epoch, accuracy, target, max_epochs):
    """Return a function that trains to the target and tells seconds, epochs and accuracy.

    Parameters
    ----------
    start : function
        seed → a new model.
    epoch : function
        model → None, after one more epoch.
    accuracy : function
        model → accuracy on the test rows.
    target : float
        Accuracy to reach.
    max_epochs : int
        When to give up.
    """
    seeds = itertools.count()
    epoch(start(0))  # a model to warm up

    def run():
        seconds, reached, n_epochs, begin = 0.0, 0.0, 0, time.perf_counter()
        model = start(next(seeds))
        while reached < target and n_epochs < max_epochs:
            epoch(model)
            seconds += time.perf_counter() - begin
            n_epochs += 1
            reached = accuracy(model)
            begin = time.perf_counter()
        return seconds, n_epochs, reached

    return run


def estimator_races(rows, path, quick, *limits):
    """Return the race of one of the two scikit-learn estimators for every row named."""
    if OURS in rows[0]:
        from skdnn import MLPClassifier
    else:
        from sklearn.neural_network import MLPClassifier
    X, y, X_test, y_test = load(path, quick)
    digits = np.arange(10)

    def make_race(dtype):
        inputs, test_inputs = X.astype(dtype, copy=False), X_test.astype(dtype, copy=False)
        return race(
            lambda seed: MLPClassifier(HIDDEN, batch_size=BATCH, random_state=seed),
            lambda model: model.partial_fit(inputs, y, classes=digits),
            lambda model: model.score(test_inputs, y_test),
            *limits,
        )

    return {row: make_race(np.float32 if "float32" in row else np.float64) for row in rows}


def torch_races(rows, path, quick, *limits):
    """Return the race of the loop written by hand in PyTorch."""
    import torch

    X, y, X_test, y_test = load(path, quick)
    layers = peers.layer_sizes(X.shape[1], HIDDEN, 10)
    X, y = peers.torch_tensors(X, y, layers)
    X_test, y_test = peers.torch_tensors(X_test, y_test, layers)

    def start(seed):
        torch.manual_seed(seed)
        return peers.TorchTraining(layers, BATCH)

    def accuracy(model):
        with torch.inference_mode():
            return float((model.network(X_test).argmax(1) == y_test).double().mean())

    return {rows[0]: race(start, lambda model: model.epoch(X, y), accuracy, *limits)}


# One process each: a builder, its rows, and environment variables.
PROCESSES = (
    (estimator_races, (OURS,), {}),
    (estimator_races, (NUMPY_ROW,), NUMPY_KERNELS),
    (estimator_races, (THEIRS, "scikit-learn float32"), {}),
    (torch_races, ("PyTorch",), {}),
)


def print_races(limits, n_threads, rounds, path, quick):
    """Print the table for a number of threads."""
    with ExitStack() as stack:
        workers = [
            stack.enter_context(
                Worker(build, rows, path, quick, *limits, n_threads=n_threads, variables=variables)
            )
            for build, rows, variables in PROCESSES
        ]
        results = take_turns(workers, rounds, warm_up=False)
    columns = []
    for i in range(3):  # seconds, epochs, accuracy
        columns.append(medians({row: [r[i] for r in runs] for (row, _), runs in results.items()}))
    seconds, epochs, accuracies = columns
    print_table(
        [
            f"to {limits[0]:.1%}, {n_threads} thread{'s' * (n_threads > 1)}",
            "seconds", "× skdnn", "epochs", "seconds an epoch", "accuracy",
        ],
        [
            [
                row,
                number(seconds[row]),
                number(seconds[row] / seconds[OURS]),
                f"{epochs[row]:.0f}",
                number(seconds[row] / epochs[row]),
                f"{accuracies[row]:.4f}",
            ]
            for row in seconds
        ],
    )  # fmt: skip


def main(argv=None):
    """Print the tables."""
    parser = make_parser(__doc__, rounds=5, quick="one round of 2 epochs on 2,000 rows")
    parser.add_argument("--data", type=Path, default=DATA, help="MNIST as a Parquet file")
    parser.add_argument("--target", type=float, default=0.975, help="test accuracy to reach")
    parser.add_argument("--max-epochs", type=int, default=30, help="when to give up")
    parser.add_argument("--threads", nargs="+", type=int, default=[1], help="numbers of threads")
    arguments = parser.parse_args(argv)
    if not arguments.data.exists():
        parser.error(f"no such file: {arguments.data}; --data tells where MNIST is")
    rounds = 1 if arguments.quick else arguments.rounds
    limits = arguments.target, 2 if arguments.quick else arguments.max_epochs
    print_header(f"784-256-10, batch {BATCH}, Adam, median of {rounds} seeds")
    for n_threads in arguments.threads:
        if n_threads <= len(usable_cores()):
            print_races(limits, n_threads, rounds, arguments.data, arguments.quick)


if __name__ == "__main__":
    main()
