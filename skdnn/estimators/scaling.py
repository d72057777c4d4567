"""The scales of the columns of X, and how the first layer takes them over.

A network learns well only from columns of about one size.  What comes in other units is shifted
and divided as the batches are made, X̃ = (X - shift) / scale, and after training the first layer
takes shift and scale over: W ← W / scale, b ← b - shift W.  So the weights that are published
belong to X itself.
"""

import numpy as np
from scipy import sparse

from skdnn.engine.batches import Scaling
from skdnn.engine.layers import Dense
from skdnn.engine.network import Network

BLOCK_NUMBERS = 2**16  # numbers of X that are looked at together
MEDIAN_ROWS = 2000  # rows from which the value that most rows share is guessed
ROUNDING = 1e-6  # a spread so small beside the values is no more than their rounding
# X is left as it is if the numbers of all columns are of a size that networks are used to:
MEAN, STD = 2.0, (0.3, 3.5)  # standardised, more or less,
UNIT = 0.5  # within [-1, 1], and of this range at least,
DEVIATION = (0.05, 3.5)  # or mostly of one value: the size of what deviates from it.
# Of other X columns of the last kind are left as they are.


def measure(X, rows, weight) -> Scaling | None:
    """Return what the columns of X have to go through, or None if all are in order already.

    Parameters
    ----------
    X : ndarray or csr_array of shape (n_samples, n_in)
        Inputs.
    rows : ndarray of int or None
        The rows in use; None is all of them.
    weight : ndarray of shape (n_samples,) or None
        Weights of the rows.

    Returns
    -------
    Scaling or None
        Mean and standard deviation of a column.  If more than half of its weight lies on one value,
        that value and the root mean square of the deviations of the others; for a csr_array that
        value is 0.
    """
    shift, scale = (sparse_columns if sparse.issparse(X) else dense_columns)(X, rows, weight)
    if np.all(shift == 0) and np.all(scale == 1):
        return None
    return Scaling(shift, scale)


def dense_columns(X, rows, weight) -> tuple[np.ndarray, np.ndarray]:
    """Return shift and scale of every column of an array."""
    usual, share, deviation, mean, std, low, high = statistics(X, rows, weight)
    mostly_one = share < 0.5
    usual_in_order = mostly_one & (np.abs(usual) <= 1) & moderate(deviation)
    standard = (np.abs(mean) <= MEAN) & (std >= STD[0]) & (std <= STD[1])
    unit = (np.maximum(-low, high) <= 1) & (high - low >= UNIT)
    shift, scale = np.where(mostly_one, usual, mean), np.where(mostly_one, deviation, std)
    shift, scale = without_blow_up(shift, scale, usual_in_order)
    if np.all((~mostly_one & (standard | unit)) | ((shift == 0) & (scale == 1))):
        return np.zeros_like(shift), np.ones_like(scale)
    return shift, scale


def statistics(X, rows, weight) -> tuple[np.ndarray, ...]:
    """Return, for every column, what `dense_columns` decides by, block by block of rows.

    The value that most rows share if there is one, else about the median; the share of the weight
    that deviates from it, and the root mean square of these deviations; mean and standard
    deviation; the smallest and the largest value.
    """
    n = X.shape[0] if rows is None else len(rows)
    some = slice(None, None, -(-n // MEDIAN_ROWS))
    some = (X[some] if rows is None else X[rows[some]]).astype(np.float64, copy=False)
    usual = np.median(some, axis=0)
    size = np.abs(some - usual).max(axis=0)  # so that no square is beyond the range of doubles
    size[size == 0] = 1.0
    total, sums = 0.0, np.zeros((3, X.shape[1]))
    low, high = np.full(X.shape[1], np.inf), np.full(X.shape[1], -np.inf)
    n_block = max(BLOCK_NUMBERS // X.shape[1], 1)
    for start in range(0, n, n_block):
        block = slice(start, start + n_block)
        R = (X[block if rows is None else rows[block]] - usual) / size
        # a weight is one of a row of X
        w = np.ones(len(R)) if weight is None else weight[block if rows is None else rows[block]]
        total += w.sum()
        sums += w @ R, w @ (R != 0), w @ (R * R)
        np.minimum(low, R.min(axis=0), out=low)
        np.maximum(high, R.max(axis=0), out=high)
    mean, share, square = sums / total
    std = np.sqrt(np.maximum(square - mean**2, 0.0))
    deviation = np.sqrt(square / np.where(share > 0, share, 1.0))
    return (
        usual, share, deviation * size, usual + mean * size, std * size,
        usual + low * size, usual + high * size,
    )  # fmt: skip


def sparse_columns(X, rows, weight) -> tuple[np.ndarray, np.ndarray]:
    """Return no shift, and the root mean square of what is stored in every column."""
    if rows is not None:
        X, weight = X[rows], None if weight is None else weight[rows]
    w = np.ones(X.shape[0]) if weight is None else weight
    size = np.abs(X.data).max(initial=0.0).astype(np.float64) or 1.0
    each = np.repeat(w, np.diff(X.indptr)) * (X.data != 0)
    total = np.bincount(X.indices, each, X.shape[1])
    square = np.bincount(X.indices, each * np.square(X.data / size, dtype=np.float64), X.shape[1])
    scale = size * np.sqrt(square / np.where(total > 0, total, 1.0))
    return without_blow_up(np.zeros_like(scale), scale, moderate(scale))


def moderate(deviation: np.ndarray) -> np.ndarray:
    """Whether what deviates from the usual value of a column is of a size to be left alone."""
    return (deviation >= DEVIATION[0]) & (deviation <= DEVIATION[1])


def without_blow_up(shift, scale, in_order) -> tuple[np.ndarray, np.ndarray]:
    """Return shift and scale, 0 and 1 for the columns in order.

    What varies by no more than its rounding is as good as constant: it is brought to the size of
    one, and only if it is larger than that.
    """
    flat = scale <= ROUNDING * np.abs(shift)
    scale = np.where(flat, np.maximum(np.abs(shift), 1.0), scale)
    in_order = in_order | (flat & (np.abs(shift) <= 1))
    return np.where(in_order, 0.0, shift), np.where(in_order, 1.0, scale)


def fold(scaling: Scaling, network: Network) -> None:
    """Let the first layer take X as it is: W ← W / scale, b ← b - shift W."""
    first = first_layer(network)
    first.W /= scaling.scale[:, None]
    first.b -= scaling.shift @ first.W


def unfold(scaling: Scaling, network: Network) -> None:
    """Undo `fold`, to train on."""
    first = first_layer(network)
    first.b += scaling.shift @ first.W
    first.W *= scaling.scale[:, None]


def first_layer(network: Network) -> Dense:
    """Return the layer that the columns of X go into; only dropout may stand before it."""
    return next(layer for layer in network.layers if isinstance(layer, Dense))
