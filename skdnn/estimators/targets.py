"""What the network is asked to predict: the contract of a target, and that of numbers.

The targets of class labels, one final class a task, are in `label_targets`.
"""

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

import numpy as np
from sklearn.metrics import r2_score

from skdnn.engine.arrays import Array
from skdnn.engine.losses import REGRESSION_LOSSES, Loss, SquaredError, get_loss
from skdnn.engine.network import Network
from skdnn.estimators.spread import SPREADS


def all_finite(S: Array) -> bool:
    """Whether there is neither nan nor infinity, in one fast pass as a rule."""
    return math.isfinite(np.vdot(S, S)) or bool(np.isfinite(S).all())


def as_doubles(S: Array) -> Array:
    """Scores in float64, so that probabilities add up to one as closely as users compare.

    Infinite ones become the largest numbers there are, and nan, which says nothing, zero.
    """
    S = S.astype(np.float64, copy=False)
    return S if all_finite(S) else np.nan_to_num(S)


class Target(Protocol):
    """Turns the user's y into what a loss wants, and raw scores S into what the user expects.

    Attributes
    ----------
    loss : Loss
        What `objective` returned for the last call; it has the inverse link.
    n_scores : int
        Columns of the raw scores.
    stratifies : bool
        Whether a validation split keeps the shares of the classes.
    rescales : bool
        Whether the last layer of a trained network has to be rescaled to predict in the units of y.
    """

    loss: Any
    stratifies: ClassVar[bool] = False

    @property
    def n_scores(self) -> int: ...

    @property
    def rescales(self) -> bool:
        return False

    def encode(self, y: Any, strict: bool = True) -> Array:
        """Return T, what takes time to make of y and is made once a fit: codes, or numbers.

        Unless `strict`, a label that is no class gets a code that is none.
        """

    def wanted(self, T: Array, dtype: str) -> Array:
        """Return T in the form that the loss wants; numbers in the scale of training."""

    def lacks_classes(self, T: Array) -> bool:
        """Whether T lacks a class, so that metrics may not be defined."""
        return False

    def objective(self, loss: Any, values: dict[str, Any]) -> Loss:
        """Return the engine's loss by name or as an object, with hyperparameters from `values`."""

    def score(self, S: Array, truth: Array, weight: Array | None) -> float:
        """Return the estimator's own score of raw scores: accuracy, or R²."""

    def rescale(self, network: Network) -> None:
        """Let the last layer of a trained network predict in the units of y."""
        return

    def unscale(self, network: Network) -> None:
        """Undo `rescale`, to train on."""
        return


@dataclass
class RegressionTarget(Target):
    """k numbers, standardised for training: T = (y - centre) / scale.

    ``rescale`` writes the scale into the last layer, so that the network's scores are those of
    y itself.  ``standardised_by`` names what centre and scale are; None if y is left as it is.
    """

    centre: Array
    scale: Array
    standardised_by: str | None
    loss: Loss = SquaredError()

    @classmethod
    def of(cls, y: Array, standardised_by: str | None) -> "RegressionTarget":
        """Return the target for the columns of y, whose scale is not measured yet."""
        k = 1 if y.ndim == 1 else y.shape[1]
        return cls(np.zeros(k), np.ones(k), standardised_by)

    def measured(self, y: Array, weight: Array | None) -> "RegressionTarget":
        """Return the target with centre and scale of the columns of y."""
        if self.standardised_by is None:
            return self
        centre, scale = SPREADS[self.standardised_by](self.encode(y), weight)
        return replace(self, centre=centre, scale=scale)

    @property
    def n_scores(self) -> int:
        return len(self.centre)

    def objective(self, loss: Any, values: dict[str, Any]) -> Loss:
        return get_loss(loss, REGRESSION_LOSSES, values)

    def encode(self, y: Any, strict: bool = True) -> Array:
        Y = y.reshape(len(y), -1)
        if Y.shape[1] != self.n_scores:
            raise ValueError(f"`y` must have {self.n_scores} outputs. Got {Y.shape[1]}.")
        return Y.astype(np.float64, copy=False)

    def wanted(self, T: Array, dtype: str) -> Array:
        return ((T - self.centre) / self.scale).astype(dtype)

    def lacks_classes(self, T: Array) -> bool:
        return False

    def rescale(self, network: Network) -> None:
        """W ← W scale, b ← b scale + centre."""
        network.output_layer.rescale_outputs(self.scale, self.centre)

    def unscale(self, network: Network) -> None:
        """Undo `rescale`, to train on."""
        network.output_layer.unscale_outputs(self.scale, self.centre)

    @property
    def rescales(self) -> bool:
        """Whether rescaling changes anything."""
        return bool(np.any(self.centre != 0) or np.any(self.scale != 1))

    def predict(self, S: Array) -> Array:
        """Return the prediction that belongs to the scores of a rescaled network."""
        return self.loss.predict(S)

    def score(self, S: Array, truth: Array, weight: Array | None) -> float:
        predicted = self.predict(S * self.scale + self.centre)
        if not np.isfinite(predicted).all():
            return math.nan
        return float(r2_score(truth, predicted, sample_weight=weight))
