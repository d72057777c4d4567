import pickle

import numpy as np
import pytest
from engine_cases import TRACES, settings_of
from numpy.testing import assert_allclose

from skdnn.engine.activations import Tanh
from skdnn.engine.batches import Batch
from skdnn.engine.initializers import get_initializer
from skdnn.engine.layers import Dense
from skdnn.engine.losses import SoftmaxCrossEntropy
from skdnn.engine.network import Network
from skdnn.engine.optimizers import OPTIMIZERS, SGD, AdaGrad, Adam, AMSGrad, RMSprop, get_optimizer
from skdnn.engine.schedules import Constant
from skdnn.engine.training import Descent, Trainer

VARIANTS = {
    **{name: kind() for name, kind in OPTIMIZERS.items()},
    "momentum": SGD(momentum=0.9),
    "nesterov": SGD(momentum=0.9, nesterov=True),
}
every_variant = pytest.mark.parametrize("name", VARIANTS)


def valley(theta):
    """The lecture's f(x, y) = x² / 20 + y², and its gradient."""
    x, y = theta
    return x**2 / 20 + y**2, np.array([x / 10, 2 * y], theta.dtype)


def walk(optimizer, n_steps, lr=0.01, dtype="float64", theta=None, state=None):
    theta = np.array([-7.0, 2.0], dtype) if theta is None else theta
    state = optimizer.init(theta) if state is None else state
    for _ in range(n_steps):
        optimizer.step(theta, valley(theta)[1], state, lr)
    return theta, state


@pytest.mark.parametrize("i", range(len(settings_of("net"))))
def test_like_torch(i):
    name, lr, parameters, decay = settings_of("net")[i]
    init = get_initializer("zeros")
    network = Network([Dense(4, 5, init, Tanh()), Dense(5, 3, init)], "float64")
    theta, X, y = network.parameters.theta, TRACES["net_X"], TRACES["net_y"]
    theta[:] = TRACES["net_start"]
    optimizer = OPTIMIZERS[name](**parameters)
    descent = Descent(optimizer, lr, Constant(), n_epochs=4, weight_decay=decay)
    trainer = Trainer(network, SoftmaxCrossEntropy(), descent, None, np.random.default_rng())
    recorded = []
    for step in range(20):
        rows = slice(step * 8 % 40, step * 8 % 40 + 8)
        trainer.step(Batch.of(X[rows], y[rows]), lr)
        recorded.append(theta.copy())
    for ours, torchs in zip((recorded[0], recorded[-1]), TRACES["net_thetas"][i], strict=True):
        assert_allclose(ours, torchs, rtol=1e-6, atol=1e-7)


def test_torch_traces_hold_every_optimizer():
    assert {setting[0] for setting in settings_of("net")} == set(OPTIMIZERS)


@every_variant
def test_descends_into_the_valley(name):
    theta, _ = walk(VARIANTS[name], 300)
    assert valley(theta)[0] < valley(np.array([-7.0, 2.0]))[0]
    theta, _ = walk(VARIANTS[name], 3000, 0.1)
    slow = name in ("adadelta", "adagrad")  # their rates start tiny, or shrink
    assert valley(theta)[0] < (6.0 if slow else 0.01)


@every_variant
def test_moves_theta_where_it_lies(name):
    storage = np.full(6, 9.0)
    theta = storage[2:4]
    theta[:] = -7.0, 2.0
    g = np.array([-0.7, 4.0])
    g.flags.writeable = False
    optimizer = VARIANTS[name]
    assert optimizer.step(theta, g, optimizer.init(theta), 0.1) is None
    assert (storage[2:4] != [-7.0, 2.0]).all()
    assert storage[[0, 1, 4, 5]].tolist() == [9.0] * 4


@every_variant
def test_vector_of_learning_rates(name):
    expected, _ = walk(VARIANTS[name], 10, 0.03)
    theta, _ = walk(VARIANTS[name], 10, np.array([0.03, 0.03]))
    assert_allclose(theta, expected, rtol=1e-14)
    mixed, _ = walk(VARIANTS[name], 1, np.array([0.0, 0.03]))
    assert mixed[0] == -7.0
    assert_allclose(mixed[1], walk(VARIANTS[name], 1, 0.03)[0][1], rtol=1e-14)


@every_variant
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_goes_on_after_pickle_bit_for_bit(name, dtype):
    theta, state = walk(VARIANTS[name], 7, dtype=dtype)
    resumed = theta.copy()
    optimizer, unpickled = pickle.loads(pickle.dumps((VARIANTS[name], state)))
    assert optimizer == VARIANTS[name]
    walk(VARIANTS[name], 7, theta=theta, state=state)
    walk(optimizer, 7, theta=resumed, state=unpickled)
    assert np.array_equal(theta, resumed)
    forgetful, _ = walk(VARIANTS[name], 7, theta=walk(VARIANTS[name], 7, dtype=dtype)[0])
    assert name == "sgd" or not np.array_equal(theta, forgetful)


@every_variant
def test_single_precision_stays(name):
    theta, state = walk(VARIANTS[name], 20, dtype="float32")
    assert theta.dtype == np.float32
    assert [moment.dtype for moment in state.moments] == [np.float32] * len(state.moments)
    rates = np.full(2, 0.01, "float32")
    assert_allclose(theta, walk(VARIANTS[name], 20)[0], rtol=1e-4)
    assert_allclose(theta, walk(VARIANTS[name], 20, rates, "float32")[0], rtol=1e-5)


@every_variant
def test_hyperparameters_are_values(name):
    optimizer = VARIANTS[name]
    assert eval(repr(optimizer), {kind.__name__: kind for kind in OPTIMIZERS.values()}) == optimizer
    with pytest.raises(AttributeError):
        optimizer.epsilon = 1.0


@every_variant
def test_a_zero_gradient_moves_nothing(name):
    theta = np.array([1.0, 2.0])
    VARIANTS[name].step(theta, np.zeros(2), VARIANTS[name].init(theta), 0.1)
    assert theta.tolist() == [1, 2]


@pytest.mark.parametrize("optimizer", [Adam(), AMSGrad(), AdaGrad(), RMSprop()])
def test_does_not_see_the_scale_of_the_gradient(optimizer):
    moved = []
    for scale in (1.0, 1e4):
        theta = np.zeros(2)
        state = optimizer.init(theta)
        for g in ([1.0, -2.0], [0.5, 3.0], [-1.0, 1.0]):
            optimizer.step(theta, scale * np.array(g), state, 0.1)
        moved.append(theta)
    assert_allclose(*moved, rtol=1e-6)


def test_gradient_descent_in_closed_form():
    theta, _ = walk(SGD(), 10, 0.1)
    assert_allclose(theta, [-7 * 0.99**10, 2 * 0.8**10], rtol=1e-13)


def test_amsgrad_never_shortens_its_memory():
    # After one huge gradient, Adam's steps recover and AMSGrad's do not.
    lengths = {}
    for name in ("adam", "amsgrad"):
        optimizer = OPTIMIZERS[name](beta_2=0.5)
        theta = np.zeros(1)
        state = optimizer.init(theta)
        for g in [1e3] + [1.0] * 200:
            before = theta.copy()
            optimizer.step(theta, np.array([g]), state, 0.1)
        lengths[name] = abs(theta - before).item()
    assert_allclose(lengths["adam"], 0.1, rtol=1e-3)
    assert lengths["amsgrad"] < 1e-3


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_lookup(name):
    assert get_optimizer(name) is OPTIMIZERS[name]
