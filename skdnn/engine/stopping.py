"""When to stop, and which parameters to keep.  Stopping is a return value, never an exception."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from skdnn.engine.arrays import Array, own


class Outcome(Enum):
    """Why a training ended; the value of a member says it in words.

    Examples
    --------
    >>> Outcome.NO_IMPROVEMENT.value
    'no improvement'
    """

    MAX_EPOCHS = "all epochs were run"
    NO_IMPROVEMENT = "no improvement"
    CONVERGED = "the optimizer reports convergence"
    DIVERGED = "the loss is not finite"
    STOPPED = "a listener asked for it"


@dataclass
class Patience:
    """Count the epochs in a row whose score stays below best + tol; higher scores are better.

    The best is the best of all epochs so far, even if it improved by less than tol; a score of nan
    counts as none.  The rule of scikit-learn's multilayer perceptrons, if no score is perfect.

    Parameters
    ----------
    tol : float
        Smallest improvement that counts, in the units of the score.
    n_iter_no_change : int or inf
        So many epochs without one are allowed; one more, and patience is at its end.
    best : float, default=-inf
        Best score so far.
    count : int, default=0
        Epochs in a row without an improvement by `tol`.

    Examples
    --------
    >>> patience = Patience(tol=0.1, n_iter_no_change=1)
    >>> [patience.update(score) for score in (1.0, 2.0, 2.05, 2.06)]
    [False, False, False, True]
    >>> patience = Patience(tol=0.1, n_iter_no_change=1)
    >>> [patience.update(-loss, perfect=0.0) for loss in (0.1, 0.08, 0.07, 0.069, 0.068)]
    [False, False, False, False, True]
    """

    tol: float
    n_iter_no_change: float
    best: float = -math.inf
    count: int = 0

    def update(self, score: float, perfect: float | None = None) -> bool:
        """Take the score of another epoch and return whether patience is at its end.

        `perfect` is the score of a model without error.  If it is given, an improvement counts if
        it is at least tol · min(1, perfect - best).  So training on data without noise does not
        stop while its small error still falls, and outliers, which make a loss large, end none.
        """
        missing = 1.0 if perfect is None else min(1.0, perfect - self.best)
        self.count = 0 if score >= self.best + self.tol * missing else self.count + 1
        if score > self.best:
            self.best = score
        return self.count > self.n_iter_no_change


@dataclass
class BestState:
    """The parameters at the end of the epoch with the highest finite score, the first of equals.

    A training loss is the mean over an epoch, so `values`, from its end, are slightly newer than
    their score.  After a divergence `values` may be overwritten; score and epoch stay.

    Parameters
    ----------
    score : float, default=-inf
        That score; -inf before the first.
    epoch : int, default=0
        Its number, as `update` was told it; 0 before the first.
    values : ndarray of shape (n,) or None, default=None
        A copy of the whole parameter vector, statistics included; None before the first.

    Examples
    --------
    >>> best = BestState()
    >>> for epoch, score in enumerate((0.5, 0.7, 0.6, float("nan")), start=1):
    ...     best.update(score, epoch, np.full(2, 10.0 * epoch))
    >>> best, best.values
    (BestState(score=0.7, epoch=2), array([20., 20.]))
    """

    score: float = -math.inf
    epoch: int = 0
    values: Array | None = field(default=None, repr=False)

    def update(self, score: float, epoch: int, values: Array) -> None:
        """Keep a copy of `values` if their score is finite and above all before."""
        if not score > self.score or not math.isfinite(score):
            return
        self.score, self.epoch = score, epoch
        if self.values is None:
            self.values = values.copy()
        else:
            self.values = own(self.values)  # a pickle may have come with arrays that are locked
            np.copyto(self.values, values)


# A loss so many times the best before (plus one, for losses near zero) is no fluctuation any more.
DIVERGENCE_FACTOR = 10.0


def divergence_epoch(losses: Sequence[float]) -> int | None:
    """Return the first epoch, counted from 1, whose loss is not finite or far above those before.

    Far above is more than ``DIVERGENCE_FACTOR`` times the smallest before, plus 1.

    Parameters
    ----------
    losses : sequence of float
        Loss of each epoch.

    Returns
    -------
    int or None
        None if there is no such epoch.

    Examples
    --------
    >>> divergence_epoch([0.7, 0.5, 90.0, float("nan")])
    3
    >>> divergence_epoch([0.7, 0.8, 0.6]) is None
    True
    """
    best = math.inf
    for i, loss in enumerate(losses):
        if not math.isfinite(loss) or loss > DIVERGENCE_FACTOR * best + 1.0:
            return i + 1
        best = min(best, loss)
    return None
