"""The callbacks of an estimator around its epochs, in scikit-learn's protocol."""

from collections.abc import Callable
from typing import Any


class EpochCallbacks:
    """Tell the callbacks of an estimator when its fit and each of its epochs begin and end.

    Parameters
    ----------
    estimator : estimator
        The one whose ``fit`` runs.
    n_epochs : int
        Largest number of epochs.
    snapshot : callable
        Returns the fitted attributes after the latest epoch.
    X, y, metadata : arrays and dict
        What ``fit`` was given, for the callbacks that want it.
    """

    def __init__(
        self,
        estimator: Any,
        n_epochs: int,
        snapshot: Callable[[], dict[str, Any]],
        X: Any,
        y: Any,
        metadata: dict[str, Any],
    ):
        self.estimator, self.snapshot = estimator, snapshot
        self.given = {"X": X, "y": y, "metadata": metadata}
        self.context = estimator._init_callback_context(max_subtasks=n_epochs)
        self.context.call_on_fit_task_begin(estimator=estimator, **self.given)

    def begin_epoch(self) -> None:
        self.epoch = self.context.subcontext(task_name="epoch")
        self.epoch.call_on_fit_task_begin(estimator=self.estimator, **self.given)

    def end_epoch(self) -> bool:
        """Return whether a callback asks to stop."""
        asked: bool = self.epoch.call_on_fit_task_end(
            estimator=self.estimator, reconstruction_attributes=self.snapshot, **self.given
        )
        return asked

    def end(self) -> None:
        """The whole task is over, and the estimator is fitted."""
        self.context.call_on_fit_task_end(
            estimator=self.estimator, reconstruction_attributes={}, **self.given
        )
