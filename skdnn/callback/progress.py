"""A progress bar that also shows the loss and the validation score."""

import math
from queue import Queue
from typing import TYPE_CHECKING, Any

import sklearn.callback

from skdnn.estimators._sklearn import (
    RichProgressMonitor,
    get_context_path,
    open_listener,
    run_monitors,
    run_queues,
    send,
)

if TYPE_CHECKING:
    from rich.progress import ProgressColumn, Task
    from rich.text import Text


class ProgressBar(sklearn.callback.ProgressBar):
    """scikit-learn's progress bar, with the current loss and validation score of every fit.

    The bar of a fit that has ended is hidden, so a search shows only the fits that are running.

    Parameters
    ----------
    max_propagation_depth : int or None, default=1
        How many levels of estimators have bars, below the estimator that the callback is set on.
        None shows all levels.  If the callback is set on a search over pipelines, 2 shows the
        epochs of the MLPs.

    Raises
    ------
    ImportError
        If rich is not installed.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skdnn import MLPClassifier
    >>> from skdnn.callback import ProgressBar
    >>> X, y = load_iris(return_X_y=True)
    >>> net = MLPClassifier((8,), max_iter=20, learning_rate="cosine", random_state=0)
    >>> net = net.set_callbacks(ProgressBar()).fit(X, y)  # doctest: +ELLIPSIS
    MLPClassifier - fit ━━━━━━━━━━...━━━━━━━━━━ 100% 0:00:0... loss ...
    """

    def __init__(self, max_propagation_depth: int | None = 1) -> None:
        try:
            super().__init__(max_propagation_depth)
        except ImportError as error:
            raise ImportError('ProgressBar needs rich: pip install "skdnn[progress]".') from error

    def setup(self, estimator: Any, context: Any) -> None:
        """Open the display of a fit."""
        run, queue = context.root_uuid, Queue[Any]()
        self._listener_handles[run] = open_listener(queue.put)
        run_queues[run], run_monitors[run] = queue, ProgressMonitor(queue=queue)
        run_monitors[run].start()

    def on_fit_task_end(self, estimator: Any, context: Any) -> None:
        """Advance the bars."""
        message = {"event": "end", "path": [ctx.task_id for ctx in get_context_path(context)]}
        if context.task_name == "epoch" and hasattr(estimator, "_run"):
            message["numbers"] = latest_numbers(estimator._run.history)
        send(self._listener_handles[context.root_uuid], message)


def latest_numbers(history: dict[str, list[float]]) -> str:
    """Return the last epoch's loss, and its validation score if there is one, as text."""
    loss, score = (history.get(name, [math.nan])[-1] for name in ("loss", "validation_score"))
    return f"loss {loss:.4g}" + ("" if math.isnan(score) else f", score {score:.4g}")


class ProgressMonitor(RichProgressMonitor):
    """The display: a line for each running task, with the loss and score at its end."""

    def _on_task_begin(self, task_info: dict[str, Any]) -> None:
        path = task_info["path"]
        if self.root_rich_task is None:
            self.progress_ctx.columns += (numbers_column(),)
        else:
            self._hide_finished(self.root_rich_task.get_descendants(path)[-2])
        task_info["source_estimator_name"] = None  # the line above names the estimator
        super()._on_task_begin(task_info)

    def _hide_finished(self, parent: Any) -> None:
        for child in parent.children.values():
            if child.progress == 1.0:
                for task in child:
                    self.progress_ctx.update(task.id, visible=False)

    def _on_task_end(self, task_info: dict[str, Any]) -> None:
        numbers = task_info.pop("numbers", None)
        if numbers is not None:
            *_, fit, _ = self.root_rich_task.get_descendants(task_info["path"])
            self.progress_ctx.update(fit.id, numbers=numbers)
        super()._on_task_end(task_info)


def numbers_column() -> "ProgressColumn":
    """Return a column that shows the loss and score of a task."""
    from rich.progress import ProgressColumn
    from rich.table import Column
    from rich.text import Text

    class NumbersColumn(ProgressColumn):
        def render(self, task: "Task") -> "Text":
            return Text(task.fields.get("numbers", ""))

    return NumbersColumn(Column(no_wrap=True))
