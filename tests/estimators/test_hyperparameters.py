"""The generated ``__init__`` keeps scikit-learn's conventions."""

import inspect

import pytest
import sklearn.neural_network as peer
from sklearn.base import clone

from skdnn import MLPClassifier, MLPRegressor

PEERS = [(MLPClassifier, peer.MLPClassifier), (MLPRegressor, peer.MLPRegressor)]


def positional(cls):
    parameters = inspect.signature(cls).parameters.values()
    return [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]


@pytest.mark.parametrize(("cls", "other"), PEERS)
def test_positional_hyperparameters_are_those_of_scikit_learn(cls, other):
    assert positional(cls) == positional(other) != []


@pytest.mark.parametrize(("cls", "other"), PEERS)
def test_an_estimator_is_printed_as_in_scikit_learn(cls, other):
    for parameters in ({}, {"alpha": 0.1, "hidden_layer_sizes": (3, 2)}):
        assert repr(cls(**parameters)) == repr(other(**parameters))


@pytest.mark.parametrize("cls", [MLPClassifier, MLPRegressor])
def test_estimators_are_equal_only_to_themselves(cls):
    net = cls()
    assert net == net
    assert net != clone(net)
    assert len({net, clone(net)}) == 2
