"""Candidates, evaluated in groups so small that little is lost where a search is interrupted."""

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
    """An interrupt that no estimator takes for its own, as some do with KeyboardInterrupt."""


@contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C raise `Interrupted` where it would raise KeyboardInterrupt."""

    def interrupt(*_: object) -> None:
        raise Interrupted

    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield  # other threads are not interrupted, and another handler knows better
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
        """Return what the splitter returned the first time."""
        if self.splits is None:
            self.splits = list(self.cv.split(*args, **kwargs))
        return self.splits


@dataclass(frozen=True)
class Continued:
    """A task of a callback context, for subtasks that are numbered from 0 in every group."""

    context: Any
    n_before: int

    def subcontext(self, task_name: str, task_id: int) -> Any:
        """Make the context of a subtask, numbered after those of the groups before."""
        return self.context.subcontext(task_name=task_name, task_id=self.n_before + task_id)


class Evaluations:
    """The candidates evaluated so far, and the table of their scores.

    `BaseSearchCV` makes the table anew after every group, and raises an error where every fit of a
    group fails.  Here the table is made when it is asked for, and has what failed too.

    Parameters
    ----------
    evaluate, tabulate : callable
        ``evaluate_candidates`` and ``_format_results`` of `BaseSearchCV`.
    cv : splitter
        Splits alike every time.
    error_score : float or "raise"
        Score of a fit that failed.

    Attributes
    ----------
    candidates, rounds : list of dict, list of int
        All candidates, and the round of each.
    table : dict
        ``cv_results_`` as of the last `update`; empty as long as every fit has failed.
    error : ValueError or None
        What was raised where every fit of a group failed.
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
        self._failed: list[int] = []  # places of the candidates that are not in _results
        self._results: list[
            dict[str, Any]
        ] = []  # of every fit, those of a candidate one after the other
        self._n_splits = 0

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        return type(None), ()  # a search is sent to its workers, which need nothing of this

    def evaluate(self, group: list[Candidate], round_: int, context: Continued) -> None:
        """Fit and score some candidates."""
        failed = self._try(group, context)
        if failed:
            self._failed += range(len(self.candidates), len(self.candidates) + len(group))
        self.candidates += group
        self.rounds += [round_] * len(group)
        if failed:
            warnings.warn(f"Scores are set to {self._error_score}: {self.error}", FitFailedWarning)

    def _try(self, group: list[Candidate], context: Continued) -> bool:
        """Return whether every fit of a group has failed."""
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
        """Be ``_format_results``, but put it off: note the results, return the table to be."""
        self._n_splits, self._results = n_splits, results
        return self.table

    def update(self) -> None:
        """Make the table of all candidates so far."""
        n = self._n_splits
        results = self._results[: n * (len(self.candidates) - len(self._failed))]
        if not results:
            return
        for place in self._failed:
            results[n * place : n * place] = [failure(results[0], self._error_score)] * n
        candidates, columns = self.candidates.copy(), {"round": self.rounds}
        self.table.update(self._tabulate(candidates, n, results, columns))


def failure(result: dict[str, Any], error_score: ErrorScore) -> dict[str, Any]:
    """Return what would be there instead of `result` if the fit had failed."""
    failed = result | {"fit_time": np.nan, "score_time": np.nan}
    for name in result.keys() & {"test_scores", "train_scores"}:
        several = isinstance(result[name], dict)
        failed[name] = dict.fromkeys(result[name], error_score) if several else error_score
    return failed
