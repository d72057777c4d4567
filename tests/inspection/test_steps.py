"""The network at the end of pipelines and searches."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, TunedThresholdClassifierCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from skdnn import MLPClassifier, MLPRegressor
from skdnn.inspection.steps import by_name, fitted_network, split_steps

X = np.random.default_rng(0).normal(size=(30, 3))
LABELS = np.arange(30) % 2
NET = MLPClassifier((4,), max_iter=2, learning_rate="cosine", random_state=0)
FITTED = clone(NET).fit(X, LABELS)


@pytest.mark.parametrize("net", [MLPClassifier(), MLPRegressor()])
def test_a_network_has_no_steps_before_it(net):
    assert split_steps(net) == ([], net)
    assert split_steps(Pipeline([("net", net)])) == ([], net)


def test_all_steps_of_nested_pipelines_are_kept_in_their_order():
    inner = make_pipeline(MinMaxScaler(), NET)
    steps, net = split_steps(make_pipeline(StandardScaler(), "passthrough", inner))
    assert net is NET
    assert [type(step[0]) for step in steps] == [StandardScaler, MinMaxScaler]
    assert [len(step) for step in steps] == [2, 1]


def test_a_search_has_its_best_estimator():
    pipeline = make_pipeline(StandardScaler(), NET)
    search = GridSearchCV(pipeline, {"mlpclassifier__alpha": [0.1, 1.0]}, cv=2).fit(X, LABELS)
    steps, net = split_steps(search)
    assert net is search.best_estimator_[-1]
    assert steps[0][0] is search.best_estimator_[0]


@pytest.mark.parametrize("refit", [True, False])
def test_a_search_without_best_estimator(refit):
    search = GridSearchCV(NET, {"alpha": [0.1, 1.0]}, cv=2, refit=refit)
    if not refit:
        search.fit(X, LABELS)
    with pytest.raises(NotFittedError, match=r"GridSearchCV .*best_estimator_.* refit=True"):
        split_steps(search)


@pytest.mark.parametrize(
    "wrong",
    [
        TunedThresholdClassifierCV(FITTED, cv="prefit", refit=False).fit(X, LABELS),
        LogisticRegression(),
        make_pipeline(StandardScaler(), LogisticRegression()),
        make_pipeline(NET, StandardScaler()),
        MLPClassifier,
        None,
    ],
)
def test_anything_else_is_refused(wrong):
    with pytest.raises(TypeError, match="estimator must be an MLPClassifier or MLPRegressor"):
        split_steps(wrong)


def test_only_what_is_fitted():
    pipeline = make_pipeline(StandardScaler(), FITTED)
    assert fitted_network(pipeline)[1] is FITTED
    with pytest.raises(NotFittedError, match="MLPClassifier"):
        fitted_network(clone(pipeline))


@pytest.mark.parametrize("container", [list, tuple, iter])
def test_names(container):
    pipeline = make_pipeline(StandardScaler(), MLPRegressor())
    named = by_name(container([NET, pipeline]))
    assert named == {"MLPClassifier 1": NET, "MLPRegressor 2": pipeline}
    assert by_name({"a": NET}) == {"a": NET}
