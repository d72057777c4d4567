"""What is done around every epoch: history, validation, stopping, printing, callbacks."""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from skdnn.engine.stopping import Outcome
from skdnn.engine.training import EpochResult
from skdnn.estimators.course import Course, epochs_left
from skdnn.estimators.validation import Validation

MIN_LEARNING_RATE = 1e-6  # an adaptive learning rate is not lowered beyond this


@dataclass
class Monitor:
    """Look at a training after every epoch, and say when to stop.

    Parameters
    ----------
    course : Course
        Where what is seen is kept.
    validation : Validation or None
        Rows to watch besides the training loss.
    early_stopping : bool
        Whether the validation score, not the training loss, decides.
    adaptive : bool
        Whether impatience first divides the learning rate by 5.
    verbose : bool
        Whether to print the numbers of every epoch.
    hooks : object with ``begin()`` and ``end() -> bool``
        The estimator's callbacks.
    validated : bool
        Whether an epoch has been validated.
    """

    course: Course
    validation: Validation | None
    early_stopping: bool
    adaptive: bool
    verbose: bool
    hooks: Any
    validated: bool = False

    def on_epoch_begin(self) -> None:
        self.hooks.begin()

    def on_epoch_end(self, epoch: EpochResult) -> Outcome | None:
        """Record an epoch; return why training should stop, or None to go on."""
        validation_loss = score = math.nan
        diverged = not math.isfinite(epoch.loss)
        if self.validation is not None and not diverged:
            validation_loss, score = self.validation.evaluate(self.course.trainer)
            self.validated = True
        self._record(epoch, validation_loss, score)
        watched = self._watched(validation_loss, score) if self.early_stopping else -epoch.loss
        self.course.outcome = Outcome.DIVERGED if diverged else self._judge(watched)
        asked = self.hooks.end()
        return Outcome.STOPPED if asked and not diverged else self.course.outcome

    def _watched(self, validation_loss: float, score: float) -> float:
        """Return what early stopping goes by: the score once one said something, or the loss."""
        course = self.course
        if not course.scored and self.validation.tells(score):
            course.forget_best(scored=True)
        return score if course.scored else -validation_loss

    def warn_of_silence(self, Y) -> None:
        """Warn if early stopping had no score to go by, unless all Y to learn are the same."""
        silent = self.early_stopping and self.validated and not self.course.scored
        if silent and not (self.validation.constant and (Y[:1] == Y).all()):
            warnings.warn(
                f"early_stopping: {self.validation.silence()}. The validation loss decided instead "
                "when to stop and which epoch is kept."
            )

    def _record(self, epoch: EpochResult, validation_loss: float, score: float) -> None:
        seen = {"loss": epoch.loss}
        if self.validation is not None:
            seen |= {"validation_loss": validation_loss, "validation_score": score}
        seen |= {"learning_rate": epoch.learning_rate, "seconds": epoch.seconds}
        self.course.record(**seen)
        if self.verbose:
            self._print(seen)

    def _print(self, seen: dict[str, float]) -> None:
        """Print scikit-learn's lines, which programs read, and on one of its own what is new."""
        print(f"Iteration {len(self.course.losses)}, loss = {seen['loss']:.8f}")
        held_out = ""
        if self.validation is not None:
            print(f"Validation score: {seen['validation_score']:f}")
            held_out = f"validation objective: {seen['validation_loss']:.8g}, "
        rate, seconds = seen["learning_rate"], seen["seconds"]
        print(f"  ({held_out}learning rate: {rate:.4g}, seconds: {seconds:.3g})")

    def _announce(self, what_follows: str) -> None:
        """Print scikit-learn's line on patience that is at its end."""
        if self.verbose:
            watched = "Validation score" if self.early_stopping else "Training loss"
            patience = self.course.patience
            print(
                f"{watched} did not improve more than tol={patience.tol:f} for "
                f"{patience.n_iter_no_change} consecutive epochs. {what_follows}"
            )

    def _perfect_score(self) -> float | None:
        """Return the score of a network without error; None if unknown, or of no matter."""
        if not self.course.trainer.loss.relative:
            return None
        by_score = self.early_stopping and self.course.scored
        return self.validation.perfect_score if by_score else 0.0

    def _judge(self, score: float) -> Outcome | None:
        trainer, patience = self.course.trainer, self.course.patience
        n_epochs = len(self.course.history["loss"])
        self.course.best.update(score, n_epochs, trainer.network.parameters.values)
        if not patience.update(score, self._perfect_score()):
            return None
        if not self.adaptive:
            self._announce("Stopping.")
            return Outcome.NO_IMPROVEMENT
        if trainer.descent.learning_rate * trainer.slowdown <= MIN_LEARNING_RATE:
            self._announce("Learning rate too small. Stopping.")
            return Outcome.NO_IMPROVEMENT
        trainer.slowdown /= 5.0
        rate = trainer.descent.learning_rate * trainer.slowdown
        self._announce(f"Setting learning rate to {rate:f}")
        patience.count = 0
        return None


class Hooks:
    """The callbacks of an estimator around its epochs, in scikit-learn's protocol.

    Parameters
    ----------
    estimator : estimator
        The one whose ``fit`` runs.
    X, y, metadata : arrays and dict
        What ``fit`` was given, for the callbacks that want it.
    """

    def __init__(self, estimator, X, y, metadata: dict):
        self.estimator = estimator
        self.given = {"X": X, "y": y, "metadata": metadata}
        self.context = estimator._init_callback_context(max_subtasks=epochs_left(estimator))
        self.context.call_on_fit_task_begin(estimator=estimator, **self.given)

    def watch(self, snapshot: Callable[[], dict]) -> None:
        """From now on, `snapshot` returns the attributes of the estimator as fitted so far."""
        self.snapshot = snapshot

    def begin(self) -> None:
        self.epoch = self.context.subcontext(task_name="epoch")
        self.epoch.call_on_fit_task_begin(estimator=self.estimator, **self.given)

    def end(self) -> bool:
        return self.epoch.call_on_fit_task_end(
            estimator=self.estimator, reconstruction_attributes=self.snapshot, **self.given
        )

    def finish(self) -> None:
        """The whole task is over, and the estimator is fitted."""
        self.context.call_on_fit_task_end(
            estimator=self.estimator, reconstruction_attributes={}, **self.given
        )


class NoHooks:
    """Stands in for callbacks in `partial_fit`, which runs none: a call is but one epoch."""

    def watch(self, snapshot: Callable[[], dict]) -> None:
        pass

    def begin(self) -> None:
        pass

    def end(self) -> bool:
        return False
