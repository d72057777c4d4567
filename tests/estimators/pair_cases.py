"""Drawn at random: hyperparameters that scikit-learn's MLP has too, and data of every kind."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from scipy import sparse

SIZES = (
    5,
    np.int64(4),
    (3,),
    [4, 2],
    (2, 3, 2),
    np.array([3, 2]),
    [np.int32(3)],
    (),
    [],
    range(2, 4),
)
HYPERPARAMETERS: dict[str, tuple] = {
    "hidden_layer_sizes": SIZES,
    "activation": ("identity", "logistic", "tanh", "relu"),
    "solver": ("adam", "sgd", "lbfgs", "adam", "sgd"),
    "alpha": (0, 1e-4, 0.1, 10.0, np.float32(0.01)),
    "batch_size": ("auto", 1, 2, 3, np.int64(7), 1000),
    "learning_rate": ("constant", "invscaling", "adaptive"),
    "learning_rate_init": (1e-5, 0.001, 0.02, 0.5, 1, 30.0),
    "power_t": (0.5, 0, 0.1, 2.0, 1),
    "max_iter": (1, 2, np.int64(5), 12, 25),
    "shuffle": (True, False),
    "tol": (1e-4, 0, 0.0, 1e-12, 0.1, 10),
    "verbose": (False, False, True, 0, 1, 2),
    "warm_start": (False, True),
    "momentum": (0.9, 0, 0.5, 1, 1.0),
    "nesterovs_momentum": (True, False, np.True_),
    "early_stopping": (False, False, True, np.True_),
    "validation_fraction": (0.1, 0.2, 0.5, 0.75, 0.01),
    "beta_1": (0.9, 0, 0.5, 0.999),
    "beta_2": (0.999, 0, 0.9, 0.99999),
    "epsilon": (1e-8, 1e-3, 1, 1e-30),
    "n_iter_no_change": (10, 1, 2, np.int64(3), np.inf),
    "max_fun": (15000, 1, 2, 20),
    "random_state": (0, 42, np.int64(7), np.random.RandomState(3), None),
}
ROWS = (1, 2, 3, 4, 5, 7, 11, 20, 40, 60)
FORMS = ("normal",) * 4 + (
    "constant column",
    "all constant",
    "duplicated",
    "raw",
    "whole",
    "huge",
    "tiny",
)
X_DTYPES = ("float64",) * 4 + (
    "float32",
    "float32",
    "float16",
    "int64",
    "int32",
    "uint8",
    "bool",
    "object",
)
X_CONTAINERS = (
    ("array",) * 5 + ("fortran", "strided", "read-only", "big endian", "list", "tuples", "arrays")
    + ("frame", "mixed frame", "numbered frame", "nullable frame", "polars")
    + ("csr_matrix", "csr_array", "csc_matrix", "csc_array", "coo_matrix", "lil_matrix")
    + ("zeros stored",)
)  # fmt: skip
LABELS = {
    "int": [0, 1, 2, 3],
    "negative": [-5, -1, 2, 7],
    "int8": np.array([1, 2, 3, 4], dtype=np.int8),
    "uint64": np.array([1, 2, 3, 4], dtype=np.uint64),
    "float": [0.0, 1.0, 2.0, 3.0],
    "float32": np.array([1, 2, 3, 4], dtype=np.float32),
    "str": ["spam", "ham", "eggs", ""],
    "object": np.array(["spam", "ham", "eggs", "a longer one"], dtype=object),
    "int object": np.array([3, 1, 2, 0], dtype=object),
    "bool": [False, True],
    "bool object": np.array([False, True], dtype=object),
    "many": np.arange(12) * 3,
    "text objects": np.array([np.str_("b"), np.str_("a"), "c"], dtype=object),
    "float16": np.array([1, 2, 3], dtype=np.float16),
}
Y_CONTAINERS = ("array",) * 4 + (
    "list",
    "column",
    "series",
    "frame",
    "categories",
    "strided",
    "read-only",
)
WEIGHTS = (None,) * 4 + (
    "uniform",
    "whole",
    "some zero",
    "list",
    "float32",
    "tiny",
    "large",
    "series",
)


@dataclass
class Case:
    """What both estimators are made from and given."""

    classifies: bool
    parameters: dict[str, Any]
    X: Any
    y: Any
    weight: Any
    X_new: Any
    classes: Any
    description: str


def one_of(rng, values):
    return values[rng.integers(len(values))]


def draw(seed: int) -> Case:
    """Return the case that belongs to a seed."""
    rng = np.random.default_rng(seed)
    classifies = bool(rng.integers(2))
    names = [name for name in HYPERPARAMETERS if rng.random() < 0.45]
    parameters = {name: one_of(rng, HYPERPARAMETERS[name]) for name in names}
    parameters.setdefault("max_iter", 6)
    n, n_columns = one_of(rng, ROWS), one_of(rng, (1, 1, 2, 5))
    form, dtype, container = (one_of(rng, c) for c in (FORMS, X_DTYPES, X_CONTAINERS))
    table = numbers(rng, n, n_columns, form, dtype)
    another = container if rng.random() < 0.8 else one_of(rng, X_CONTAINERS)
    y, y_kind, classes = (labels if classifies else targets)(rng, n)
    if not classifies and "positive" in y_kind:
        parameters["loss"] = "poisson"
    weight_kind = one_of(rng, WEIGHTS)
    description = f"{parameters}, X: {table.shape} {form} {dtype} {container}, y: {y_kind}"
    return Case(
        classifies,
        parameters,
        contained(table, container, rng),
        y,
        weights(rng, n, weight_kind, first_of(y)),
        contained(table[: rng.integers(1, n + 1)], another, rng),
        classes,
        f"{description}, weight: {weight_kind}",
    )


def numbers(rng, n, n_columns, form, dtype):
    """Return a table of numbers."""
    X = rng.normal(size=(n, n_columns))
    if form == "constant column":
        X[:, 0] = 3.0
    elif form == "all constant":
        X[:] = one_of(rng, (0.0, 1.0, 1000.0))
    elif form == "duplicated":
        X = X[rng.integers(max(n // 4, 1), size=n)]
    elif form == "raw":
        X = X * 10.0 ** rng.integers(-3, 6, n_columns) + 10.0 ** rng.integers(-3, 6, n_columns)
    elif form == "whole":
        X = rng.integers(0, 5, (n, n_columns)).astype(float)
    elif form in ("huge", "tiny"):
        X *= 1e12 if form == "huge" else 1e-12
    if dtype == "bool":
        return X > 0.5
    if np.dtype(dtype).kind in "iu":
        return np.clip(np.rint(3 * X), 0, 200).astype(dtype)
    if dtype == "float16":
        X = np.clip(X, -6e4, 6e4)
    return X.astype(dtype)


def contained(X, container, rng):
    """Return the table as a user may hold it."""
    if container in ("frame", "mixed frame"):
        frame = pd.DataFrame(X, columns=[f"column {j}" for j in range(X.shape[1])])
        if container == "mixed frame" and X.dtype.kind == "f":
            frame["column 0"] = np.rint(np.clip(X[:, 0], -100, 100)).astype("int32")
        return frame
    if container in ("numbered frame", "nullable frame"):
        frame = pd.DataFrame(X)
        return frame if container == "numbered frame" else frame.convert_dtypes()
    if container == "polars":
        return pl.DataFrame(X.astype(float) if X.dtype in (object, np.float16) else X)
    if "_" in container:
        return getattr(sparse, container)(X.astype(float) if X.dtype in (object, np.float16) else X)
    if container == "zeros stored":
        stored = sparse.csr_array(X.astype(np.float64))
        stored.data[::2] = 0.0
        return stored
    return placed(X, container)


def placed(A, container):
    """Return an array as it may lie in memory, or a list."""
    if container == "fortran":
        return np.asfortranarray(A)
    if container == "strided":
        return np.repeat(A, 2, axis=0)[::2]
    if container == "big endian" and A.dtype.kind in "iuf":
        return A.astype(A.dtype.newbyteorder(">"))
    if container in ("list", "tuples", "arrays"):
        kind = {"list": list, "tuples": tuple, "arrays": np.array}[container]
        return A.tolist() if A.ndim == 1 else [kind(row) for row in A.tolist()]
    if container == "read-only":
        A = A.copy()
        A.flags.writeable = False
    return A


def labels(rng, n):
    """Return labels, what they are, and all the classes that there are."""
    if rng.random() < 0.2:
        return multilabel(rng, n)
    kind, container = one_of(rng, list(LABELS)), one_of(rng, Y_CONTAINERS)
    names = np.asarray(LABELS[kind])
    names = names[: rng.integers(1, len(names) + 1)]
    y = names[rng.integers(len(names), size=n)]
    return in_a_column(y, container), f"{kind} {len(names)} classes, {container}", np.unique(names)


def multilabel(rng, n):
    Y = rng.integers(0, 2, (n, one_of(rng, (2, 3))))
    kind = one_of(rng, ("int64", "int8", "bool", "float64", "csr", "csc", "list", "frame"))
    classes = np.arange(Y.shape[1])
    if kind in ("csr", "csc"):
        return (
            getattr(sparse, f"{kind}_{one_of(rng, ('matrix', 'array'))}")(Y),
            f"multilabel {kind}",
            classes,
        )
    if kind in ("list", "frame"):
        return (Y.tolist() if kind == "list" else pd.DataFrame(Y)), f"multilabel {kind}", classes
    return Y.astype(kind), f"multilabel {kind}", classes


def targets(rng, n):
    """Return numbers to predict, and what they are."""
    kind = one_of(
        rng, ("normal",) * 3 + ("positive", "positive counts", "constant", "large", "raw", "far")
    )
    shape = (n, one_of(rng, (2, 3))) if rng.random() < 0.25 else n
    y = rng.normal(size=shape)
    y = {
        "normal": y,
        "positive": np.exp(y),
        "positive counts": rng.poisson(1.0, size=shape).astype(float),
        "constant": np.full(shape, one_of(rng, (0.0, 2.5, -1e6))),
        "large": 1e10 * y,
        "raw": 1e3 * y + 5e3,
        "far": 1e-6 * y + 1.0,
    }[kind]
    dtype = one_of(
        rng, ("float64",) * 3 + ("float32", "float16", "int64", "int8", "bool", "object")
    )
    if dtype in ("float16", "int8"):
        y = np.clip(y, -100, 100)
    y = y.astype(dtype)
    container = one_of(rng, Y_CONTAINERS)
    if y.ndim == 2 and container in ("column", "series", "categories"):
        container = "array"
    return in_a_column(y, container), f"{kind} {y.shape} {dtype} {container}", None


def in_a_column(y, container):
    if container == "column":
        return y[:, None]
    if container == "series":
        return pd.Series(y, index=np.arange(len(y))[::-1])
    if container == "categories" and y.dtype.kind in "iubOSU":
        return pd.Series(y).astype("category")
    if container == "frame":
        return pd.DataFrame(y)
    if container == "nullable" and y.ndim == 1:
        return pd.Series(y).convert_dtypes()
    if container == "polars" and y.ndim == 1:
        return pl.Series(y.tolist())
    if container == "tuple":
        return tuple(y.tolist())
    return placed(y, container)


def first_of(y):
    """Return the rows in which a label comes for the first time: ours does not see weight zero."""
    if sparse.issparse(y) or np.shape(y)[1:] > (1,):
        return []
    return np.unique(np.ravel(y).astype(str), return_index=True)[1]


def weights(rng, n, kind, kept):
    if kind is None:
        return None
    w = rng.uniform(0.1, 2.0, n)
    if kind == "some zero":
        zero = rng.random(n) < 0.5
        zero[kept] = False
        w[zero] = 0.0
    forms = {
        "whole": lambda: rng.integers(1, 4, n),
        "list": w.tolist,
        "float32": lambda: w.astype(np.float32),
        "tiny": lambda: 1e-8 * w,
        "large": lambda: 1e6 * w,
        "series": lambda: pd.Series(w, index=np.arange(n) + 5),
        "number": lambda: 2.5,
        "bool": lambda: w > 0,
        "read-only": lambda: placed(w, "read-only"),
    }
    return forms.get(kind, lambda: w)()
