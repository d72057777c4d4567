"""Evaluation of candidates in small groups, so that little is lost if a search is interrupted."""

import re
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from sklearn.exceptions import FitFailedWarning

from skdnn.model_selection.shrinking import Candidate

ErrorScore: TypeAlias = float | Literal["raise"]


class Interrupted(BaseException):
    """Ctrl-C during a search.  Estimators do not catch it, as some catch KeyboardInterrupt."""


@contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C raise `Interrupted` instead of KeyboardInterrupt."""

    def interrupt(*_: object) -> None:
        raise Interrupted

    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield  # only the main thread is interrupted, and a user's own handler stays
        return
    try:
        signal.signal(signal.SIGINT, interrupt)
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class SameSplits:
    """A splitter that splits once, so that all groups are evaluated on the same folds."""

    def __init__(self, cv: Any) -> None:
        self.cv = cv
        self.splits: list[Any] | None = None

    def split(self, *args: Any, **kwargs: Any) -> list[Any]:
        """Return the splits of the first call."""
        if self.splits is None:
            self.splits = list(self.cv.split(*args, **kwargs))
        return self.splits


@dataclass(frozen=True)
class Continued:
    """A callback context whose subtasks are numbered on from group to group.

    `BaseSearchCV` numbers the subtasks of every group from 0.

    Parameters
    ----------
    context : CallbackContext
        The context of a round.
    n_before : int
        Number of subtasks in the groups before.
    """

    context: Any
    n_before: int

    def subcontext(self, task_name: str, task_id: int) -> Any:
        """Return the context of a subtask, numbered after the subtasks of the groups before."""
        return self.context.subcontext(task_name=task_name, task_id=self.n_before + task_id)


class Evaluations:
    """The candidates evaluated so far, and the table of their scores.

    `BaseSearchCV` makes the table anew after every group, and raises an error if every fit of a
    group fails.  Here `update` makes the table, which includes candidates that failed.

    Parameters
    ----------
    evaluate, tabulate : callable
        ``evaluate_candidates`` and ``_format_results`` of `BaseSearchCV`.
    cv : splitter
        It must return the same splits at every call.
    error_score : float or "raise"
        Score of a fit that fails.

    Attributes
    ----------
    candidates, rounds : list of dict, list of int
        All candidates so far, and the round of each.
    table : dict
        ``cv_results_`` as of the last `update`; empty as long as every fit has failed.
    error : ValueError or None
        The error that was raised when every fit of a group failed.
    """

    def __init__(
        self,
        evaluate: Callable[..., Any],
        tabulate: Callable[..., dict[str, Any]],
        cv: SameSplits,
        error_score: ErrorScore,
    ) -> None:
        self._evaluate, self._tabulate = evaluate, tabulate
        self._cv, self._error_score = cv, error_score
        self.candidates: list[Candidate] = []
        self.rounds: list[int] = []
        self.table: dict[str, Any] = {}
        self.error: ValueError | None = None
        self._failed: list[int] = []  # indices of the candidates that are not in _results
        self._results: list[dict[str, Any]] = []  # one for each fit, candidate by candidate
        self._n_splits = 0

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        return type(None), ()  # workers get a pickle of the search, and need nothing of this

    def evaluate(self, group: list[Candidate], round_: int, context: Continued) -> None:
        """Fit and score a group of candidates."""
        failed = self._try(group, context)
        if failed:
            self._failed += range(len(self.candidates), len(self.candidates) + len(group))
        self.candidates += group
        self.rounds += [round_] * len(group)
        if failed:
            warnings.warn(f"Scores are set to {self._error_score}: {self.error}", FitFailedWarning)

    def _try(self, group: list[Candidate], context: Continued) -> bool:
        """Evaluate a group of candidates; return whether every fit has failed."""
        try:
            self._evaluate(group, self._cv, callback_ctx=context)
        except ValueError as error:
            if not re.match(r"\s*All the \d+ fits failed", str(error)):
                raise
            self.error = error
            return True
        return False

    def collect(
        self,
        candidates: list[Candidate],
        n_splits: int,
        results: list[dict[str, Any]],
        more_results: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Stand in for `_format_results`: store the results, and return the dict to be filled."""
        self._n_splits, self._results = n_splits, results
        return self.table

    def update(self) -> None:
        """Fill the table with all candidates so far."""
        n = self._n_splits
        results = self._results[: n * (len(self.candidates) - len(self._failed))]
        if not results:
            return
        for index in self._failed:
            results[n * index : n * index] = [failure(results[0], self._error_score)] * n
        candidates, columns = self.candidates.copy(), {"round": self.rounds}
        self.table.update(self._tabulate(candidates, n, results, columns))


def failure(result: dict[str, Any], error_score: ErrorScore) -> dict[str, Any]:
    """Return the result of a fit that failed, with the entries of `result`."""
    failed = result | {"fit_time": np.nan, "score_time": np.nan}
    for name in result.keys() & {"test_scores", "train_scores"}:
        several = isinstance(result[name], dict)
        failed[name] = dict.fromkeys(result[name], error_score) if several else error_score
    return failed
