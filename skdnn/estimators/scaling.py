"""The scales of the columns of X, and how the first layer takes them over.

A network learns well only from columns of about one size.  What comes in other units is shifted
and divided as the batches are made, X̃ = (X - shift) / scale, and after training the first layer
takes shift and scale over: W ← W / scale, b ← b - shift W.  So the weights that are published
belong to X itself.
"""

import warnings
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from skdnn.engine.arrays import Array
from skdnn.engine.batches import Scaling
from skdnn.engine.network import Network
from skdnn.estimators.data import Dataset, check_scale, in_double
from skdnn.estimators.hyperparameters import Hyperparameters, compute_dtype, hidden_sizes

BLOCK_NUMBERS = 2**16  # numbers of X that are looked at together
MEDIAN_ROWS = 2000  # rows from which the value that most rows share is guessed
# A spread so small beside the values is no more than their rounding, in double or single precision.
ROUNDING, SINGLE_ROUNDING = 1e-8, 1e-6
# X is left as it is if the numbers of all columns are of a size that networks are used to:
MEAN, STD = 2.0, (0.3, 3.5)  # standardised, more or less,
UNIT = 0.5  # within [-1, 1], and of this range at least,
DEVIATION = (0.05, 2.5)  # or mostly of one value: the size of what deviates from it.
# Of other X columns of the last kind are left as they are.
FLAG, RARE = 3.0, 0.25  # Flags that fewer rows have become so many times smaller: see `measure`.
FEW, FEW_SIZE = 6, 10.0  # Fewer rows tell little: columns up to this size are left alone.
EQUAL = 1e-9  # relative rounding of sums over equal numbers


def scaling_of(train: Dataset, params: Hyperparameters) -> Scaling | None:
    """Return what the columns of X go through in training, or None."""
    # a network without hidden layers is a linear model: its penalty is on the weights of X
    if not (params.normalize_X and hidden_sizes(params)):
        return None
    dtype, given = compute_dtype(params), getattr(train.given, "dtype", None)
    rounding = SINGLE_ROUNDING if "float32" in (dtype, str(given)) else ROUNDING
    scaling = measure(train.X, train.rows, train.weight, rounding)
    if scaling is not None:
        check_scale(scaling.scale, dtype, "A column of X")
        warn_of_blur(scaling, train.given, train.X, dtype)
    return scaling


def measure(
    X: Any, rows: Array | None, weight: Array | None, rounding: float = SINGLE_ROUNDING
) -> Scaling | None:
    """Return what the columns of X have to go through, or None if all are in order already.

    Parameters
    ----------
    X : ndarray or csr_array of shape (n_samples, n_in)
        Inputs.
    rows : ndarray of int or None
        The rows in use; None is all of them.
    weight : ndarray of shape (n_samples,) or None
        Weights of the rows.
    rounding : float, default=1e-6
        A spread of so small a share of the values is none.

    Returns
    -------
    Scaling or None
        Mean and standard deviation of a column.  If more than half of its weight lies on one value,
        that value and the root mean square of the deviations of the others; for a csr_array that
        value is 0.

    Notes
    -----
    A flag is a column of two values, such as a level of a category in one-hot code.  If fewer than
    a quarter of the rows have it, it is made three times smaller than numbers: few rows tell of it,
    yet an adaptive solver moves its weights by as much as others, so they are overfitted first.
    Tables of flags alone are left as they are.  `benchmarks/defaults.md` has the measurement.

    Two to five rows, as a stream may begin with, may be alike by chance, so no scale is made of
    less than a share of the numbers themselves.
    """
    found = (
        sparse_statistics(X, rows, weight) if sparse.issparse(X) else statistics(X, rows, weight)
    )
    shift, scale = shift_and_scale(found, rounding)
    n = X.shape[0] if rows is None else len(rows)
    if 1 < n < FEW:
        size = np.maximum(-found.low, found.high)
        scale = np.maximum(scale, size / n**3)
        shift, scale = (np.where(size <= FEW_SIZE, left, a) for left, a in ((0, shift), (1, scale)))
    if np.all(shift == 0) and np.all(scale == 1):
        return None
    return Scaling(shift, scale)


class Statistics(NamedTuple):
    """What is known of every column, each an array of shape (n_in,).

    ``usual`` is the value that most rows share if there is one, else about the median (0 if X is
    sparse); ``share`` the share of the weight that deviates from it, ``deviation`` the root mean
    square of these deviations, ``alike`` whether they are all the same.
    """

    usual: Array
    share: Array
    deviation: Array
    alike: Array
    mean: Array
    std: Array
    low: Array
    high: Array


def shift_and_scale(c: Statistics, rounding: float) -> tuple[Array, Array]:
    """Return shift and scale of every column."""
    mostly_one = c.share < 0.5
    flag, number = c.alike & (c.share > 0) & (c.share < RARE), ~mostly_one
    unit = (np.maximum(-c.low, c.high) <= 1) & (c.high - c.low >= UNIT)
    standard = (np.abs(c.mean) <= MEAN) & (c.std >= STD[0]) & (c.std <= STD[1])
    usual_in_order = mostly_one & (np.abs(c.usual) <= 1) & moderate(c.deviation)
    numbers_in_order = np.all((standard | unit)[number])
    beside_numbers = flag & np.any(number & ~unit)
    in_order = np.where(number, numbers_in_order, usual_in_order & ~beside_numbers)
    shift, scale = np.where(number, c.mean, c.usual), np.where(number, c.std, c.deviation)
    scale = np.where(beside_numbers, FLAG * scale, scale)
    return without_blow_up(shift, scale, in_order, rounding)


def statistics(X: Array, rows: Array | None, weight: Array | None) -> Statistics:
    """Return the statistics of an array, gathered block by block of rows."""
    n = X.shape[0] if rows is None else len(rows)
    every = slice(None, None, -(-n // MEDIAN_ROWS))
    some = (X[every] if rows is None else X[rows[every]]).astype(np.float64, copy=False)
    usual = np.median(some, axis=0)
    size = np.abs(some - usual).max(axis=0)  # so that no square is beyond the range of doubles
    size[size == 0] = 1.0
    total, sums = 0.0, np.zeros((3, X.shape[1]))
    low, high = np.full(X.shape[1], np.inf), np.full(X.shape[1], -np.inf)
    n_block = max(BLOCK_NUMBERS // X.shape[1], 1)
    for start in range(0, n, n_block):
        block: Any = slice(start, start + n_block)
        block = block if rows is None else rows[block]
        R = (X[block] - usual) / size
        w = np.ones(len(R)) if weight is None else weight[block]
        total += w.sum()
        sums += w @ R, w @ (R != 0), w @ (R * R)
        np.minimum(low, R.min(axis=0), out=low)
        np.maximum(high, R.max(axis=0), out=high)
    mean, share, square = sums / total
    std = np.sqrt(np.maximum(square - mean**2, 0.0))
    deviation, alike = of_deviations(mean, share, square)
    low, high = usual + low * size, usual + high * size
    mean, std, deviation = usual + mean * size, std * size, deviation * size
    return Statistics(usual, share, deviation, alike, mean, std, low, high)


def sparse_statistics(X: Any, rows: Array | None, weight: Array | None) -> Statistics:
    """Return the statistics of a csr_array, in which columns are not centred."""
    if rows is not None:
        X, weight = X[rows], None if weight is None else weight[rows]
    w = np.ones(X.shape[0]) if weight is None else weight
    size = float(np.abs(X.data).max(initial=0.0)) or 1.0
    R, each = X.data.astype(np.float64) / size, np.repeat(w, np.diff(X.indptr))
    square, share, mean = (
        np.bincount(X.indices, each * values, X.shape[1]) / w.sum() for values in (R * R, R != 0, R)
    )
    deviation, alike = of_deviations(mean, share, square)
    largest = np.zeros(X.shape[1])
    np.maximum.at(largest, X.indices, np.abs(X.data))
    zero, deviation = np.zeros(X.shape[1]), deviation * size
    return Statistics(zero, share, deviation, alike, zero, deviation, zero, largest)


def of_deviations(mean: Array, share: Array, square: Array) -> tuple[Array, Array]:
    """Return the root mean square of what deviates, and whether all of it is the same."""
    some = np.where(share > 0, share, 1.0)
    square = square / some
    return np.sqrt(square), square - (mean / some) ** 2 <= EQUAL * square


def moderate(deviation: Array) -> Array:
    """Whether what deviates from the usual value of a column is of a size to be left alone."""
    return (deviation >= DEVIATION[0]) & (deviation <= DEVIATION[1])


def without_blow_up(
    shift: Array, scale: Array, in_order: Array, rounding: float
) -> tuple[Array, Array]:
    """Return shift and scale, 0 and 1 for the columns in order.

    What varies by no more than its rounding is as good as constant: it is brought to the size of
    one, and only if it is larger than that.
    """
    flat = scale <= rounding * np.abs(shift)
    scale = np.where(flat, np.maximum(np.abs(shift), 1.0), scale)
    in_order = in_order | (flat & (np.abs(shift) <= 1))
    return np.where(in_order, 0.0, shift), np.where(in_order, 1.0, scale)


def warn_of_blur(scaling: Scaling, given: Any, X: Any, dtype: str) -> None:
    """Warn of columns that vary, but not by more than the rounding of a single-precision network.

    What was constant but for the rounding of doubles is not meant.
    """
    flat = np.flatnonzero((scaling.shift != 0) & (scaling.scale == np.abs(scaling.shift)))
    if len(flat) == 0 or getattr(given, "dtype", None) == dtype or sparse.issparse(X):
        return
    A = in_double(given, flat)
    spread, size = A.std(axis=0), np.abs(A.mean(axis=0))
    n_blurred = np.sum((spread > ROUNDING * size) & (spread < 2 * SINGLE_ROUNDING * size))
    if n_blurred:
        warnings.warn(
            f"{n_blurred} of {X.shape[1]} columns of X vary so little beside their size that "
            f"{np.dtype(dtype)} hardly tells their values apart, as times of an hour in seconds "
            "since 1970: subtract a constant from them, or use dtype='float64'."
        )


def rescale_inputs(network: Network, scaling: Scaling) -> None:
    """Let the first layer take X as it is: W ← W / scale, b ← b - shift W."""
    network.input_layer.rescale_inputs(scaling.scale, scaling.shift)


def unscale_inputs(network: Network, scaling: Scaling) -> None:
    """Undo `rescale_inputs`, to train on."""
    network.input_layer.unscale_inputs(scaling.scale, scaling.shift)
