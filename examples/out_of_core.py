"""Train on more rows than memory should hold, and go on where the training was cut short.

The data are a Parquet file of 5,000,000 rows, which the first run makes up: 20 numbers a row, in
very different units, and a class that depends on some of them, not linearly and not without noise.
Only a few row groups of it are ever in memory:

1. one pass for means and standard deviations, which stay as they are from then on;
2. epochs of ``partial_fit``: row groups are read in random order, their rows shuffled together;
3. every few chunks a look at the accuracy on rows held out, and a checkpoint.

Kill it at any time and start it again: it ends with the same numbers, bit for bit.  Ctrl-C and
SIGTERM, the notice that a machine is about to go, let it write a checkpoint first.

    python examples/out_of_core.py

It takes about a minute, and 400 MB of disk: see ``--rows``, ``--epochs`` and ``--folder``.  It
needs ``pip install "skdnn[examples]"``, and a Unix for the peak of memory that it prints.
"""

import argparse
import os
import resource
import signal
import sys
import threading
import time
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import count, islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.special import expit
from sklearn.linear_model import SGDClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Bunch

from skdnn import MLPClassifier, load_checkpoint, save_checkpoint

CACHE = Path(__file__).parent / "cache"
COLUMNS = [f"x{j}" for j in range(20)]
SCALE = np.logspace(-2, 3, len(COLUMNS))  # of the columns; their means are 5 times as large
CLASSES = [0, 1]
GROUP = 50_000  # rows of a row group at most: what is read, and handed to partial_fit, at a time
BATCH = 500  # rows of a step of gradient descent
BUFFER = 8  # row groups in memory at a time, their rows shuffled together
HELD_OUT = 2  # row groups, the last ones, that are never trained on
INTERVAL = 10  # chunks from one checkpoint to the next


# The data ----------------------------------------------------------------------------


def log_odds(X):
    """Return the logarithm of the odds that y = 1, row by row."""
    Z = X / SCALE - 5
    waves = np.sin(2 * Z[:, 2]) * Z[:, 3]
    return 4 * (Z[:, 0] * Z[:, 1] + waves + 0.5 * Z[:, 4:8].sum(axis=1))


def draw(n, rng):
    """Return n rows and their classes."""
    X = (SCALE * (5 + rng.standard_normal((n, len(COLUMNS))))).astype(np.float32)
    return X, (rng.random(n) < expit(log_odds(X))).astype(np.int8)


def write_data(path, n_rows, seed):
    """Write the data row group by row group, under another name until they are complete."""
    rng, n = np.random.default_rng(seed), min(GROUP, n_rows // 100)
    schema = pa.schema([(name, pa.float32()) for name in COLUMNS] + [("y", pa.int8())])
    unfinished = path.with_suffix(".unfinished")
    with pq.ParquetWriter(unfinished, schema, use_dictionary=False) as writer:
        for start in range(0, n_rows, n):
            X, y = draw(min(n, n_rows - start), rng)
            writer.write_table(pa.table([*X.T, y], schema=schema))
    os.replace(unfinished, path)


def read(file, groups):
    """Return the rows of some row groups, and their classes."""
    table = file.read_row_groups(groups)
    return np.column_stack([table[name].to_numpy() for name in COLUMNS]), table["y"].to_numpy()


def shuffled_chunks(file, groups, seed, start=0):
    """Yield rows and classes from chunk `start` on, as many chunks an epoch as row groups.

    The order depends on the seed and on the numbers of epoch and chunk alone, so to go on with it
    nothing else has to be remembered.
    """
    n = len(groups)
    for epoch in count(start // n):
        order = np.random.default_rng([seed, epoch]).permutation(groups)
        for first in range(0, n, BUFFER):
            some = order[first : first + BUFFER]
            seen = max(start - epoch * n - first, 0)
            if seen >= len(some):
                continue
            X, y = read(file, some)
            rows = np.random.default_rng([seed, epoch, first]).permutation(len(y))
            for chunk in np.array_split(rows, len(some))[seen:]:
                yield X[chunk], y[chunk]


# The training ------------------------------------------------------------------------


def begin(file, groups, n_chunks, seed):
    """Return all that training needs to go on, as it is before the first chunk."""
    scaler = StandardScaler(copy=False)
    for group in groups:
        scaler.partial_fit(read(file, [group])[0])
    net = MLPClassifier(
        (64, 64),
        activation="silu",
        batch_size=BATCH,
        solver="nadam",
        learning_rate="cosine",
        learning_rate_init=0.003,
        max_iter=n_chunks,  # to the cosine a call of partial_fit is an epoch: it ends with the last
        random_state=seed,
    )
    linear = SGDClassifier(loss="log_loss", random_state=seed)
    return Bunch(n_done=0, scaler=scaler, net=net, linear=linear)


def load_or_begin(checkpoint, file, groups, n_chunks, seed):
    """Return what the checkpoint holds; if there is none, what it holds at the beginning."""
    if checkpoint.exists():
        state = load_checkpoint(checkpoint)
        print(f"Going on after chunk {state.n_done} of {n_chunks}: {checkpoint}", flush=True)
        return state
    state = begin(file, groups, n_chunks, seed)
    save_checkpoint(state, checkpoint)
    return state


def train(state, chunks, n_chunks, X_test, y_test, checkpoint):
    """Train on `chunks` until they end or a stop is asked for; return how many rows they had."""
    n_rows, start = 0, time.perf_counter()
    with stop_requests() as stop, progress_bar(n_chunks) as show:
        for X, y in chunks:
            X = state.scaler.transform(X)
            for model in state.net, state.linear:
                model.partial_fit(X, y, classes=CLASSES)
            state.n_done += 1
            n_rows += len(y)
            if state.n_done % INTERVAL == 0 or state.n_done == n_chunks or stop.is_set():
                save_checkpoint(state, checkpoint)
                accuracy = state.net.score(X_test, y_test)
                speed = n_rows / (time.perf_counter() - start)
                numbers = f"loss {state.net.loss_:.4f}  accuracy {accuracy:.4f}"
                show(state.n_done, f"{numbers}  {speed:,.0f} rows/s")
            if stop.is_set():
                break
    return n_rows


@contextmanager
def stop_requests():
    """Yield an event that Ctrl-C and SIGTERM set, instead of ending what runs."""
    stop = threading.Event()
    numbers = signal.SIGINT, signal.SIGTERM
    handlers = [signal.signal(number, lambda *_: stop.set()) for number in numbers]
    try:
        yield stop
    finally:
        for number, handler in zip(numbers, handlers, strict=True):
            signal.signal(number, handler)


@contextmanager
def progress_bar(n_chunks):
    """Yield a function that shows how far training is: on a bar, or without a terminal in lines."""
    if not (sys.stdout.isatty() and find_spec("rich")):
        yield lambda n_done, text: print(f"{n_done / n_chunks:4.0%}  {text}", flush=True)
        return
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    with Progress(BarColumn(), TaskProgressColumn(), TextColumn("{task.description}")) as progress:
        bar = progress.add_task("", total=n_chunks)
        yield lambda n_done, text: progress.update(bar, completed=n_done, description=text)


# The example -------------------------------------------------------------------------


def peak_memory():
    """Return the most memory that this process has had, in megabytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def print_accuracies(state, X_test, y_test, attainable):
    """Print how often the models are right on the rows held out, and how often one can be."""
    print(f"\nAccuracy on {len(y_test):,} rows held out")
    print(f"  MLPClassifier            {state.net.score(X_test, y_test):.5f}")
    print(f"  SGDClassifier (linear)   {state.linear.score(X_test, y_test):.5f}")
    print(f"  the rule behind the data {attainable:.5f}\n")


def parse_arguments(argv):
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=5_000_000, help="(default: 5,000,000)")
    parser.add_argument("--epochs", type=int, default=2, help="passes over them (default: 2)")
    parser.add_argument("--folder", type=Path, default=CACHE, help="of the data and the checkpoint")
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers")
    args = parser.parse_args(argv)
    if args.rows < 100 * BATCH:
        parser.error(f"--rows must be at least {100 * BATCH:,}")
    return args


def main(argv=None):
    """Run the example."""
    args = parse_arguments(argv)
    args.folder.mkdir(parents=True, exist_ok=True)
    data = args.folder / f"{args.rows}-rows-seed-{args.seed}.parquet"
    if not data.exists():
        print(f"Writing {args.rows:,} rows: {data}", flush=True)
        write_data(data, args.rows, args.seed)

    with pq.ParquetFile(data) as file:
        groups = range(file.num_row_groups)[:-HELD_OUT]
        X_test, y_test = read(file, range(file.num_row_groups)[-HELD_OUT:])
        attainable = np.mean((log_odds(X_test) > 0) == y_test)
        n_chunks = args.epochs * len(groups)
        checkpoint = data.with_suffix(f".{args.epochs}-epochs.ckpt")
        state = load_or_begin(checkpoint, file, groups, n_chunks, args.seed)
        X_test = state.scaler.transform(X_test)

        start = time.perf_counter()
        chunks = shuffled_chunks(file, groups, args.seed, state.n_done)
        chunks = islice(chunks, n_chunks - state.n_done)
        n_rows = train(state, chunks, n_chunks, X_test, y_test, checkpoint)
        seconds = time.perf_counter() - start

    if state.n_done < n_chunks:
        print(f"Stopped after chunk {state.n_done} of {n_chunks}; start it again to go on.")
        return
    print_accuracies(state, X_test, y_test, attainable)
    print(f"This run: {n_rows:,} rows in {seconds:.1f} s, {n_rows / seconds:,.0f} rows/s")
    print(f"Peak memory: {peak_memory():.0f} MB")


if __name__ == "__main__":
    main()
