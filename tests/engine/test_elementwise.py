import numpy as np
import pytest
from engine_cases import build
from numpy.testing import assert_allclose
from scipy import sparse

from skdnn.engine.activations import ACTIVATIONS, LeakyReLU, ReLU
from skdnn.engine.batches import Batch
from skdnn.engine.initializers import get_initializer
from skdnn.engine.layers import Activate, Dense, ParametricActivate, Scale
from skdnn.engine.losses import SquaredError
from skdnn.engine.network import Network
from skdnn.engine.optimizers import SGD
from skdnn.engine.schedules import Constant
from skdnn.engine.training import Descent, Trainer


def started(*layers, dtype="float64"):
    network = Network(layers, dtype)
    network.initialize(np.random.default_rng(0))
    return network


def test_a_scale_starts_as_the_identity(rng):
    X = rng.normal(size=(7, 4))
    assert np.array_equal(started(Scale(4)).infer(X), X)


def test_a_parametric_activation_starts_as_the_activation(rng):
    S = rng.normal(size=(7, 4))
    for sigma in ACTIVATIONS.values():
        plain, parametric = started(Activate(4, sigma)), started(ParametricActivate(4, sigma))
        assert_allclose(parametric.infer(S), plain.infer(S), atol=1e-15)


def test_a_parametric_relu_has_a_slope_of_its_own_in_every_unit(rng):
    network, S = started(ParametricActivate(3, ReLU())), rng.normal(size=(7, 3))
    slopes = np.array([0.0, 0.25, 0.9])
    network.layers[0].a[:] = 1.0 - slopes
    expected = [
        started(Activate(1, LeakyReLU(slope))).infer(S[:, [i]])[:, 0]
        for i, slope in enumerate(slopes)
    ]
    assert_allclose(network.infer(S), np.column_stack(expected), rtol=1e-14)


def test_a_scaled_network_is_one_with_other_weights(rng):
    scaled, plain = build("scale"), build("one hidden")
    scale, *others = scaled.layers
    for layer, other in zip(plain.layers, others, strict=True):
        layer.W[:], layer.b[:] = other.W, other.b
    plain.layers[0].W *= scale.s[:, None]
    X = rng.normal(size=(7, 5))
    assert_allclose(scaled.infer(X), plain.infer(X), rtol=1e-12)


@pytest.mark.parametrize(
    ("layer", "rate"), [(Scale(4, 6.0), 6.0), (ParametricActivate(4, ReLU()), 0.1)]
)
def test_the_rate_of_its_numbers_is_a_multiple(layer, rate, rng):
    """A step of gradient descent is so many times the gradient, and no penalty reaches it."""
    network = started(layer, Dense(4, 1, get_initializer("he_normal")))
    descent = Descent(SGD(), 0.1, Constant(), n_epochs=1, weight_decay=0.5)
    trainer = Trainer(network, SquaredError(), descent, rng, rng)
    (slot,) = layer.slots
    values = network.parameters.cut(network.parameters.values)[0]
    before = values.copy()
    trainer.step(Batch.of(rng.normal(size=(9, 4)), rng.normal(size=(9, 1))), 0.1)
    g = network.parameters.cut(network.gradient)[0]
    assert np.abs(g).min() > 0
    assert_allclose(values - before, -0.1 * rate * g, rtol=1e-12, atol=1e-15)
    assert slot.zone == "others"


def test_a_sparse_scale_stays_sparse(rng):
    X = sparse.random_array((7, 5), density=0.4, format="csr", random_state=rng)
    network = build("sparse scale")
    scale = network.layers[0]
    kept = X.copy()
    assert sparse.issparse(scale.infer(X))
    assert_allclose(scale.infer(X).toarray(), X.toarray() * scale.s)
    assert abs(X - kept).sum() == 0
