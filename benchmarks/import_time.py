"""Seconds of `import skdnn` beside `import sklearn.neural_network`, each in a new process.

    python benchmarks/import_time.py [--rounds 15]

The imports take turns (A B A B …) within one run, after one of each to warm the disk cache; the
start of Python is not counted, and medians are printed.
"""

import os
import subprocess
import sys

from common import make_parser, medians, number, print_header, print_table

OURS, THEIRS = "skdnn", "sklearn.neural_network"


def seconds_to_import(module):
    """Return the seconds that a new process takes to import a module."""
    code = (
        f"import time; start = time.perf_counter(); import {module}; "
        "print(time.perf_counter() - start)"
    )
    environment = {name: v for name, v in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    return float(done.stdout)


def main(argv=None):
    """Print the table."""
    parser = make_parser(__doc__, rounds=15, quick="one round")
    arguments = parser.parse_args(argv)
    rounds = 1 if arguments.quick else arguments.rounds
    print_header(f"median of {rounds} rounds")
    times = {OURS: [], THEIRS: []}
    for round_ in range(rounds + 1):
        for module, seconds in times.items():
            value = seconds_to_import(module)
            if round_ > 0:  # the first is for warming up
                seconds.append(value)
    seconds = medians(times)
    print_table(
        ["import", "ms", f"× {THEIRS}"],
        [[module, number(s * 1e3), number(s / seconds[THEIRS])] for module, s in seconds.items()],
    )


if __name__ == "__main__":
    main()
