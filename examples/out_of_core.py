"""Train on more rows than fit in memory, and resume the training if it was interrupted.

The data are a Parquet file of 5,000,000 rows.  The first run generates it.  Each row has 20 numbers
in very different units, and a class that depends on some of them, nonlinearly and with noise.  Only
a few row groups of the file are in memory at a time:

1. one pass over the rows computes means and standard deviations, which do not change afterwards;
2. ``partial_fit`` trains for several epochs: row groups are read in random order, and the rows of
   several groups are shuffled together;
3. after every few chunks the accuracy on held-out rows is printed, and a checkpoint is written.

You can kill the script at any time and start it again: it ends with the same numbers, bit for bit.
On Ctrl-C, and on SIGTERM, which announces that a machine is about to go away, it first writes a
checkpoint.

    python examples/out_of_core.py

It takes about a minute, and 400 MB on the disk: see ``--rows``, ``--epochs`` and ``--folder``.  It
needs ``pip install "skdnn[examples]"``, and Unix, because it prints its peak memory.
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
COLUMN_SCALES = np.logspace(-2, 3, len(COLUMNS))  # the means of the columns are 5 times as large
CLASSES = [0, 1]
MAX_GROUP_ROWS = 50_000  # a row group is read at a time; a chunk for partial_fit has as many rows
BATCH_ROWS = 500  # in a step of gradient descent
BUFFER_GROUPS = 8  # row groups in memory at a time; their rows are shuffled together
HELD_OUT_GROUPS = 2  # the last row groups, which are never trained on
CHECKPOINT_CHUNKS = 10  # from one checkpoint to the next


# The data ----------------------------------------------------------------------------


def log_odds(X):
    """Return the logarithm of the odds that y = 1, row by row."""
    Z = X / COLUMN_SCALES - 5
    waves = np.sin(2 * Z[:, 2]) * Z[:, 3]
    return 4 * (Z[:, 0] * Z[:, 1] + waves + 0.5 * Z[:, 4:8].sum(axis=1))


def draw(n, rng):
    """Return n rows and their classes."""
    X = (COLUMN_SCALES * (5 + rng.standard_normal((n, len(COLUMNS))))).astype(np.float32)
    return X, (rng.random(n) < expit(log_odds(X))).astype(np.int8)


def write_data(path, n_rows, seed):
    """Write the data, one row group at a time; the file gets its name when it is complete."""
    rng, n = np.random.default_rng(seed), min(MAX_GROUP_ROWS, n_rows // 100)
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
    """Yield the rows and classes of each chunk, from chunk `start` on.

    An epoch has as many chunks as there are row groups.  The order of the rows depends only on the
    seed and on the numbers of the epoch and chunk, so nothing else is needed to resume.
    """
    n = len(groups)
    for epoch in count(start // n):
        order = np.random.default_rng([seed, epoch]).permutation(groups)
        for first in range(0, n, BUFFER_GROUPS):
            some = order[first : first + BUFFER_GROUPS]
            seen = max(start - epoch * n - first, 0)
            if seen >= len(some):
                continue
            X, y = read(file, some)
            rows = np.random.default_rng([seed, epoch, first]).permutation(len(y))
            for chunk in np.array_split(rows, len(some))[seen:]:
                yield X[chunk], y[chunk]


# The training ------------------------------------------------------------------------


def begin(file, groups, n_chunks, seed):
    """Return all that is needed to resume the training, in its state before the first chunk."""
    scaler = StandardScaler(copy=False)
    for group in groups:
        scaler.partial_fit(read(file, [group])[0])
    net = MLPClassifier(
        (64, 64),
        activation="silu",
        batch_size=BATCH_ROWS,
        solver="nadam",
        learning_rate="cosine",
        learning_rate_init=0.003,
        max_iter=n_chunks,  # a call counts as an epoch, so the cosine ends with the last
        random_state=seed,
    )
    linear = SGDClassifier(loss="log_loss", random_state=seed)
    return Bunch(n_done=0, scaler=scaler, net=net, linear=linear)


def load_or_begin(checkpoint, file, groups, n_chunks, seed):
    """Return the state in the checkpoint or, if there is none, the initial state."""
    if checkpoint.exists():
        state = load_checkpoint(checkpoint)
        print(f"Resuming after chunk {state.n_done} of {n_chunks}: {checkpoint}", flush=True)
        return state
    state = begin(file, groups, n_chunks, seed)
    save_checkpoint(state, checkpoint)
    return state


def train(state, chunks, n_chunks, X_test, y_test, checkpoint):
    """Train on `chunks` until they end or a signal asks to stop; return the number of rows."""
    n_rows, start = 0, time.perf_counter()
    with stop_requests() as stop, progress_bar(n_chunks) as show:
        for X, y in chunks:
            X = state.scaler.transform(X)
            for model in state.net, state.linear:
                model.partial_fit(X, y, classes=CLASSES)
            state.n_done += 1
            n_rows += len(y)
            if state.n_done % CHECKPOINT_CHUNKS == 0 or state.n_done == n_chunks or stop.is_set():
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
    """Yield an event that Ctrl-C and SIGTERM set instead of ending the process."""
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
    """Yield a function that shows the progress: as a bar or, without a terminal, line by line."""
    if not (sys.stdout.isatty() and find_spec("rich")):
        yield lambda n_done, text: print(f"{n_done / n_chunks:4.0%}  {text}", flush=True)
        return
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    with Progress(BarColumn(), TaskProgressColumn(), TextColumn("{task.description}")) as progress:
        bar = progress.add_task("", total=n_chunks)
        yield lambda n_done, text: progress.update(bar, completed=n_done, description=text)


# The example -------------------------------------------------------------------------


def peak_memory():
    """Return the peak memory of this process, in megabytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def print_accuracies(state, X_test, y_test, attainable):
    """Print the accuracies on the held-out rows, and the best accuracy that is possible."""
    print(f"\nAccuracy on {len(y_test):,} held-out rows")
    print(f"  MLPClassifier            {state.net.score(X_test, y_test):.5f}")
    print(f"  SGDClassifier (linear)   {state.linear.score(X_test, y_test):.5f}")
    print(f"  the rule behind the data {attainable:.5f}\n")


def parse_arguments(argv):
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--rows", type=int, default=5_000_000, help="of the data (default: 5,000,000)"
    )
    parser.add_argument("--epochs", type=int, default=2, help="passes over the rows (default: 2)")
    parser.add_argument("--folder", type=Path, default=CACHE, help="of the data and the checkpoint")
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers")
    args = parser.parse_args(argv)
    if args.rows < 100 * BATCH_ROWS:
        parser.error(f"--rows must be at least {100 * BATCH_ROWS:,}")
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
        groups = range(file.num_row_groups)[:-HELD_OUT_GROUPS]
        X_test, y_test = read(file, range(file.num_row_groups)[-HELD_OUT_GROUPS:])
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
        print(f"Stopped after chunk {state.n_done} of {n_chunks}; start it again to resume.")
        return
    print_accuracies(state, X_test, y_test, attainable)
    print(f"This run: {n_rows:,} rows in {seconds:.1f} s, {n_rows / seconds:,.0f} rows/s")
    print(f"Peak memory: {peak_memory():.0f} MB")


if __name__ == "__main__":
    main()
