"""What is done after every epoch: validating, recording, judging, printing, calling back."""

import math
import warnings
from dataclasses import dataclass

from skdnn.engine.arrays import Array
from skdnn.engine.stopping import Outcome
from skdnn.engine.training import EpochResult
from skdnn.estimators.callbacks import EpochCallbacks
from skdnn.estimators.run import Run
from skdnn.estimators.validation import Validation

MIN_LEARNING_RATE = 1e-6  # an adaptive learning rate is not lowered beyond this


@dataclass
class Monitor:
    """Look at a training after every epoch, and say when to stop.

    Parameters
    ----------
    run : Run
        What is looked at, and where it is recorded.
    validation : Validation or None
        Rows that are not trained on.
    verbose : bool
        Whether to print the numbers of every epoch.
    callbacks : EpochCallbacks or None
        The callbacks of the estimator; None in ``partial_fit``, which runs none.
    validated : bool
        Whether an epoch has been validated.
    """

    run: Run
    validation: Validation | None
    verbose: bool
    callbacks: EpochCallbacks | None
    validated: bool = False

    def on_epoch_begin(self) -> None:
        if self.callbacks is not None:
            self.callbacks.begin_epoch()

    def on_epoch_end(self, epoch: EpochResult) -> Outcome | None:
        """Record an epoch; return why training should stop, or None to go on."""
        validation_loss = score = math.nan
        diverged = not math.isfinite(epoch.loss)
        if self.validation is not None and not diverged:
            validation_loss, score = self.validation.evaluate(self.run.trainer)
            self.validated = True
        self._record(epoch, validation_loss, score)
        watched = self._watched(validation_loss, score) if self.run.early_stopping else -epoch.loss
        # A callback that writes checkpoints reads the outcome before the loop ends.
        self.run.call.outcome = Outcome.DIVERGED if diverged else self._judge(watched)
        asked = self.callbacks is not None and self.callbacks.end_epoch()
        return Outcome.STOPPED if asked and not diverged else self.run.call.outcome

    @property
    def _validation(self) -> Validation:
        """The rows held out, which early stopping always has."""
        assert self.validation is not None
        return self.validation

    def _watched(self, validation_loss: float, score: float) -> float:
        """Return what early stopping goes by: the score once one said something, or the loss."""
        run = self.run
        if not run.scored and self._validation.tells(score):
            run.forget_best(scored=True)
        return score if run.scored else -validation_loss

    def warn_of_silence(self, T: Array) -> None:
        """Warn if early stopping had no score to go by, unless all targets are the same."""
        silent = self.run.early_stopping and self.validated and not self.run.scored
        if silent and not (self._validation.constant and (T[:1] == T).all()):
            warnings.warn(
                f"early_stopping: {self._validation.silence()}. The validation loss decided "
                "instead when to stop and which epoch is kept."
            )

    def _record(self, epoch: EpochResult, validation_loss: float, score: float) -> None:
        seen = {"loss": epoch.loss}
        if self.validation is not None:
            seen |= {"validation_loss": validation_loss, "validation_score": score}
        seen |= {"learning_rate": epoch.learning_rate, "seconds": epoch.seconds}
        self.run.record(**seen)
        if self.verbose:
            self._print(seen)

    def _print(self, seen: dict[str, float]) -> None:
        """Print scikit-learn's lines, which programs read, and on one of its own what is new."""
        print(f"Iteration {len(self.run.losses)}, loss = {seen['loss']:.8f}")
        held_out = ""
        if self.validation is not None:
            print(f"Validation score: {seen['validation_score']:f}")
            held_out = f"validation objective: {seen['validation_loss']:.8g}, "
        rate, seconds = seen["learning_rate"], seen["seconds"]
        print(f"  ({held_out}learning rate: {rate:.4g}, seconds: {seconds:.3g})")

    def _announce(self, what_follows: str) -> None:
        """Print scikit-learn's line on patience that is at its end."""
        if self.verbose:
            watched = "Validation score" if self.run.early_stopping else "Training loss"
            patience = self.run.patience
            print(
                f"{watched} did not improve more than tol={patience.tol:f} for "
                f"{patience.n_iter_no_change} consecutive epochs. {what_follows}"
            )

    def _perfect_score(self) -> float | None:
        """Return the score of a network without error; None if unknown, or of no matter."""
        if not self.run.trainer.loss.relative:
            return None
        by_score = self.run.early_stopping and self.run.scored
        return self._validation.perfect_score if by_score else 0.0

    def _judge(self, score: float) -> Outcome | None:
        trainer, patience = self.run.trainer, self.run.patience
        self.run.best.update(score, self.run.n_epochs, self.run.values)
        if not patience.update(score, self._perfect_score()):
            return None
        if not self.run.plan.stopping.adaptive:
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
