"""Seconds and memory of the transformers of tables.

python benchmarks/preprocessing.py

Processor seconds of fit and transform, and the most memory that each takes at a time, beside the
table (as tracemalloc sees it), in MB; of transform the output is part of it.
"""

import time
import tracemalloc

import numpy as np
import pandas as pd

from skdnn.preprocessing import PiecewiseLinearEncoder, RobustSmoothClipScaler, TabularEncoder

TARGET = {"high_cardinality": "target", "random_state": 0}


def mixed(n: int, rng) -> pd.DataFrame:
    """Return 20 columns: numbers with gaps, categories, text of 10,000 levels, dates."""
    numbers = rng.normal(size=(n, 14))
    numbers[rng.random(numbers.shape) < 0.01] = np.nan
    start, seconds = pd.Timestamp(2020, 1, 1), rng.integers(0, 10**8, n)
    return pd.DataFrame(numbers, columns=[f"number{j}" for j in range(14)]).assign(
        category=pd.Categorical(rng.choice(list("abcde"), n)),
        text=rng.choice([f"level{i}" for i in range(10_000)], n),
        flag=rng.random(n) < 0.3,
        whole=rng.integers(0, 100, n),
        date=start + pd.to_timedelta(seconds, unit="s"),
        few=rng.choice(["x", "y", "z"], n),
    )


def wide(n: int, rng) -> pd.DataFrame:
    """Return 1,000 columns of numbers and 1,000 of text with 12 levels."""
    numbers = pd.DataFrame(rng.normal(size=(n, 1000))).add_prefix("number")
    text = pd.DataFrame(rng.choice(list("abcdefghijkl"), (n, 1000))).add_prefix("text")
    return pd.concat([numbers, text], axis=1)


def measured(function, *arguments):
    """Return what a function returns, its seconds and its MB."""
    start = time.process_time()
    function(*arguments)
    seconds = time.process_time() - start
    tracemalloc.start()
    result = function(*arguments)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return result, seconds, peak / 1e6


def row(name: str, estimator, X, y) -> None:
    """Print a row of the table."""
    _, fit, fit_mb = measured(estimator.fit, X, y)
    out, transform, mb = measured(estimator.transform, X)
    print(
        f"{name:32} {X.shape[0]:7} x {X.shape[1]:4}  fit {fit:6.2f} s {fit_mb:5.0f} MB  "
        f"transform {transform:5.2f} s {mb:5.0f} MB  output {out.nbytes / 1e6:4.0f} MB"
    )


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    for make, n in ((mixed, 500_000), (wide, 300)):
        frame, y = make(n, rng), rng.integers(0, 2, n)
        numbers = rng.normal(size=frame.shape)
        row("TabularEncoder", TabularEncoder(), frame, y)
        if make is mixed:
            row("TabularEncoder, target", TabularEncoder(**TARGET), frame, y)
        row("TabularEncoder, numbers only", TabularEncoder(), numbers, y)
        row("RobustSmoothClipScaler", RobustSmoothClipScaler(dtype="float32"), numbers, y)
        row("PiecewiseLinearEncoder", PiecewiseLinearEncoder(dtype="float32"), numbers, y)
    tree = PiecewiseLinearEncoder(strategy="tree", dtype="float32")
    row("PiecewiseLinearEncoder, tree", tree, numbers, y)
