"""Search spaces: complete, made for the estimator at hand, and free of contradictions."""

import pickle
import re
import warnings

import numpy as np
import pytest
from estimator_cases import BOTH
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import kstest
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import BaggingClassifier, VotingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import HalvingRandomSearchCV, ParameterSampler
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skdnn import MLPClassifier, MLPRegressor
from skdnn.estimators.checks import check_combination, idle
from skdnn.model_selection import layers, search_space
from skdnn.model_selection.spaces import SPACE

SIZES = ["small", "medium", "large"]


def candidates(estimator, size, n=200):
    return list(ParameterSampler(search_space(estimator, size=size), n, random_state=0))


# Layers -----------------------------------------------------------------------------------------


@st.composite
def ranges(draw):
    depth = sorted(draw(st.tuples(st.integers(1, 9), st.integers(1, 9))))
    width = sorted(draw(st.tuples(st.integers(1, 2000), st.integers(1, 2000))))
    return layers(tuple(depth), tuple(width))


@given(ranges(), st.integers(0, 2**32 - 1))
def test_layers_are_of_one_width_and_within_the_ranges(distribution, seed):
    for sizes in distribution.rvs(size=20, random_state=seed):
        assert distribution.depth[0] <= len(sizes) <= distribution.depth[1]
        assert len(set(sizes)) == 1
        assert type(sizes[0]) is int
        assert distribution.width[0] <= sizes[0] <= distribution.width[1]


def test_depth_is_uniform_and_width_uniform_in_the_logarithm():
    drawn = layers((2, 5), (100, 10_000)).rvs(size=4000, random_state=0)
    depths, widths = np.transpose([(len(sizes), sizes[0]) for sizes in drawn])
    assert_allclose(np.bincount(depths)[2:], 1000, atol=100)
    assert kstest(np.log(widths / 100) / np.log(100), "uniform").pvalue > 0.01
    assert abs(np.corrcoef(depths, np.log(widths))[0, 1]) < 0.05


@given(ranges(), st.floats(0.001, 0.999), st.floats(0, 1))
def test_quantiles_of_layers_are_where_they_were_drawn(distribution, depth, width):
    u = distribution.cdf(distribution.ppf((depth, width)))
    n_depths = distribution.depth[1] - distribution.depth[0] + 1
    assert abs(u[0] - depth) <= 0.5 / n_depths + 1e-9
    narrow, wide = distribution.width
    if wide > narrow:  # the width was rounded
        assert abs(u[1] - width) * np.log(wide / narrow) <= 0.51 / narrow


def test_layers_as_values():
    a = layers(depth=(1, 3), width=(8, 64))
    assert repr(a) == "layers(depth=(1, 3), width=(8, 64))"
    assert eval(repr(a)) == a == pickle.loads(pickle.dumps(a)) == clone(a, safe=False)
    assert a != layers(depth=(1, 3), width=(8, 65))
    assert len({a, layers((1, 3), (8, 64))}) == 1


def test_draws_of_layers_depend_on_the_random_state_alone():
    rng = np.random.RandomState(1)
    assert layers().rvs(random_state=rng) != layers().rvs(random_state=rng)
    for make in (int, np.random.RandomState, np.random.default_rng):
        assert layers().rvs(3, make(5)) == layers().rvs(size=3, random_state=make(5))
    assert layers().rvs(random_state=3) == layers().rvs(size=1, random_state=3)[0]


@pytest.mark.parametrize("limits", [(0, 3), (3, 2), (1.0, 2.0), (1,), 3, "12", None, (1, (2, 3))])
@pytest.mark.parametrize("name", ["depth", "width"])
def test_bad_ranges(name, limits):
    with pytest.raises(
        ValueError, match=rf"^{name} must be two integers.*{re.escape(repr(limits))}"
    ):
        layers(**{name: limits})


# Spaces -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", BOTH)
def test_sizes_are_nested(cls):
    small, medium, large = (search_space(cls(), size=size) for size in SIZES)
    assert small.items() < medium.items() < large.items()
    assert [len(small), len(medium), len(large)] == [4, 8, 11]
    assert search_space(cls()).keys() == small.keys()
    assert set(large) == set(SPACE)


def test_the_table_of_the_docstring_is_the_space():
    rows = re.findall(r"^    (\w+) +(small|medium|large) ", search_space.__doc__, re.M)
    assert rows == [(name, size) for name, (size, _) in SPACE.items()]


CONSTRUCTED = {
    "defaults": {},
    "lbfgs": {"solver": "lbfgs"},
    "lbfgs with batch norm": {"solver": "lbfgs", "batch_norm": True, "max_fun": 100},
    "sgd with another momentum": {"solver": "sgd", "momentum": 0.5},
    "adadelta": {"solver": "adadelta", "rho": 0.95},
    "nadam with another beta": {"solver": "nadam", "beta_1": 0.8},
    "warm-up": {"warmup": 0.1},
    "invscaling": {"learning_rate": "invscaling", "power_t": 0.3},
    "linear": {"hidden_layer_sizes": (), "activation": []},
    "one dropout a layer": {"hidden_layer_sizes": (10, 10), "dropout": [0.1, 0.2]},
    "one activation a layer": {"hidden_layer_sizes": (10, 10), "activation": ["relu", "tanh"]},
    "momentum of batch norm": {"batch_norm": True, "batch_norm_momentum": 0.2},
    "a row a batch": {"batch_size": 1},
    "early stopping": {"early_stopping": True, "scoring": "loss"},
}


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("cls", BOTH)
@pytest.mark.parametrize("parameters", CONSTRUCTED.values(), ids=CONSTRUCTED)
def test_no_candidate_contradicts_itself_or_has_parameters_without_effect(cls, parameters, size):
    network = cls(**parameters)
    for candidate in candidates(network, size):
        changed = clone(network).set_params(**candidate)
        check_combination(changed)
        assert not list(idle(changed, has_validation_data=False))


@pytest.mark.parametrize(
    "parameters, missing",
    [
        ({"warmup": 0.1}, set()),
        ({"dropout": [0.1, 0.2], "hidden_layer_sizes": (9, 9)}, {"hidden_layer_sizes"}),
        ({"solver": "sgd"}, {"solver"}),
        ({"batch_norm": True, "batch_norm_momentum": 0.2}, {"batch_norm"}),
        ({"hidden_layer_sizes": ()}, {"dropout", "batch_norm", "activation"}),
        (
            {"solver": "lbfgs"},
            set(SPACE) - {"hidden_layer_sizes", "alpha", "batch_norm", "activation", "init"},
        ),
    ],
)
def test_what_would_clash_with_the_estimator_is_left_out(parameters, missing):
    size = "small" if "dropout" in parameters else "large"  # which has dropout itself
    given = search_space(MLPClassifier(), size=size).keys()
    assert given - search_space(MLPClassifier(**parameters), size=size).keys() == missing


def test_one_cycle_has_a_rise_of_its_own():
    space = search_space(MLPClassifier(warmup=0.1), size="medium")
    assert space["learning_rate"] == ["constant", "cosine"]


@pytest.mark.slow
@pytest.mark.parametrize("cls, load", [(MLPClassifier, load_iris), (MLPRegressor, load_diabetes)])
def test_candidates_are_fitted_in_peace(cls, load):
    X, y = load(return_X_y=True)
    network = cls(max_iter=1, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=ConvergenceWarning)
        for candidate in candidates(network, "large", n=30):
            network.set_params(**candidate).fit(StandardScaler().fit_transform(X), y)


# Finding the network ----------------------------------------------------------------------------


def nested():
    pipe = Pipeline([("scale", StandardScaler()), ("net", MLPRegressor())])
    return TransformedTargetRegressor(pipe, transformer=StandardScaler())


@pytest.mark.parametrize(
    "estimator, prefix",
    [
        (MLPClassifier(), ""),
        (make_pipeline(StandardScaler(), MLPClassifier()), "mlpclassifier__"),
        (nested(), "regressor__net__"),
        (BaggingClassifier(make_pipeline(MLPClassifier())), "estimator__mlpclassifier__"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_prefixes(estimator, prefix):
    space = search_space(estimator, size="large")
    assert set(space) == {prefix + name for name in SPACE}
    for candidate in candidates(estimator, "large", n=3):
        estimator.set_params(**candidate)  # knows them all


def test_without_a_network():
    pipe = make_pipeline(StandardScaler(), LogisticRegression())
    message = r"Pipeline has 0; its parts are .*standardscaler \(StandardScaler\).*Logistic"
    with pytest.raises(ValueError, match=message):
        search_space(pipe)


def test_with_several_networks():
    voting = VotingClassifier([("a", MLPClassifier()), ("b", make_pipeline(MLPClassifier()))])
    message = r"VotingClassifier has 2.*a \(MLPClassifier\).*b__mlpclassifier \(MLPClassifier\)"
    with pytest.raises(ValueError, match=message):
        search_space(voting)


@pytest.mark.parametrize("size", ["tiny", 3, None])
def test_bad_sizes(size):
    with pytest.raises(ValueError, match=r"size must be one of .*small.*medium.*large"):
        search_space(MLPClassifier(), size=size)


@pytest.mark.parametrize("estimator", [MLPClassifier, None, {"alpha": 1}])
def test_no_estimator(estimator):
    with pytest.raises(TypeError, match="estimator must be an instance of an estimator"):
        search_space(estimator)


# Successive halving -----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("size", SIZES)
def test_halving_over_the_epochs(size):
    X, y = load_iris(return_X_y=True)
    net = MLPClassifier(random_state=0)
    search = HalvingRandomSearchCV(
        net, search_space(net, size=size), resource="max_iter", min_resources=2, max_resources=18,
        n_candidates=9, cv=3, random_state=0, error_score="raise",
    ).fit(StandardScaler().fit_transform(X), y)  # fmt: skip
    assert search.n_resources_ == [2, 6, 18]
    assert search.n_candidates_ == [9, 3, 1]
    assert search.best_estimator_.n_iter_ <= 18
    assert search.best_score_ > 0.6
    survivor = search.cv_results_["params"][-1]
    assert survivor == search.best_params_
    assert survivor | {"max_iter": 2} in search.cv_results_["params"]  # it started again
