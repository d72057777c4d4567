"""The network at the end of a pipeline or search, and the steps before it."""

from collections.abc import Iterable, Mapping
from typing import Any

from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skdnn.estimators._sklearn import BaseSearchCV
from skdnn.estimators.base import BaseMLP


def split_steps(estimator: Any) -> tuple[list[Pipeline], BaseMLP]:
    """Return the steps of pipelines before the network, and the network's estimator.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor, Pipeline or search
        A network, or a pipeline that ends in one, or a fitted search over either.

    Returns
    -------
    steps : list of Pipeline
        The steps before the network, from outer to inner pipelines; empty if there are none.
    net : MLPClassifier or MLPRegressor
        The network, fitted or not.

    Raises
    ------
    NotFittedError
        If a search has no `best_estimator_`.
    TypeError
        If the estimator neither is nor ends in a network of skdnn.
    """
    if isinstance(estimator, BaseSearchCV):
        missing = "%(name)s has no best_estimator_: call fit with refit=True."
        check_is_fitted(estimator, "best_estimator_", msg=missing)
        return split_steps(estimator.best_estimator_)
    if isinstance(estimator, Pipeline):
        steps, net = split_steps(estimator[-1])
        return ([estimator[:-1], *steps] if len(estimator) > 1 else steps), net
    if not isinstance(estimator, BaseMLP):
        raise TypeError(
            "estimator must be an MLPClassifier or MLPRegressor of skdnn, or a pipeline or search "
            f"that ends in one. Got {estimator!r} instead."
        )
    return [], estimator


def fitted_network(estimator: Any) -> tuple[list[Pipeline], BaseMLP]:
    """Return what `split_steps` returns, or raise NotFittedError if the network is not fitted."""
    steps, net = split_steps(estimator)
    check_is_fitted(net)
    return steps, net


def by_name(estimators: Mapping[str, Any] | Iterable[Any]) -> dict[str, Any]:
    """Return estimators by name; without given names, the network's class and a number."""
    if isinstance(estimators, Mapping):
        return dict(estimators)
    return {f"{type(split_steps(e)[1]).__name__} {i}": e for i, e in enumerate(estimators, 1)}
