import pickle
import threading
from dataclasses import dataclass

import numpy as np
import pytest
from engine_cases import LOSSES, LOSSES_AND_OUTPUTS, ORDERS, build, slope_along
from numpy.testing import assert_allclose
from scipy import sparse

from skdnn.engine import network as network_module
from skdnn.engine.activations import ACTIVATIONS
from skdnn.engine.batches import Batch
from skdnn.engine.initializers import get_initializer
from skdnn.engine.layers import Dense, Dropout, Parametric
from skdnn.engine.losses import SoftmaxCrossEntropy, SquaredError
from skdnn.engine.network import Network
from skdnn.engine.parameters import Slot

every_order = pytest.mark.parametrize("order", ORDERS)


def rows(order, rng, m=7, n_in=5, dtype="float64"):
    X = rng.normal(size=(m, n_in)).astype(dtype)
    return sparse.csr_array(X * (rng.random(X.shape) < 0.6)) if ORDERS[order].sparse else X


def parameter_views(network):
    return [
        value
        for layer in network.layers
        if layer.slots
        for value in vars(getattr(layer, "dense", layer)).values()
        if isinstance(value, np.ndarray) and np.shares_memory(value, network.parameters.values)
    ]


# Backpropagation beside finite differences --------------------------------------------------------

NETS = [
    (order, activation)
    for order in ORDERS
    for activation in ACTIVATIONS
    if activation != "step" and (ORDERS[order].widths or activation == "identity")
]


# What is below a loss sees nothing of it but dS: every network with one, and every loss with one.
GRADIENTS = [
    *[(order, activation, "softmax", 3) for order, activation in NETS],
    *[("batch norm and dropout", "tanh", name, k) for name, k in LOSSES_AND_OUTPUTS],
]


@pytest.mark.parametrize(("order", "activation", "name", "k"), GRADIENTS)
def test_gradient(order, activation, name, k):
    rng, case = np.random.default_rng(11), LOSSES[name]
    network = build(order, activation, n_out=k)
    network.prepare_training(rng)
    X, Y, row_weight = rows(order, rng), case.targets(rng, 7, k), rng.uniform(0.1, 3, 7)
    start, state = network.parameters.theta.copy(), rng.bit_generator.state
    d = np.random.default_rng(12).normal(size=start.size)

    def objective(theta, weight, alpha):
        network.parameters.theta[:] = theta
        rng.bit_generator.state = state  # the same dropout every time
        return network.loss_and_gradient(Batch.of(X, Y, weight), case.loss, alpha)

    for setting in [(None, 0.0), (row_weight, 0.7)]:
        objective(start, *setting)
        g = network.gradient.copy()
        slope = slope_along(lambda theta, s=setting: objective(theta, *s), start, d)
        assert_allclose(g @ d, slope, rtol=1e-6, atol=1e-6 * np.linalg.norm(g))


@pytest.mark.parametrize("order", ["one hidden", "sparse", "one activation layer"])
def test_step_activation_passes_the_gradient_straight_through(order, rng):
    network = build(order, "step", n_out=1)
    network.prepare_training(rng)
    first, last = network.layers[0], network.layers[-1]
    X = rows(order, rng, m=1)
    first.W *= 0.1
    first.b[:] = 0.0, 3.0, 0.5, -3.0  # units 0 and 2 are near their threshold, 1 and 3 far
    network.loss_and_gradient(Batch.of(X, np.full((1, 1), 9.0)), SquaredError())
    dS = network.infer(X) - 9.0
    x = X.toarray() if sparse.issparse(X) else X
    near = np.array([1.0, 0.0, 1.0, 0.0])
    assert_allclose(first.db, dS[0] * last.W[:, 0] * near)
    assert_allclose(first.dW, np.outer(x, dS[0] * last.W[:, 0] * near))


@every_order
def test_gradient_is_the_same_at_every_call(order, rng):
    network = build(order)
    network.prepare_training(rng)
    X, Y, gradients = rows(order, rng), rng.integers(0, 2, 7), []
    state = rng.bit_generator.state
    for m in (7, 7, 3, 7):  # a shorter batch comes between
        rng.bit_generator.state = state
        network.loss_and_gradient(Batch.of(X[:m], Y[:m]), SoftmaxCrossEntropy(), 0.1)
        gradients.append(network.gradient.copy())
    assert np.array_equal(gradients[0], gradients[1])
    assert np.array_equal(gradients[0], gradients[3])
    assert not np.array_equal(gradients[0], gradients[2])


@every_order
def test_single_precision_throughout(order, rng):
    network, double = build(order, dtype="float32"), build(order)
    X, Y = rows(order, rng, dtype="float32"), rng.integers(0, 2, 7)
    for net, batch in [(network, X), (double, X.astype(float))]:
        net.prepare_training(np.random.default_rng(1))
        net.loss_and_gradient(Batch.of(batch, Y), SoftmaxCrossEntropy(), 0.1)
    assert network.infer(X).dtype == network.gradient.dtype == np.float32
    for layer in network.layers:
        parts = vars(getattr(layer, "dense", layer))
        buffers = [value for value in parts.values() if isinstance(value, np.ndarray)]
        assert {b.dtype for b in buffers if b.dtype.kind == "f"} == {np.dtype("float32")}
    assert_allclose(network.gradient, double.gradient, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("weight", [None, np.array([0.5, 2.0, 0.0, 1.0, 1.0, 1.0, 4.5])])
def test_penalty_is_shared_out_over_the_weights(weight, rng):
    network = build("batch norm")
    network.prepare_training(rng)
    X, Y, loss = rng.normal(size=(7, 5)), rng.integers(0, 2, 7), SoftmaxCrossEntropy()
    plain = network.loss_and_gradient(Batch.of(X, Y, weight), loss)
    g = network.gradient.copy()
    value = network.loss_and_gradient(Batch.of(X, Y, weight), loss, alpha=3.0)
    total = 7 if weight is None else 10
    matrices = [layer.W for layer in network.layers if isinstance(layer, Dense)]
    assert_allclose(value - plain, 1.5 * sum((W**2).sum() for W in matrices) / total)
    expected = np.concatenate([3.0 * W.ravel() / total for W in matrices])
    assert_allclose((network.gradient - g)[: expected.size], expected, atol=1e-14)
    assert np.array_equal(network.gradient[expected.size :], g[expected.size :])


@every_order
def test_sparse_rows_equal_dense_rows(order, rng):
    X = sparse.random_array((7, 5), density=0.5, format="csr", random_state=rng)
    Y, results = rng.integers(0, 2, 7), []
    if ORDERS[order].embedding or ORDERS[order].members:
        return  # take no sparse rows
    if ORDERS[order].input_dropout:
        assert_allclose(build(order).infer(X), build(order).infer(X.toarray()), rtol=1e-12)
        return
    for batch in (X, X.toarray()):
        network = build(order)
        network.prepare_training(np.random.default_rng(2))
        value = network.loss_and_gradient(Batch.of(batch, Y), SoftmaxCrossEntropy())
        results.append([value, network.gradient, network.infer(batch)])
    for a, b in zip(*results, strict=True):
        assert_allclose(a, b, rtol=1e-10, atol=1e-14)


# Inference ----------------------------------------------------------------------------------------


@every_order
@pytest.mark.parametrize("activation", ["identity", "relu"])
def test_infer_leaves_a_read_only_input(order, activation, rng):
    network, X = build(order, activation), rows(order, rng)
    kept = X.copy()
    for A in (X.data, X.indices, X.indptr) if sparse.issparse(X) else (X,):
        A.flags.writeable = False
    S = network.infer(X)
    assert np.array_equal(network.infer_in_chunks(X), S)
    network.prepare_training(rng)
    network.forward(X)
    assert abs(X - kept).sum() == 0
    assert not np.shares_memory(S, X.data if sparse.issparse(X) else X)


@every_order
def test_rows_do_not_see_each_other_at_prediction(order, rng):
    network, X = build(order), rows(order, rng)
    one_by_one = np.vstack([network.infer(X[i : i + 1]) for i in range(7)])
    assert_allclose(network.infer(X), one_by_one, rtol=1e-12)


@pytest.mark.slow
@every_order
@pytest.mark.parametrize("m", [1, 5, 6, 7, 11, 12, 13, 25])
def test_chunks_make_no_difference(order, m, rng, monkeypatch):
    network, X = build(order), rows(order, rng, m)
    expected = network.infer(X)
    monkeypatch.setattr(network_module, "CHUNK_NUMBERS", 6 * 5)
    widths = [layer.n_out for layer in network.layers if not layer.masks]
    chunk = 30 // max(widths if sparse.issparse(X) else [5, *widths])
    first = next(layer for layer in network.layers if not isinstance(layer, Dropout))
    calls = []
    infer = first.infer
    monkeypatch.setattr(
        first, "infer", lambda X, out=None: calls.append(X.shape[0]) or infer(X, out), raising=False
    )
    assert_allclose(network.infer_in_chunks(X), expected, rtol=1e-13)
    assert sum(calls) == m
    assert max(calls) == min(m, chunk)


@pytest.mark.parametrize("chunk", [1, 10, 2**20])
def test_chunks_take_any_type(chunk, rng, monkeypatch):
    monkeypatch.setattr(network_module, "CHUNK_NUMBERS", chunk)
    network, X = build(dtype="float32"), rng.integers(-3, 3, (9, 5))
    expected = network.infer(X.astype("float32"))
    for batch in (X, X.astype("float64"), X.astype("int8"), sparse.csr_array(X)):
        S = network.infer_in_chunks(batch)
        assert S.dtype == np.float32
        assert_allclose(S, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "order", ["batch norm", "parametric activations", "pbld", "periodic", "members"]
)
def test_threads_may_share_a_network(order, rng):
    network, X = build(order), [rng.normal(size=(200, 5)) for _ in range(4)]
    expected, results = [network.infer(x) for x in X], [[] for _ in X]

    def work(i):
        for _ in range(50):
            results[i].append(network.infer(X[i]))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for each, S in zip(results, expected, strict=True):
        assert len(each) == 50
        assert all(np.array_equal(result, S) for result in each)


def test_inference_does_not_disturb_a_training_step(rng):
    network, X, Y = build("dropout"), rng.normal(size=(7, 5)), rng.integers(0, 2, 7)
    gradients = []
    for disturb in (False, True):
        network.prepare_training(np.random.default_rng(4))
        S = network.forward(X)
        if disturb:
            network.infer(-X[:3])
        dS = np.empty_like(S)
        SoftmaxCrossEntropy().value_and_gradient(S, Y, None, dS)
        network.backward(dS)
        gradients.append(network.gradient.copy())
    assert np.array_equal(*gradients)


# Columns are what the layers say, not what their parameters look like -----------------------------


@dataclass
class Waves(Parametric):
    """Y = [sin(c x), …] with four frequencies a column: its arrays are narrower than Y."""

    n_in: int

    @property
    def n_out(self):
        return 4 * self.n_in

    @property
    def slots(self):
        return (Slot((4,), "others"),)

    def bind(self, values):
        (self.c,) = values

    def initialize(self, rng):
        self.c[:] = [1, 2, 3, 4]

    def bind_gradient(self, gradients, propagate):
        (self.dc,) = gradients

    def allocate(self, m, dtype, rng):
        self.Y = np.empty((m, self.n_out), dtype)

    def infer(self, X, out=None):
        Y = np.empty((len(X), self.n_out), X.dtype) if out is None else out
        np.sin(X[:, :, None] * self.c, out=Y.reshape(len(X), self.n_in, 4))
        return Y

    def forward(self, X):
        self.X = X
        return self.infer(X, self.Y)

    def backward(self, dY):
        D = np.cos(self.X[:, :, None] * self.c) * dY.reshape(*self.X.shape, 4)
        np.einsum("mij,mi->j", D, self.X, out=self.dc)
        return D @ self.c


@pytest.mark.parametrize("last", [False, True], ids=["first layer", "last layer"])
def test_a_layer_may_be_wider_than_its_parameters(last, rng, monkeypatch):
    init = get_initializer("glorot_uniform")
    layers = [Dense(3, 3, init), Waves(3)] if last else [Waves(3), Dense(12, 2, init)]
    network = Network(layers, "float64")
    network.initialize(rng)
    X = rng.normal(size=(50, 3))
    monkeypatch.setattr(network_module, "CHUNK_NUMBERS", 12 * 7)
    assert network.n_scores == (12 if last else 2)
    assert_allclose(network.infer_in_chunks(X), network.infer(X), rtol=1e-13, atol=1e-15)
    T, start = rng.normal(size=(50, network.n_scores)), network.parameters.theta.copy()
    network.prepare_training(rng)

    def objective(theta):
        network.parameters.theta[:] = theta
        return network.loss_and_gradient(Batch.of(X, T), SquaredError())

    d = rng.normal(size=start.size)
    objective(start)
    assert_allclose(network.gradient @ d, slope_along(objective, start, d), rtol=1e-6)


# One vector, many views ---------------------------------------------------------------------------


@every_order
def test_views_are_views_also_after_pickle_and_copy(order, rng):
    network, X = build(order), rows(order, rng)
    n_views = len(parameter_views(network))
    for other in (pickle.loads(pickle.dumps(network)), network.copy()):
        assert len(parameter_views(other)) == n_views
        assert sum(view.size for view in parameter_views(other)) == other.parameters.values.size
        assert np.array_equal(other.parameters.values, network.parameters.values)
        assert np.array_equal(other.infer(X), network.infer(X))
        assert other.layers == network.layers
        assert other.dtype == network.dtype
        other.parameters.theta[:] = 0.0
        assert not other.infer(X).any()
        assert network.infer(X).any()


@every_order
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_pickle_is_little_more_than_the_vector(order, dtype, rng):
    network = build(order, n_in=500, dtype=dtype)
    network.prepare_training(rng)
    X = rows(order, rng, 100, 500, dtype)
    network.loss_and_gradient(Batch.of(X, rng.integers(0, 2, 100)), SoftmaxCrossEntropy())
    assert len(pickle.dumps(network)) < network.parameters.values.nbytes + 2500


def test_an_unpickled_network_trains_on(rng):
    network, X, Y = build("batch norm"), rng.normal(size=(7, 5)), rng.integers(0, 2, 7)
    again, values = pickle.loads(pickle.dumps(network)), []
    for net in (network, again):
        net.prepare_training(np.random.default_rng(0))
        values.append(net.loss_and_gradient(Batch.of(X, Y), SoftmaxCrossEntropy()))
    assert values[0] == values[1]
    assert np.array_equal(network.gradient, again.gradient)
    assert np.array_equal(network.parameters.values, again.parameters.values)


def test_initialize_is_repeatable_and_forgets():
    network = build("batch norm and dropout")
    network.initialize(np.random.default_rng(3))
    values = network.parameters.values.copy()
    network.parameters.values[:] = np.nan
    network.initialize(np.random.default_rng(3))
    assert np.array_equal(network.parameters.values, values)
    network.initialize(np.random.default_rng(4))
    assert not np.array_equal(network.parameters.values, values)


def test_dropout_does_not_change_the_initial_weights():
    one, other = build("two hidden"), build("dropout")
    assert np.array_equal(one.parameters.values, other.parameters.values)


def test_a_linear_network_is_its_formula(rng):
    network, X = build("linear", n_out=3), rng.normal(size=(4, 5))
    (dense,) = network.layers
    assert_allclose(network.infer(X), np.einsum("mi,ij->mj", X, dense.W) + dense.b)
    W = get_initializer("glorot_uniform")(np.random.default_rng(0), 5, 3)
    assert dense.W.shape == W.shape


# Starting from data -------------------------------------------------------------------------------


def sums(network, X):
    """Return the weighted sums of every layer that has weights, each on what is below it."""
    found = []
    for layer in network.layers:
        if layer.masks:
            continue
        if isinstance(layer, Dense):
            found.append(np.asarray(X @ layer.W + layer.b))
        X = layer.infer(X)
    return found


@pytest.mark.parametrize("order", [order for order in ORDERS if order != "linear"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_data_make_the_sums_of_every_unit_vary_by_one_about_a_zero_among_them(order, dtype, rng):
    network, X = build(order, "selu", dtype=dtype), 20 * rows(order, rng, 40, dtype=dtype)
    if not ORDERS[order].sparse:
        X += 50
    network.initialize(rng)
    network.initialize_from_data(X, rng)
    for S in sums(network, X):
        assert_allclose(S.std(axis=0), 1, rtol=1e-3 if dtype == "float32" else 1e-9)
        assert (S.min(axis=0) < 0).all()
        assert (S.max(axis=0) > 0).all()


def test_starting_from_data_does_not_depend_on_units(rng):
    """Weights and offsets follow X: the same network of X in other units."""
    X, results = rng.normal(size=(40, 5)), []
    for scale in (1.0, 1e3):
        network = build("two hidden", "relu")
        network.initialize_from_data(scale * X, np.random.default_rng(4))
        results.append(network.infer(scale * X))
    assert_allclose(*results, rtol=1e-9)


def test_units_get_zeros_of_their_own_from_data(rng):
    X = rng.normal(size=(40, 5))
    network = build("two hidden")
    layer = network.layers[0]
    zeros = []
    for seed in range(200):
        network.initialize(np.random.default_rng(0))
        network.initialize_from_data(X, np.random.default_rng(seed))
        zeros.append(-layer.b)
    zeros, S = np.array(zeros), X @ layer.W
    # five equal shares would make it a fifth of the variance of S, these make it a third
    assert_allclose(zeros.mean(axis=0), S.mean(axis=0), atol=0.2)
    assert_allclose(zeros.var(axis=0), S.var(axis=0) / 3, rtol=0.35)
    between_units = ~np.eye(4, dtype=bool)
    assert abs(np.corrcoef(zeros.T))[between_units].max() < 0.3


def test_constant_columns_and_single_rows_keep_their_weights(rng):
    network = build("one hidden")
    before = network.layers[0].W.copy()
    network.initialize_from_data(np.full((1, 5), 3.0), rng)
    assert np.array_equal(network.layers[0].W, before)
    assert np.isfinite(network.parameters.values).all()


def test_weights_of_zero_stay_zero_from_data(rng):
    network = Network([Dense(5, 2, get_initializer("zeros"))], "float64")
    network.initialize_from_data(rng.normal(size=(9, 5)), rng)
    assert not network.parameters.values.any()
