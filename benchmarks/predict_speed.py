"""Prediction: skdnn beside scikit-learn for one row, 1,000 rows and a million, and peak memory.

    python benchmarks/predict_speed.py [--rounds 5] [--threads 1 2]

Rows of 50 numbers in float64 through (64, 64) to three classes, by estimators with the default
parameters.  The candidates take turns (A B A B …) within one run, and medians are printed.  Peak
memory is measured on the million rows in a new process each: how much the largest resident set
grows during the call, beyond what it returns.
"""

import resource
import sys
import time
from contextlib import ExitStack
from functools import partial

import numpy as np
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

N_IN, HIDDEN, N_CLASSES = 50, (64, 64), 3
METHODS = ("predict", "predict_proba")
CALLS = {1: 500, 1_000: 50, 1_000_000: 1}  # rows: calls to time together
QUICK_CALLS = {1: 20, 1_000: 5, 20_000: 1}
MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes
OURS, THEIRS, NUMPY_ROW = "skdnn", "scikit-learn", "skdnn, numpy kernels"
PROCESSES = ((OURS, {}), (NUMPY_ROW, NUMPY_KERNELS), (THEIRS, {}))


def fitted(library):
    """Return a classifier of the library after an epoch on a few rows."""
    if library == THEIRS:
        from sklearn.neural_network import MLPClassifier
    else:
        from skdnn import MLPClassifier
    classifier = MLPClassifier(HIDDEN, max_iter=1, random_state=0)
    return classifier.fit(*make_data(N_IN, N_CLASSES, 1_000))


def many_rows(n_rows):
    """Return as many rows, made in place: nothing is freed that could hide a later need."""
    X = np.empty((n_rows, N_IN))
    np.random.default_rng(1).standard_normal(out=X)
    return X


def timings(library, calls):
    """Return functions that time one call, by (method, rows, library)."""
    classifier, X = fitted(library), many_rows(max(calls))

    def seconds(method, n_rows, n_calls):
        """Return the seconds a call takes."""
        call, some = getattr(classifier, method), X[:n_rows]
        start = time.perf_counter()
        for _ in range(n_calls):
            call(some)
        return (time.perf_counter() - start) / n_calls

    return {
        (method, n_rows, library): partial(seconds, method, n_rows, n_calls)
        for method in METHODS
        for n_rows, n_calls in calls.items()
    }


def memory(library, method, n_rows):
    """Return a function that measures the peak memory of a call over input and output, in MB."""
    classifier, X = fitted(library), many_rows(n_rows)
    getattr(classifier, method)(X[:1])  # imports and such

    def megabytes():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        output = getattr(classifier, method)(X)
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return ((after - before) * MAXRSS_UNIT - output.nbytes) / 1e6

    return {method: megabytes}


def measure_time(calls, n_threads, rounds):
    """Return the median seconds of a call by (method, rows, library), all from one run."""
    with ExitStack() as stack:
        workers = [
            stack.enter_context(
                Worker(timings, library, calls, n_threads=n_threads, variables=variables)
            )
            for library, variables in PROCESSES
        ]
        results = medians(take_turns(workers, rounds))
    return {key: seconds for (key, _), seconds in results.items()}


def measure_memory(n_rows, n_threads):
    """Return the peak memory over input and output, in MB, by (method, library)."""
    megabytes = {}
    for method in METHODS:
        for library, variables in PROCESSES:
            arguments = library, method, n_rows
            with Worker(memory, *arguments, n_threads=n_threads, variables=variables) as worker:
                megabytes[method, library] = worker.run(method)
    return megabytes


def print_times(calls, n_threads, rounds):
    """Print the table of times."""
    seconds = measure_time(calls, n_threads, rounds)
    titles = [f"µs a call, {n_threads} thread{'s' * (n_threads > 1)}", "rows"]
    titles += [library for library, _ in PROCESSES] + ["scikit-learn / skdnn"]
    rows = []
    for method in METHODS:
        for n_rows in calls:
            times = [seconds[method, n_rows, library] for library, _ in PROCESSES]
            ratio = seconds[method, n_rows, THEIRS] / seconds[method, n_rows, OURS]
            cells = [number(time_ * 1e6) for time_ in times] + [number(ratio)]
            rows.append([method, f"{n_rows:,}", *cells])
    print_table(titles, rows)


def print_memory(n_rows, n_threads):
    """Print the table of peak memory."""
    megabytes = measure_memory(n_rows, n_threads)
    title = f"peak MB over input and output, {n_threads} thread{'s' * (n_threads > 1)}"
    print_table(
        [title, "rows", *(library for library, _ in PROCESSES)],
        [
            [
                method,
                f"{n_rows:,}",
                *(f"{megabytes[method, library]:.0f}" for library, _ in PROCESSES),
            ]
            for method in METHODS
        ],
    )


def main(argv=None):
    """Print the tables."""
    parser = make_parser(__doc__, rounds=5, quick="one round, 20,000 rows for a million")
    parser.add_argument("--threads", nargs="+", type=int, default=[1], help="numbers of threads")
    arguments = parser.parse_args(argv)
    rounds, calls = (1, QUICK_CALLS) if arguments.quick else (arguments.rounds, CALLS)
    print_header(f"50-64-64-3, float64 input, median of {rounds} rounds")
    for n_threads in arguments.threads:
        if n_threads <= len(usable_cores()):
            print_times(calls, n_threads, rounds)
            print_memory(max(calls), n_threads)


if __name__ == "__main__":
    main()
