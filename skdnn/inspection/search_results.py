"""Reading hyperparameters and scores from a fitted search."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from skdnn.engine.arrays import Array
from skdnn.engine.registry import choose
from skdnn.inspection.hyperparameters import Hyperparameter, is_logarithmic, is_number


def find_name(choices: Sequence[str], parameter: str, name: str) -> str:
    """Return the choice that is `name`, or the only one that has it after the name of a step."""
    matches = [c for c in choices if c == name] or [c for c in choices if c.endswith(f"__{name}")]
    if len(matches) != 1:
        listed = ", ".join(map(repr, matches or choices))
        raise ValueError(f"{parameter} must be one of {listed}. Got {name!r} instead.")
    return matches[0]


def distributions_of(search: Any, name: str) -> list[Any]:
    """Return the lists and distributions that a search drew a hyperparameter from, if known."""
    space = getattr(search, "param_distributions", getattr(search, "param_grid", {}))
    spaces = [space] if isinstance(space, Mapping) else space
    return [space[name] for space in spaces if name in space]


def read_hyperparameter(search: Any, parameter: str, name: str) -> Hyperparameter:
    """Return the hyperparameter `name` of a fitted search.

    If there is none, the error names `parameter`, the argument that had this value.
    """
    candidates = search.cv_results_["params"]
    choices = list(dict.fromkeys(key for candidate in candidates for key in candidate))
    full_name = find_name(choices, parameter, name)
    values = [candidate.get(full_name, math.nan) for candidate in candidates]
    distributions = distributions_of(search, full_name)
    positive = all(is_number(value) and not value <= 0 for value in values)
    log = positive and any(map(is_logarithmic, distributions or [values]))
    grids = [d for d in distributions if np.iterable(d)]
    return Hyperparameter(name, values, log, [value for grid in grids for value in grid])


def read_scores(search: Any, metric: str | None) -> tuple[str, Array]:
    """Return the name of a metric in `cv_results_`, and the candidates' mean test scores."""
    mean = "mean_test_"
    columns = {k.removeprefix(mean): v for k, v in search.cv_results_.items() if k.startswith(mean)}
    if metric is None:
        metric = next(iter(columns)) if len(columns) == 1 else getattr(search, "refit", None)
        if not isinstance(metric, str):
            listed = ", ".join(map(repr, columns))
            raise ValueError(f"There are several metrics: pass metric=, one of {listed}.")
    return metric, choose("metric", columns, metric)


def metric_name(search: Any, metric: str) -> str:
    """Return the name of a metric for a label.

    A search with a single metric calls it "score" in `cv_results_`, whatever `scoring` is.
    """
    scoring = getattr(search, "scoring", None)
    return scoring if metric == "score" and isinstance(scoring, str) else metric


def best_candidate(search: Any, metric: str, scores: Array) -> int:
    """Return the index of the candidate that the search chose.

    If it did not choose by this metric, the index is that of the best score.
    """
    if hasattr(search, "best_index_") and metric in ("score", getattr(search, "refit", None)):
        return int(search.best_index_)
    scores = comparable(scores, search.cv_results_.get("n_resources"))
    return int(np.argmax(np.where(np.isfinite(scores), scores, -np.inf)))


def comparable(scores: Array, resources: Any) -> Array:
    """Return the scores, with nan for each candidate that did not get the most resources.

    Examples
    --------
    >>> comparable(np.array([0.9, 0.7, 0.8]), [10, 10, 30])
    array([nan, nan, 0.8])
    """
    return scores if resources is None else np.where(resources == np.max(resources), scores, np.nan)
