"""One column of levels, and the columns that a network gets of it.

A level has a code from 1 on, in sorted order; a missing value has the code 0, and a level that was
not there in `fit` has -1.  An encoding has a row for each of these codes, in the order of -1, 0, 1,
... so it is looked up at code + 1.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import KFold
from sklearn.preprocessing import TargetEncoder

from skdnn.preprocessing.columns import Output, Scale

UNKNOWN, MISSING = -1, 0


class Levels:
    """The distinct values of a column, and their codes.

    Values that are equal and have the same hash are one level, as keys of a dict: 1 and 1.0 and
    True are.
    """

    def __init__(self, values: np.ndarray):
        self.code_of = {level: i for i, level in enumerate(sorted_levels(values), start=1)}

    def __len__(self) -> int:
        return len(self.code_of)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.code_of)

    def codes(self, values: np.ndarray) -> np.ndarray:
        """Return the codes of values: -1 for unknown ones, 0 for missing ones."""
        missing = pd.isna(values)
        found = map(self.code_of.get, as_objects(values), repeat(UNKNOWN))
        codes = np.fromiter(found, np.intp, len(values))
        codes[missing] = MISSING
        return codes


def as_objects(values: np.ndarray) -> np.ndarray:
    """Return values as objects of Python or pandas, whose hashes agree where they are equal."""
    if values.dtype.kind in "mM":
        return pd.Series(values).astype(object).to_numpy()
    return values.astype(object, copy=False)


def sorted_levels(values: np.ndarray) -> list[Any]:
    """Return the distinct values that are not missing, in an order that only depends on them."""
    levels = list(dict.fromkeys(as_objects(values[~pd.isna(values)])))
    try:
        return sorted(levels)
    except TypeError:  # values of several types
        return sorted(levels, key=lambda level: (type(level).__name__, str(level)))


class Lookup:
    """An encoding with a row for every code, in the order of -1, 0, 1, ..."""

    def __init__(self, rows: np.ndarray, outputs: list[Output]):
        self.rows = rows
        self.outputs = outputs

    def write(self, codes: np.ndarray, out: np.ndarray) -> None:
        out[...] = self.rows[codes + 1]


class OneHot:
    """An output for every level, zeros for missing and unknown ones."""

    def __init__(self, levels: Levels):
        self.outputs = [Output(f"_{level}", "onehot") for level in levels]

    def write(self, codes: np.ndarray, out: np.ndarray) -> None:
        rows = np.flatnonzero(codes > 0)
        out[...] = 0
        out[rows, codes[rows] - 1] = 1


class CategoryColumn:
    """Levels, and one of the encodings of their codes."""

    def __init__(self, levels: Levels, encoding: Lookup | OneHot):
        self.levels = levels
        self.encoding = encoding
        self.outputs = encoding.outputs

    def write(self, values: np.ndarray, out: np.ndarray) -> None:
        self.encoding.write(self.levels.codes(values), out)


def few_levels(levels: Levels, codes: np.ndarray) -> Lookup | OneHot:
    """Return no column for a constant, ±1 for two levels, and one-hot code for more."""
    if len(levels) == 0 or (len(levels) == 1 and codes.min() > 0):
        return Lookup(np.zeros((len(levels) + 2, 0)), [])
    if len(levels) > 2:
        return OneHot(levels)
    rows = np.array([0.0, 0.0, -1.0, 1.0] if len(levels) == 2 else [0.0, 0.0, 1.0])
    return Lookup(rows[:, None], [Output(f"_{[*levels][-1]}", "binary")])


def embedding_codes(levels: Levels) -> Lookup:
    """Return the codes themselves, with 0 for missing and unknown levels."""
    rows = np.concatenate([[0.0], np.arange(len(levels) + 1.0)])
    return Lookup(rows[:, None], [Output("", "code", len(levels) + 1)])


@dataclass(frozen=True)
class TargetOptions:
    """How levels are encoded by the mean of y.

    Attributes
    ----------
    target_type : str
        That of scikit-learn's `TargetEncoder`.
    cv : int, splitter or iterable
        Folds of the cross-fitting.
    random_state : int, RandomState or None
        Seed of the folds, if `cv` is a number.
    scale : bool
        Whether the means are scaled as numbers are.
    """

    target_type: str
    cv: Any
    random_state: Any
    scale: bool

    def folds(self, n_rows: int) -> Any:
        if not isinstance(self.cv, int | np.integer):
            return self.cv
        return KFold(min(self.cv, n_rows), shuffle=True, random_state=self.random_state)


def target_means(
    levels: Levels,
    codes: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray | None,
    options: TargetOptions,
    *,
    cross_fit: bool,
) -> tuple[Lookup, np.ndarray | None]:
    """Return the means of y by level, shrunk towards that of all rows.

    Parameters
    ----------
    levels : Levels
        Levels of the column.
    codes : ndarray of int of shape (n,)
        Codes of the rows.
    y : ndarray of shape (n,) or (n, n_outputs)
        Targets.
    weight : ndarray of shape (n,) or None
        Weights, for the scale only.
    options : TargetOptions
        See there.
    cross_fit : bool
        Whether the rows are to be encoded too.

    Returns
    -------
    Lookup
        The encoding: one column an output of y, or one a class if there are more than two.
    ndarray of shape (n, n_columns) or None
        The rows, each encoded by rows of other folds.
    """
    all_codes = np.arange(UNKNOWN, len(levels) + 1)[:, None]
    tables, encoded, outputs = [], [], []
    for k, target in enumerate(np.atleast_2d(y.T)):
        encoder = TargetEncoder(target_type=options.target_type, cv=options.folds(len(codes)))
        if cross_fit and len(codes) > 1:
            encoded.append(encoder.fit_transform(codes[:, None], target))
        else:
            encoded.append(encoder.fit(codes[:, None], target).transform(codes[:, None]))
        tables.append(encoder.transform(all_codes))
        outputs += target_outputs(encoder, f"_{k}" if y.ndim > 1 else "")
    rows, crossed = np.hstack(tables), np.hstack(encoded)
    for j in range(rows.shape[1]):
        scale = Scale(rows[codes + 1, j], weight, options.scale)
        rows[:, j], crossed[:, j] = scale(rows[:, j]), scale(crossed[:, j])
    return Lookup(rows, outputs), crossed if cross_fit else None


def target_outputs(encoder: TargetEncoder, suffix: str) -> list[Output]:
    """Return the output columns of one target."""
    if encoder.target_type_ != "multiclass":
        return [Output(suffix, "target")]
    return [Output(f"{suffix}_{label}", "target") for label in encoder.classes_]
