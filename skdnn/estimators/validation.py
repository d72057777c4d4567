"""Rows held out of training, and the score of them that early stopping watches."""

import math
import reprlib
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import check_scoring

from skdnn.engine.training import Trainer
from skdnn.estimators._sklearn import get_feature_names
from skdnn.estimators.targets import all_finite


@dataclass(frozen=True)
class Validation:
    """Rows held out of training.

    Parameters
    ----------
    X, T, weight : arrays
        Inputs, targets as the loss wants them, weights or None.
    score : OwnScore, Scoring or None
        From raw scores to the number that early stopping watches; None is minus the loss.
    constant : bool
        Whether the targets are numbers that are all the same.
    """

    X: Any
    T: np.ndarray
    weight: np.ndarray | None
    score: "OwnScore | Scoring | None"
    constant: bool

    @property
    def perfect_score(self) -> float | None:
        """Score of a network without error, if it is known."""
        return 0.0 if self.score is None else self.score.perfect

    def evaluate(self, trainer: Trainer) -> tuple[float, float]:
        """Return the mean loss, without penalty, and the score of the network as it is."""
        S = trainer.network.infer_in_chunks(self.X)
        loss = trainer.loss.value(S, self.T, self.weight)
        if not math.isfinite(loss) or not all_finite(trainer.loss.predict(S)):
            return loss, math.nan
        if self.score is None:
            return loss, -loss
        try:
            return loss, float(self.score(S))
        except Exception as error:
            error.add_note(f"Raised by {self.score.name} after epoch {trainer.n_epochs} of fit.")
            raise

    def tells(self, score: float) -> bool:
        """Whether a score says anything about the epoch.

        If all targets are the same number, one that is as before training says nothing: R² is 0
        then, whatever is predicted.
        """
        as_before = self.constant and self.score is not None and score == self.score.at_start
        return math.isfinite(score) and not as_before

    def silence(self) -> str:
        """Return why the scores say nothing, in words."""
        if self.constant:
            return "y of the validation data is constant, so no score tells epochs apart"
        if self.score is None:
            return "the validation loss was not finite in any epoch"
        reason = f" ({self.score.reason})" if self.score.reason else ""
        return f"{self.score.name} was not finite in any epoch{reason}"


@dataclass(frozen=True)
class OwnScore:
    """The estimator's own score, accuracy or R², from raw scores.

    Parameters
    ----------
    target : target
        What is predicted.
    truth, weight : arrays
        What the target compares its predictions with; weights or None.
    """

    target: Any
    truth: np.ndarray
    weight: np.ndarray | None
    name: ClassVar[str] = "the score"
    at_start: ClassVar[float] = 0.0  # R² of numbers that are all the same
    reason: ClassVar[str | None] = None
    perfect: ClassVar[float | None] = 1.0

    def __call__(self, S: np.ndarray) -> float:
        return self.target.score(S, self.truth, self.weight)


class Scoring:
    """The parameter `scoring` as a function, tried before any work is done.

    Parameters
    ----------
    scoring : str or callable
        The value of the parameter.
    snapshot : callable
        Returns the estimator as if ``fit`` had stopped now, with the latest parameters.
    X, y, weight : arrays
        The validation data, X with the names of its columns if the user gave it any.
    lacks_classes : bool
        Whether y lacks a class of the estimator, or there is only one class.  A ValueError of the
        metric then means that the score is not defined.

    Attributes
    ----------
    name : str
        The parameter and its value.
    at_start : float
        Score before training.
    reason : str or None
        Why the score was not defined, in the words of a metric.
    perfect : None
        The score of a network without error is unknown.

    Raises
    ------
    ValueError
        If it cannot score the data, or does not return a number.
    """

    perfect: ClassVar[float | None] = None

    def __init__(
        self,
        scoring: Any,
        snapshot: Callable[[], Any],
        X: Any,
        y: np.ndarray,
        weight: np.ndarray | None,
        lacks_classes: bool = False,
    ):
        self.snapshot, self.X, self.y = snapshot, X, y
        self.lacks_classes = lacks_classes
        self.name, self.names = f"scoring={shown(scoring)}", get_feature_names(X)
        self.scorer = check_scoring(snapshot(), scoring)
        self.weights = {} if weight is None else {"sample_weight": weight}
        self.reason: str | None = None
        self.shown: set[str] = set()  # warnings of the metric, which are to be seen once
        try:
            at_start = self._ask()
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{self.name} cannot score the validation data"
                f"{' with their weights' if self.weights else ''}: {error}"
            ) from error
        except Exception as error:
            error.add_note(f"Raised by {self.name} before the first epoch of fit.")
            raise
        self.at_start = number_of(at_start, self.name)

    def __call__(self, S: np.ndarray) -> float:
        return number_of(self._ask(), self.name)

    def _ask(self) -> Any:
        """Return whatever the scorer returns; nan if it raises because y lacks classes."""
        with self._noting_what_is_undefined():
            try:
                return self.scorer(self._estimator(), self.X, self.y, **self.weights)
            except ValueError as error:
                if not self.lacks_classes:
                    raise
                self.reason = str(error)
                return math.nan

    def _estimator(self) -> Any:
        """Return the estimator as fitted so far, which expects the names that X has."""
        estimator = self.snapshot()
        vars(estimator).pop("feature_names_in_", None)
        if self.names is not None:
            estimator.feature_names_in_ = self.names
        return estimator

    @contextmanager
    def _noting_what_is_undefined(self) -> Iterator[None]:
        """Note what a metric warns of, and do not show it: the fit says once what matters of it."""
        with warnings.catch_warnings():
            show = warnings.showwarning

            def note(message: Any, category: type[Warning], *details: Any) -> None:
                if issubclass(category, UndefinedMetricWarning):
                    self.reason = str(message)
                elif not issubclass(category, RuntimeWarning) and str(message) not in self.shown:
                    self.shown.add(str(message))
                    show(message, category, *details)

            warnings.simplefilter("always", UndefinedMetricWarning)
            warnings.simplefilter("always", RuntimeWarning)
            warnings.showwarning = note  # type: ignore[assignment]
            yield


def shown(scoring: Any) -> str:
    """Return how a scorer is printed, or the name of its class if it cannot be."""
    try:
        return repr(scoring)
    except Exception:
        return type(scoring).__name__


def number_of(score: Any, name: str) -> float:
    """Return what a scorer of that name has returned as a float, or say that it is none."""
    if np.ndim(score) == 0 and hasattr(score, "item"):
        score = score.item()
    if not isinstance(score, Real):
        raise ValueError(f"{name} must return a number. Got {reprlib.repr(score)} instead.")
    return float(score)
