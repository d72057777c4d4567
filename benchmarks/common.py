"""What the benchmarks share: workers, turns, the header, data and tables.

Every candidate lives in a `Worker`, a process of its own that keeps its imports, its data and its
environment (which kernels, how many cores) and works only when it is asked to.  `take_turns`
asks one after the other, A B A B …, so that all rows of a table come from one run and suffer
alike from whatever else the machine does; the medians of the rounds are printed.
"""

import argparse
import datetime
import multiprocessing
import os
import platform
import statistics
import traceback
import warnings
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version

import numpy as np
from threadpoolctl import threadpool_info

PACKAGES = ("numpy", "scipy", "scikit-learn", "skdnn", "torch", "jax", "optax", "skorch")
BLAS_VARIABLES = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "MKL_ENABLE_INSTRUCTIONS")
NUMPY_KERNELS = {"SKDNN_KERNELS": "numpy"}


# Arguments and header -----------------------------------------------------------------


def make_parser(docstring, rounds, quick):
    """Return a parser of what every script understands; `quick` says what a smoke run is."""
    parser = argparse.ArgumentParser(description=docstring.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=rounds, help="rounds to take the median of")
    parser.add_argument("--quick", action="store_true", help=f"smoke run: {quick}")
    return parser


def cpu_model():
    """Return the name of the processor."""
    try:
        with open("/proc/cpuinfo") as file:
            names = [line.partition(":")[2].strip() for line in file if "model name" in line]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def usable_cores():
    """Return the numbers of the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def blas_kernels():
    """Return which BLAS numpy and scipy have loaded, for which processor, and what was forced.

    A core type forced by the environment slows the products of numpy, and so of skdnn and
    scikit-learn, but not those of PyTorch and JAX, which bring their own.
    """
    libraries = [lib for lib in threadpool_info() if lib["user_api"] == "blas"]
    names = {f"{lib['internal_api']} {lib['version']}" for lib in libraries}
    names |= {f"for {lib['architecture']}" for lib in libraries if "architecture" in lib}
    forced = [f"{name}={value}" for name, value in os.environ.items() if name in BLAS_VARIABLES]
    return "BLAS: " + ", ".join([*sorted(names, reverse=True), *forced])


def print_header(*notes):
    """Print date, machine, versions, BLAS and which kernels skdnn runs, then the notes."""
    import skdnn

    versions = [f"Python {platform.python_version()}"]
    for package in PACKAGES:
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    n_cores = len(usable_cores())
    print(f"{datetime.date.today()}, {cpu_model()}, {n_cores} core{'s' * (n_cores > 1)}")
    print(", ".join(versions))
    print(blas_kernels())
    skdnn.show_versions()
    for note in notes:
        print(note)


# Data ---------------------------------------------------------------------------------


def make_data(n_in, n_classes, n_rows, seed=0):
    """Return X in float64, what users have, and labels that depend on it."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_rows, n_in))
    y = (X @ rng.normal(size=(n_in, n_classes)) + rng.normal(size=(n_rows, n_classes))).argmax(1)
    return X, y


# Workers and turns --------------------------------------------------------------------


@contextmanager
def environment(variables):
    """Set environment variables for as long as it lasts."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def thread_environment(n_threads):
    """Return the variables that hold every library to so many threads."""
    variables = {"OMP_NUM_THREADS": str(n_threads), "OPENBLAS_NUM_THREADS": str(n_threads)}
    if n_threads == 1:
        variables["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    return variables


class Worker:
    """A process that builds candidates once and then runs one of them when asked to.

    Parameters
    ----------
    build : function
        Called in the process as ``build(*arguments)``; returns the candidates, a dict of
        functions without arguments, or fails to import what it needs and has none.
    arguments : tuple
        What `build` needs.
    n_threads : int or None, default=None
        Cores to be pinned to, and threads of the libraries; None leaves both alone.
    variables : dict or None, default=None
        Further environment variables of the process.
    """

    def __init__(self, build, *arguments, n_threads=None, variables=None):
        self.n_threads = n_threads
        variables = {"JAX_PLATFORMS": "cpu", "PYTHONWARNINGS": "ignore", **(variables or {})}
        if n_threads is not None:
            variables |= thread_environment(n_threads)
        context = multiprocessing.get_context("spawn")  # nothing of this process comes along
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, n_threads, build, arguments))
        with environment(variables):
            self._process.start()
        theirs.close()
        self.candidates = self._receive()

    def run(self, candidate):
        """Run a candidate in the process and return what it returns."""
        self._pipe.send(candidate)
        return self._receive()

    def _receive(self):
        failed, result = self._pipe.recv()
        if failed:
            raise RuntimeError(f"a worker failed:\n{result}")
        return result

    def close(self):
        """End the process."""
        self._pipe.close()
        self._process.join()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def _work(pipe, n_threads, build, arguments):
    """Be the process of a `Worker`: build the candidates, then run them until it hangs up."""
    warnings.simplefilter("ignore")  # none of the fits is meant to converge
    if n_threads is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, usable_cores()[:n_threads])
    try:
        try:
            candidates = build(*arguments)
        except ImportError:  # a peer that is not installed
            candidates = {}
        pipe.send((False, list(candidates)))
        while True:
            pipe.send((False, candidates[pipe.recv()]()))
    except EOFError:
        pass
    except Exception:
        pipe.send((True, traceback.format_exc()))


def take_turns(workers, rounds, warm_up=True):
    """Run every candidate of every worker once a round and return all results.

    Parameters
    ----------
    workers : list of Worker
        No two may share a candidate's name and the number of threads.
    rounds : int
        How often.
    warm_up : bool, default=True
        Whether a round that does not count comes first.

    Returns
    -------
    dict
        (candidate, number of threads) → list of results, in the order of the workers.
    """
    turns = [(worker, candidate) for worker in workers for candidate in worker.candidates]
    results = {(candidate, worker.n_threads): [] for worker, candidate in turns}
    for round_ in range(-warm_up, rounds):
        for worker, candidate in turns:
            result = worker.run(candidate)
            if round_ >= 0:
                results[candidate, worker.n_threads].append(result)
    return results


def medians(results):
    """Return the median of every list of numbers."""
    return {key: statistics.median(values) for key, values in results.items()}


# Tables -------------------------------------------------------------------------------


def number(value, digits=3):
    """Return a positive number with so many digits that count, or a dash for None."""
    if value is None:
        return "–"
    decimals = max(0, digits - len(str(int(value)))) if value >= 1 else digits - 1
    return f"{value:,.{decimals}f}"


def print_table(titles, rows):
    """Print a Markdown table: the first column to the left, the others to the right."""
    cells = [list(map(str, row)) for row in (titles, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "| " + " | ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) + " |"
        for row in cells
    ]
    rule = [":".ljust(widths[0] + 2, "-"), *(":".rjust(width + 2, "-") for width in widths[1:])]
    print("", lines[0], "|" + "|".join(rule) + "|", *lines[1:], sep="\n")
