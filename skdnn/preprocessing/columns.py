"""One column of numbers or dates, and the columns that a network gets of it."""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from skdnn.preprocessing.statistics import centre_and_scale, present, smooth_clip
from skdnn.preprocessing.tables import INFINITE, as_dates, as_numbers

DOUBLE = np.dtype(np.float64)
LIMIT = 3.0  # of the smooth clip, see `RobustSmoothClipScaler`


@dataclass(frozen=True)
class Output:
    """What is known of an output column.

    Attributes
    ----------
    suffix : str
        What its name has after that of its column.
    kind : str
        "number", "missing", "binary", "onehot", "code" or "target".
    n_codes : int
        Number of codes, that of unknown and missing levels included; 0 if it has no codes.
    """

    suffix: str
    kind: str
    n_codes: int = 0


class Column(Protocol):
    """A fitted column; `values` are those of `tables.values_of`."""

    outputs: list[Output]

    def write(self, values: np.ndarray, out: np.ndarray) -> None:
        """Write the output columns of some rows into `out`, of shape (n, len(outputs))."""
        ...


@dataclass(frozen=True)
class NumberOptions:
    """How numbers are encoded.

    Attributes
    ----------
    scale : bool
        Whether they are scaled by their quartiles and smoothly clipped.
    add_indicator : bool
        Whether a column tells what is missing, if something is.
    min_range : float
        A column whose range is no more than so large a share of its largest number is dropped.
    """

    scale: bool = True
    add_indicator: bool = True
    min_range: float = 1e-6


class Scale:
    """Numbers of one size, with the median in the place of what is missing."""

    def __init__(self, x: np.ndarray, weight: np.ndarray | None, scaled: bool):
        self.centre, self.factor = centre_and_scale(x, weight)
        self.scaled = scaled

    def __call__(self, x: np.ndarray, dtype: np.dtype = DOUBLE) -> np.ndarray:
        """Return numbers that the dtype can hold."""
        missing = np.isnan(x)
        if not self.scaled:
            refuse_larger(x[~missing], dtype)
            return np.where(missing, self.centre, x)
        z = smooth_clip((x - self.centre) * self.factor, LIMIT)
        z[missing] = 0.0
        return z


class NumberColumn:
    """Numbers, durations and times of day, and whether they are missing."""

    def __init__(
        self,
        values: np.ndarray,
        weight: np.ndarray | None,
        options: NumberOptions,
        suffix: str = "",
    ):
        x = finite_numbers(values)
        given, _ = present(x, weight)
        self.outputs = []
        if varies(given, options.min_range):
            self.scale = Scale(x, weight, options.scale)
            self.outputs.append(Output(suffix, "number"))
        if options.add_indicator and 0 < len(given) < len(x):
            self.outputs.append(Output("_missing", "missing"))

    def write(self, values: np.ndarray, out: np.ndarray) -> None:
        x = finite_numbers(values)
        for j, output in enumerate(self.outputs):
            out[:, j] = np.isnan(x) if output.kind == "missing" else self.scale(x, out.dtype)


class DateColumn:
    """Dates: month, day, weekday and hour, and the days since the earliest one."""

    def __init__(
        self,
        values: np.ndarray,
        weight: np.ndarray | None,
        zone: str | None,
        options: NumberOptions,
    ):
        self.zone = zone
        times = as_dates(values, zone)
        given = times[~np.isnat(times)]
        self.first = given.min() if len(given) else np.datetime64(0, "us")
        self.parts = []
        for suffix, x in date_parts(times, self.first).items():
            part = NumberColumn(x, weight, options, suffix)
            self.parts.append(part)
            options = replace(options, add_indicator=False)  # what is missing is told once
        self.outputs = [output for part in self.parts for output in part.outputs]

    def write(self, values: np.ndarray, out: np.ndarray) -> None:
        parts = date_parts(as_dates(values, self.zone), self.first)
        stop = 0
        for part, x in zip(self.parts, parts.values(), strict=True):
            start, stop = stop, stop + len(part.outputs)
            part.write(x, out[:, start:stop])


def finite_numbers(values: np.ndarray) -> np.ndarray:
    """Return numbers of which none is infinite."""
    x = as_numbers(values)
    if np.isinf(x).any():
        raise ValueError(INFINITE)
    return x


def refuse_larger(x: np.ndarray, dtype: np.dtype) -> None:
    """Raise a ValueError if there are numbers that the dtype cannot hold."""
    if np.abs(x).max(initial=0.0) > np.finfo(dtype).max:
        raise ValueError(f"it contains a value too large for dtype={dtype.name!r}: use 'float64'.")


def varies(x: np.ndarray, min_range: float) -> bool:
    """Whether numbers differ by more than a share of the largest."""
    if len(x) == 0:
        return False
    low, high = float(x.min()), float(x.max())
    return high > low and high / 2 - low / 2 > min_range * max(abs(low), abs(high)) / 2


def date_parts(times: np.ndarray, first: np.datetime64) -> dict[str, np.ndarray]:
    """Return the parts of times in microseconds, as numbers with NaN for what is missing.

    Examples
    --------
    >>> times = np.array(["2024-02-29T06:30", "NaT"], "M8[us]")
    >>> for name, part in date_parts(times, np.datetime64("2024-01-01", "us")).items():
    ...     print(name, part)
    _age [59.27083333         nan]
    _month [ 2. nan]
    _day [29. nan]
    _weekday [ 3. nan]
    _hour [6.5 nan]
    """
    days, months = times.astype("M8[D]"), times.astype("M8[M]")
    parts = {
        "_age": (times - first) / np.timedelta64(1, "D"),
        "_month": (months - times.astype("M8[Y]")) / np.timedelta64(1, "M") + 1,
        "_day": (days - months) / np.timedelta64(1, "D") + 1,
        "_weekday": (days.astype(np.int64) + 3) % 7.0,
        "_hour": (times - days) / np.timedelta64(1, "h"),
    }
    parts["_weekday"][np.isnat(times)] = np.nan
    return parts
