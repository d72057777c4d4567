"""Microseconds a training step: skdnn beside scikit-learn, PyTorch, JAX, skorch and bare products.

    python benchmarks/train_speed.py [--rounds 5] [--threads 1 2] [--workloads S M] [--rows skdnn]

A row is a whole ``fit`` divided by its number of steps, on the same data, network and batch, after
one fit to warm up.  The candidates take turns (A B A B …) within one run, on as many cores as
they may have threads; the medians of the rounds are printed: machines are noisy, their ratios
less so.  "the matrix products alone" are the numpy calls that no training can do without.
"""

import argparse
import time
from contextlib import ExitStack
from functools import partial

import numpy as np
import peers
from common import (
    NUMPY_KERNELS,
    Worker,
    make_data,
    make_parser,
    medians,
    number,
    print_header,
    print_table,
    take_turns,
    usable_cores,
)

# name: (inputs, hidden layers, classes, batch, rows, epochs)
WORKLOADS = {
    "S": (20, (50,), 3, 32, 4_000, 16),
    "M": (100, (100,), 2, 200, 40_000, 2),
    "W": (50, (64, 64), 2, 1024, 100_000, 2),
    "L": (20, (256, 256, 256), 10, 256, 20_000, 2),
    "XL": (784, (512, 256), 10, 128, 60_000, 2),
}
FIRST_FIT = (20, (50,), 3, 32, 4_000, 20)
REGULARISED = {"dropout": 0.2, "batch_norm": True}
WITH = ", dropout and batch norm"
PRODUCTS = "the matrix products alone"
NUMPY_ROW = "skdnn, numpy kernels"
ROWS = (
    "skdnn",
    NUMPY_ROW,
    "scikit-learn float64",
    "scikit-learn float32",
    "PyTorch",
    "JAX, compiled before",
    "JAX, compilation included",
    "skorch",
    PRODUCTS,
)
ORDER = (*ROWS, "skdnn" + WITH, NUMPY_ROW + WITH, "PyTorch" + WITH)
FIRST_ROWS = ("skdnn", "scikit-learn float64", "PyTorch", "JAX, compilation included")


# Candidates: each builder returns functions that run a whole fit, by name of the row -----------


def scikit_learn_fit(classifier, X, y, workload, **regularisation):
    """Return a function that fits one of the two scikit-learn estimators; it never stops early."""
    _, hidden, _, batch, _, epochs = workload
    estimator = classifier(
        hidden, batch_size=batch, max_iter=epochs, n_iter_no_change=np.inf, random_state=0,
        **regularisation,
    )  # fmt: skip
    return lambda: estimator.fit(X, y)


def data_and_layers(workload):
    """Return X, y and the layers of a workload."""
    n_in, hidden, n_classes, _, n_rows, _ = workload
    return *make_data(n_in, n_classes, n_rows), peers.layer_sizes(n_in, hidden, n_classes)


def skdnn_rows(workload, name="skdnn"):
    """Return the rows of skdnn, with whatever kernels this process has."""
    from skdnn import MLPClassifier

    X, y, _ = data_and_layers(workload)
    return {
        name: scikit_learn_fit(MLPClassifier, X, y, workload),
        name + WITH: scikit_learn_fit(MLPClassifier, X, y, workload, **REGULARISED),
    }


def reference_rows(workload):
    """Return the rows of scikit-learn and of the matrix products."""
    from sklearn.neural_network import MLPClassifier

    X, y, layers = data_and_layers(workload)
    *_, batch, n_rows, epochs = workload
    return {
        "scikit-learn float64": scikit_learn_fit(MLPClassifier, X, y, workload),
        "scikit-learn float32": scikit_learn_fit(MLPClassifier, X.astype("f"), y, workload),
        PRODUCTS: peers.bare_products(layers, n_rows, batch, epochs),
    }


def torch_rows(workload):
    """Return the rows of PyTorch."""
    X, y, layers = data_and_layers(workload)
    *_, batch, _, epochs = workload
    return {
        "PyTorch": peers.torch_fit(X, y, layers, batch, epochs),
        "PyTorch" + WITH: peers.torch_fit(X, y, layers, batch, epochs, **REGULARISED),
    }


def skorch_rows(workload):
    """Return the row of skorch."""
    *_, batch, _, epochs = workload
    return {"skorch": peers.skorch_fit(*data_and_layers(workload), batch, epochs)}


def jax_rows(workload):
    """Return the rows of JAX."""
    *_, batch, _, epochs = workload
    run, compile_and_run = peers.jax_fit(*data_and_layers(workload), batch, epochs)
    return {"JAX, compilation included": compile_and_run, "JAX, compiled before": run}


# One process each: a builder, the rows it makes, and environment variables.
PROCESSES = (
    (skdnn_rows, {"skdnn", "skdnn" + WITH}, {}),
    (partial(skdnn_rows, name=NUMPY_ROW), {NUMPY_ROW, NUMPY_ROW + WITH}, NUMPY_KERNELS),
    (reference_rows, {"scikit-learn float64", "scikit-learn float32", PRODUCTS}, {}),
    (torch_rows, {"PyTorch", "PyTorch" + WITH}, {}),
    (jax_rows, {"JAX, compilation included", "JAX, compiled before"}, {}),
    (skorch_rows, {"skorch"}, {}),
)


def timed(build, wanted, workload):
    """Build rows and return those wanted, as functions that return the seconds they take."""

    def timing(run):
        def seconds():
            start = time.perf_counter()
            run()
            return time.perf_counter() - start

        return seconds

    return {row: timing(run) for row, run in build(workload).items() if row in wanted}


def start_workers(stack, workload, n_threads, wanted):
    """Start the processes that have a row among those wanted."""
    return [
        stack.enter_context(
            Worker(timed, build, wanted, workload, n_threads=n_threads, variables=variables)
        )
        for build, rows, variables in PROCESSES
        if rows & wanted
    ]


# Tables -------------------------------------------------------------------------------


def measure(workload, threads, wanted, rounds):
    """Return the median µs a step by (row, number of threads), all from one run."""
    *_, batch, n_rows, epochs = workload
    n_steps = epochs * -(-n_rows // batch)
    with ExitStack() as stack:
        workers = [
            worker
            for n_threads in threads
            for worker in start_workers(stack, workload, n_threads, wanted)
        ]
        results = medians(take_turns(workers, rounds))
    return {key: seconds / n_steps * 1e6 for key, seconds in results.items()}


def ratio(numerator, denominator):
    """Return their ratio as text, or a dash where one is missing."""
    return number(numerator / denominator if numerator and denominator else None)


def print_workload(name, workload, times, threads):
    """Print the tables of a workload: one a number of threads."""
    n_in, hidden, n_classes, batch, *_ = workload
    network = "-".join(map(str, (n_in, *hidden, n_classes)))
    for n_threads in threads:
        label = f"{name}: {network}, batch {batch}, {n_threads} thread{'s' * (n_threads > 1)}"
        titles = [label, "µs a step", "× products", "× skdnn", "× without"]
        several = n_threads != threads[0]
        if several:
            titles.append(f"speed-up over {threads[0]}")
        rows = []
        for row in ORDER:
            if (row, n_threads) not in times:
                continue
            time_ = times[row, n_threads]
            plain = row.removesuffix(WITH)
            cells = [
                number(time_),
                ratio(time_, times.get((PRODUCTS, n_threads))),
                ratio(time_, times.get(("skdnn", n_threads))),
                ratio(time_, times.get((plain, n_threads))) if plain != row else "",
            ]
            if several:
                cells.append(ratio(times.get((row, threads[0])), time_))
            rows.append([row, *cells])
        print_table(titles, rows)


def print_first_fits(workload, wanted, n_threads, rounds):
    """Print the seconds of the first fit in a new process, imports and data not counted."""
    first = [row for row in FIRST_ROWS if row in wanted]
    times = {row: [] for row in first}
    for _ in range(rounds):
        for row in first:
            with ExitStack() as stack:
                for worker in start_workers(stack, workload, n_threads, {row}):
                    times[row] += [worker.run(candidate) for candidate in worker.candidates]
    seconds = medians({row: values for row, values in times.items() if values})
    print_table(
        [f"first fit in a process: S, {workload[-1]} epochs", "seconds", "× skdnn"],
        [[row, number(s), ratio(s, seconds.get("skdnn"))] for row, s in seconds.items()],
    )


def shortened(workload):
    """Return a workload of a few steps."""
    *network, batch, _, _ = workload
    return *network, batch, 4 * batch + batch // 2, 2


def main(argv=None):
    """Print the tables."""
    parser = make_parser(__doc__, rounds=5, quick="one round of ten steps")
    parser.add_argument("--workloads", nargs="+", default=list(WORKLOADS), choices=WORKLOADS)
    parser.add_argument("--threads", nargs="+", type=int, default=[1], help="numbers of threads")
    parser.add_argument("--rows", nargs="+", default=ROWS, choices=ROWS, metavar="ROW")
    parser.add_argument(
        "--regularised",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="also skdnn and PyTorch with dropout 0.2 and batch norm",
    )
    arguments = parser.parse_args(argv)
    rounds = 1 if arguments.quick else arguments.rounds
    threads = [n for n in arguments.threads if n <= len(usable_cores())]
    wanted = {*arguments.rows}
    if arguments.regularised:
        wanted |= {row + WITH for row in wanted}
    print_header(
        f"µs a step: a whole fit / its steps, median of {rounds} rounds; two classes are one "
        "logistic output"
    )
    for name in arguments.workloads:
        workload = WORKLOADS[name]
        if arguments.quick:
            workload = shortened(workload)
        print_workload(name, workload, measure(workload, threads, wanted, rounds), threads)
    if "S" in arguments.workloads:
        workload = shortened(FIRST_FIT) if arguments.quick else FIRST_FIT
        print_first_fits(workload, wanted, threads[0], rounds)


if __name__ == "__main__":
    main()
