"""Random search in rounds, from coarse to fine."""

import math
import warnings
from collections.abc import Callable
from itertools import islice
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from joblib import effective_n_jobs
from sklearn.model_selection import ParameterSampler
from sklearn.utils import check_random_state

from skdnn.engine.arrays import Array
from skdnn.estimators._sklearn import BaseSearchCV, Interval
from skdnn.model_selection.evaluation import (
    Continued,
    ErrorScore,
    Evaluations,
    Interrupted,
    SameSplits,
    interruptible,
)
from skdnn.model_selection.shrinking import Candidate, Space, is_in, shrink_spaces


class CoarseToFineSearchCV(BaseSearchCV):
    """Random search with cross-validation in rounds, from coarse to fine.

    The first round draws candidates as `RandomizedSearchCV` does.  After every round each range
    shrinks around the best candidates so far, and each list keeps only the values that these
    candidates have.  The next round draws from what is left.  So most fits are spent near good
    candidates.  In return, the search cannot find what the first round has missed: give it enough
    candidates.

    Parameters
    ----------
    estimator : estimator
        The estimator to tune.  It needs a ``score`` method unless `scoring` is given.
    param_distributions : dict or list of dicts
        Lists and distributions by the names of parameters, such as `search_space` returns.  If it
        is a list of dicts, every candidate is drawn from one of them, chosen at random.  After a
        round a dict stays only if it could have drawn one of the best candidates, and it shrinks
        around the best candidates that it could have drawn.
    n_rounds : int, default=3
        Number of rounds.  The search ends earlier if no candidates are left, or if a callback asks
        to stop at the end of a round.
    n_iter : int, default=20
        Number of candidates in a round.  A candidate that an earlier round has evaluated is not
        drawn again.  So if there are only lists, a round may have fewer candidates, and the search
        ends when none are left.
    shrink : float in (0, 1], default=0.5
        Width of a range, divided by its width in the round before.  Widths are measured in
        quantiles of the distribution, so `loguniform` shrinks in the logarithm.
    keep : float in (0, 1], default=0.25
        Fraction of all candidates so far that count as the best.  A range shrinks around their
        mean.  It is shifted as little as possible to contain the best candidate of all and to stay
        inside the range before.
    scoring : str, callable, list, tuple, dict or None, default=None
        The metrics, as in `RandomizedSearchCV`.
    n_jobs : int or None, default=None
        Number of fits to run in parallel.
    refit : bool, str or callable, default=True
        Whether to refit the best candidate to all rows.  With several metrics it must be the name
        of the one that ranks the candidates.  A callable chooses `best_index_` at the end, as in
        `RandomizedSearchCV`.  It needs a single metric, because ranges shrink by the score.
    cv : int, splitter, iterable or None, default=None
        The folds.  All candidates get the same folds, even if a splitter would draw new ones.
    verbose : int, default=0
        How much to print.  The candidates are evaluated in small groups, and 1 prints a line for
        each group.
    pre_dispatch : int or str, default="2*n_jobs"
        Number of fits that are handed to the workers in advance.
    random_state : int, RandomState instance or None, default=None
        Seed of the candidates.
    error_score : "raise" or float, default=nan
        Score of a fit that fails.  Candidates with score nan are never among the best.  Nothing
        shrinks as long as all candidates have score nan.
    return_train_score : bool, default=False
        Whether to score the training rows too.

    Attributes
    ----------
    rounds_ : list
        What each round drew from, in the form of `param_distributions`.  A shrunk distribution has
        a method ``support()``, which returns its smallest and its largest value.  It also shows
        them when it is printed.
    cv_results_ : dict of ndarray
        As in `RandomizedSearchCV`, with a further column "round", counted from 1.
    best_estimator_, best_score_, best_params_, best_index_, scorer_, n_splits_, refit_time_, \
multimetric_, classes_, n_features_in_, feature_names_in_
        As in `RandomizedSearchCV`.

    See Also
    --------
    search_space : Distributions of the hyperparameters of a network.

    Notes
    -----
    A distribution shrinks if it has ``ppf`` and ``cdf``, as `layers` and the frozen distributions
    of `scipy.stats` have.  A distribution that has only ``rvs`` stays as it is.

    Ctrl-C ends the search, even if the fit that is running would catch the interrupt itself.  The
    candidates evaluated so far are kept, the best of them is refitted, and a warning says so.
    Before the first candidate is evaluated, and during the refit, Ctrl-C raises KeyboardInterrupt.
    If it interrupts the refit, `cv_results_` and `best_params_` are available.

    Examples
    --------
    >>> from scipy.stats import loguniform
    >>> from sklearn.datasets import load_iris
    >>> from skdnn import MLPClassifier
    >>> from skdnn.model_selection import CoarseToFineSearchCV
    >>> X, y = load_iris(return_X_y=True)
    >>> net = MLPClassifier(learning_rate="cosine", max_iter=10, random_state=0)
    >>> search = CoarseToFineSearchCV(
    ...     net, {"learning_rate_init": loguniform(1e-5, 1)}, n_iter=4, cv=2,
    ...     scoring="neg_log_loss", random_state=0,
    ... ).fit(X, y)
    >>> for space in search.rounds_[1:]:
    ...     print(space["learning_rate_init"])
    <loguniform(1e-05, 1) from 0.00212 to 0.67>
    <loguniform(1e-05, 1) from 0.0136 to 0.242>
    >>> print(f"{search.best_params_['learning_rate_init']:.2g}")
    0.087
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseSearchCV._parameter_constraints,
        "param_distributions": [dict, list],
        "n_rounds": [Interval(Integral, 1, None, closed="left")],
        "n_iter": [Interval(Integral, 1, None, closed="left")],
        "shrink": [Interval(Real, 0, 1, closed="right")],
        "keep": [Interval(Real, 0, 1, closed="right")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: Any,
        param_distributions: Space | list[Space],
        *,
        n_rounds: int = 3,
        n_iter: int = 20,
        shrink: float = 0.5,
        keep: float = 0.25,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: bool | str | Callable[[dict[str, Any]], int] = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: int | str = "2*n_jobs",
        random_state: int | np.random.RandomState | None = None,
        error_score: ErrorScore = np.nan,
        return_train_score: bool = False,
    ) -> None:
        self.param_distributions = param_distributions
        self.n_rounds = n_rounds
        self.n_iter = n_iter
        self.shrink = shrink
        self.keep = keep
        self.random_state = random_state
        super().__init__(
            estimator=estimator,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
            return_train_score=return_train_score,
        )

    def _run_search(
        self, evaluate_candidates: Callable[..., Any], *, callback_ctx: Any = None
    ) -> None:
        """Run the search; `BaseSearchCV.fit` calls this."""
        self._evaluations = Evaluations(
            evaluate_candidates,
            super()._format_results,
            SameSplits(self._checked_cv_orig),
            self.error_score,
        )
        try:
            self._search(self._evaluations, callback_ctx)
        finally:
            del self._evaluations

    def _format_results(self, *args: Any) -> dict[str, Any]:
        return self._evaluations.collect(*args)

    def _search(self, evaluations: Evaluations, context: Any) -> None:
        """Run the rounds until they end or are interrupted."""
        context = context.subcontext(task_name="search", max_subtasks=self.n_rounds)
        context.call_on_fit_task_begin(estimator=self)
        try:
            with interruptible():
                self._run_rounds(evaluations, context)
        except (KeyboardInterrupt, Interrupted):
            if not evaluations.table:
                raise KeyboardInterrupt from None
            warnings.warn(
                f"Search interrupted by user; the {len(evaluations.candidates)} candidates "
                "evaluated so far are kept."
            )
        if not evaluations.table:
            raise evaluations.error or ValueError("param_distributions has no candidates.")
        self.cv_results_ = evaluations.table  # set now, since the refit may be interrupted
        context.call_on_fit_task_end(estimator=self)

    def _run_rounds(self, evaluations: Evaluations, context: Any) -> None:
        """Draw and evaluate the candidates of each round, and shrink the spaces after it."""
        given, rng = self.param_distributions, check_random_state(self.random_state)
        spaces = [given] if isinstance(given, dict) else given
        self.rounds_: list[Space | list[Space]] = []
        for number in range(1, self.n_rounds + 1):
            candidates = draw(spaces, self.n_iter, evaluations.candidates, rng)
            if not candidates:
                break
            self.rounds_.append(spaces[0] if isinstance(given, dict) else spaces)
            if self._run_round(number, candidates, evaluations, context):
                break
            if best := self._best(evaluations):
                spaces = shrink_spaces(spaces, best, self.shrink)

    def _run_round(
        self, number: int, candidates: list[Candidate], evaluations: Evaluations, context: Any
    ) -> bool:
        """Evaluate the candidates of a round in groups; return whether a callback asks to stop."""
        context = context.subcontext(
            task_name="round",
            max_subtasks=len(candidates) * self.n_splits_,
            sequential_subtasks=False,
        ).call_on_fit_task_begin(estimator=self)
        n_jobs = effective_n_jobs(self.n_jobs)
        # Workers are idle at the end of a group, so a group has more than one candidate for each.
        size = 2 * n_jobs if n_jobs > 1 else 1
        try:
            for start in range(0, len(candidates), size):
                group = candidates[start : start + size]
                evaluations.evaluate(group, number, Continued(context, start * self.n_splits_))
        finally:
            evaluations.update()
        return context.call_on_fit_task_end(estimator=self)

    def _best(self, evaluations: Evaluations) -> list[Candidate]:
        """Return the best candidates so far, the best of all first; none if all have failed."""
        if not evaluations.table:
            return []
        scores = self._scores(evaluations.table)
        n_best = math.ceil(self.keep * np.count_nonzero(~np.isnan(scores)))
        order = np.argsort(-scores, kind="stable")  # nan comes last
        return [evaluations.candidates[i] for i in order[:n_best]]

    def _scores(self, table: dict[str, Any]) -> Array:
        """Return the mean scores of the metric that ranks the candidates."""
        prefix = "mean_test_"
        metrics = [name.removeprefix(prefix) for name in table if name.startswith(prefix)]
        if metrics == ["score"]:
            return table["mean_test_score"]
        self._check_refit_for_multimetric(metrics)
        return table[prefix + self.refit]

    def _check_refit_for_multimetric(self, scores: list[str]) -> None:
        if not (isinstance(self.refit, str) and self.refit in scores):
            raise ValueError(
                "With several metrics, refit must name the one that ranks the candidates, one of "
                f"{sorted(scores)}. Got {self.refit!r} instead."
            )


def draw(
    spaces: list[Space], n: int, tried: list[Candidate], rng: np.random.RandomState
) -> list[Candidate]:
    """Return n candidates that have not been tried, or fewer if there are no more."""
    n_draws = len(ParameterSampler(spaces, n + len(tried)))  # lists may have fewer candidates
    drawn = ParameterSampler(spaces, n_draws, random_state=rng)
    return list(islice((candidate for candidate in drawn if not is_in(candidate, tried)), n))
