import inspect
import pickle

import numpy as np
import pytest
from engine_cases import TRACES, slope_along
from numpy.testing import assert_allclose
from scipy import sparse, stats

from skdnn.engine import layers
from skdnn.engine.activations import ACTIVATIONS, Tanh
from skdnn.engine.initializers import get_initializer
from skdnn.engine.layers import (
    PBLD,
    Activate,
    BatchNorm,
    CategoryEmbedding,
    Dense,
    Dropout,
    MemberDense,
    MemberScale,
    ParametricActivate,
    PeriodicEmbedding,
    Scale,
    SharedDense,
)
from skdnn.engine.network import Network

N = 4
LAYERS = {
    "dense": lambda: Dense(N, 3, get_initializer("he_normal")),
    **{
        f"dense {name}": lambda sigma=sigma: Dense(N, 3, get_initializer("he_normal"), sigma)
        for name, sigma in ACTIVATIONS.items()
    },
    "batch norm": lambda: BatchNorm(N, momentum=0.1),
    "dropout": lambda: Dropout(N, 0.4),
    **{name: lambda sigma=sigma: Activate(N, sigma) for name, sigma in ACTIVATIONS.items()},
    "scale": lambda: Scale(N, rate=6.0),
    **{
        f"parametric {name}": lambda sigma=sigma: ParametricActivate(N, sigma)
        for name, sigma in ACTIVATIONS.items()
    },
    "pbld": lambda: PBLD(N, columns=(2, 0), n_frequencies=5, width=3, std=1.0),
    "pbld of all": lambda: PBLD(N, columns=tuple(range(N)), n_frequencies=3, width=2),
    "periodic": lambda: PeriodicEmbedding(N, (0, 1, 3), n_frequencies=2, width=3, rectify=False),
    "rectified periodic": lambda: PeriodicEmbedding(N, (1, 2), n_frequencies=4, width=5, std=1.0),
    "categories": lambda: CategoryEmbedding(N, (3, 1), n_codes=(3, 2), width=2),
    "member scale": lambda: MemberScale(N, k=3, groups=(1, 0, 1, 2)),
    "shared": lambda: SharedDense(2, N // 2, 3, get_initializer("he_normal"), Tanh()),
    "heads": lambda: MemberDense(2, N // 2, 3, get_initializer("he_normal")),
    "heads of one unit": lambda: MemberDense(2, N // 2, 1, get_initializer("he_normal")),
    "heads gelu": lambda: MemberDense(4, 1, 2, get_initializer("he_normal"), ACTIVATIONS["gelu"]),
    "categories, learned zero": lambda: CategoryEmbedding(N, (2,), (4,), 3, zero=False),
}
every_layer = pytest.mark.parametrize("name", LAYERS)


def prepare(layer, dtype="float64", below=True):
    """Put the layer, with random parameters, into a network and return both."""
    rng = np.random.default_rng(1)
    first = [Dense(N, N, get_initializer("orthogonal"))] if below else []
    network = Network([*first, layer], dtype)
    network.initialize(rng)
    network.parameters.theta += 0.3 * rng.normal(size=network.parameters.theta.size)
    network.prepare_training(np.random.default_rng(5))
    layer.allocate(7, dtype, network.rng)
    return network, layer


def batch(layer, rng):
    """Return rows that the layer may be given: codes where it wants codes."""
    X = rng.normal(size=(7, N))
    if isinstance(layer, CategoryEmbedding):
        X[:, layer.columns] = rng.integers(0, layer.n_codes, (7, len(layer.columns)))
    return X


def direction(layer, rng):
    """Return where the input may be moved to."""
    d = rng.normal(size=(7, N))
    if isinstance(layer, CategoryEmbedding):
        d[:, layer.columns] = 0.0
    return d


def read_only(A):
    A = A.copy()
    A.flags.writeable = False
    return A


def test_the_table_of_the_tests_holds_every_layer():
    defined = {
        kind
        for _, kind in inspect.getmembers(layers, inspect.isclass)
        if not getattr(kind, "_is_protocol", False)
    }
    assert {type(make()) for make in LAYERS.values()} == defined


@pytest.mark.parametrize("name", [name for name in LAYERS if "step" not in name])
def test_gradients_of_input_and_parameters(name, rng):
    network, layer = prepare(LAYERS[name]())
    theta, X, d = network.parameters.theta, batch(layer, rng), direction(layer, rng)
    weights = rng.normal(size=layer.forward(X).shape)

    def value(X):
        network.rng.bit_generator.state = state
        return np.vdot(weights, layer.forward(X))

    def value_at(numbers):
        theta[:] = numbers
        return value(X)

    state = network.rng.bit_generator.state
    value(X)
    dX = layer.backward(weights.copy())
    assert_allclose(np.vdot(dX, d), slope_along(value, X, d), rtol=1e-6)
    g, d = network.gradient.copy(), rng.normal(size=theta.size)
    if isinstance(layer, CategoryEmbedding) and layer.zero:
        d[-layer.T.size :].reshape(layer.T.shape)[layer.first] = (
            0.0  # the vectors of code 0, which do not move
        )
    start = theta.copy()
    assert_allclose(g @ d, slope_along(value_at, start, d), rtol=1e-6, atol=1e-9)


@every_layer
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_input_stays_and_type_stays(name, dtype, rng):
    _, layer = prepare(LAYERS[name](), dtype)
    X = read_only(batch(layer, rng).astype(dtype))
    Y = layer.forward(X)
    assert Y.dtype == layer.infer(X).dtype == dtype
    dX = layer.backward(np.ones_like(Y))
    assert dX.shape == X.shape
    assert dX.dtype == dtype


@every_layer
def test_backward_leaves_what_forward_returned(name, rng):
    _, layer = prepare(LAYERS[name]())
    X = batch(layer, rng)
    Y = layer.forward(X)
    kept = Y.copy()
    layer.backward(np.ones_like(Y))
    assert np.array_equal(Y, kept)


@every_layer
def test_infer_touches_no_buffer(name, rng):
    _, layer = prepare(LAYERS[name]())
    X = batch(layer, rng)
    Y = layer.forward(X)
    kept = Y.copy()
    inferred = layer.infer(read_only(batch(layer, rng)))
    assert np.array_equal(Y, kept)
    assert not np.shares_memory(inferred, Y)


@pytest.mark.parametrize("name", [name for name in LAYERS if name not in ("batch norm", "dropout")])
def test_forward_is_infer(name, rng):
    _, layer = prepare(LAYERS[name]())
    X = batch(layer, rng)
    assert_allclose(layer.forward(X), layer.infer(X), rtol=1e-14)


@every_layer
def test_forward_returns_its_own_buffer(name, rng):
    _, layer = prepare(LAYERS[name]())
    X = batch(layer, rng)
    first = layer.forward(X)
    assert np.shares_memory(first, layer.forward(X))
    assert not np.shares_memory(first, X)


# Facts on the class -------------------------------------------------------------------------------


@every_layer
def test_rows_are_coupled_if_it_says_so(name, rng):
    _, layer = prepare(LAYERS[name]())
    X, state = batch(layer, rng), layer.rng if layer.masks else np.random.default_rng(0)
    before, other = state.bit_generator.state, batch(layer, rng)
    Y = layer.forward(X).copy()
    other[0] = X[0]
    state.bit_generator.state = before
    alone = np.allclose(layer.forward(other)[0], Y[0])
    assert alone != layer.couples_rows


@every_layer
def test_it_is_the_identity_at_prediction_and_random_in_training_if_it_masks(name, rng):
    _, layer = prepare(LAYERS[name]())
    X = batch(layer, rng)
    repeated = np.array_equal(layer.forward(X).copy(), layer.forward(X))
    assert repeated != layer.masks
    assert not layer.masks or layer.infer(X) is X


@every_layer
def test_what_it_returns_has_n_out_columns(name, rng):
    _, layer = prepare(LAYERS[name]())
    assert layer.infer(batch(layer, rng)).shape == (7, layer.n_out)


@every_layer
def test_the_activation_of_the_preactivation_is_what_it_returns(name, rng):
    _, layer = prepare(LAYERS[name]())
    X = batch(layer, rng)
    S = layer.preactivation(X)
    assert (S is not None) == hasattr(layer, "activation")
    if S is not None:
        if isinstance(layer, ParametricActivate):
            layer.a.fill(1.0)  # nothing of S is mixed in
        Y = np.empty_like(S)
        layer.activation.forward(S, Y)
        assert_allclose(Y, layer.infer(X), rtol=1e-13, atol=1e-15)


@every_layer
def test_work_counts_the_weights_that_meet_a_row(name):
    layer = LAYERS[name]()
    shared_by = layer.k if isinstance(layer, SharedDense) else 1
    weights = sum(slot.size for slot in layer.slots if slot.zone == "weights")
    assert layer.work == shared_by * weights


def test_a_dense_layer_takes_over_units(rng):
    _, layer = prepare(LAYERS["dense"](), below=False)
    X, shift, scale = rng.normal(size=(7, N)), rng.normal(size=N), rng.uniform(1, 9, N)
    centre, spread = rng.normal(size=3), rng.uniform(1, 9, 3)
    before, Y = layer.W.copy(), layer.infer(X)
    layer.rescale_inputs(scale, shift)
    layer.rescale_outputs(spread, centre)
    assert_allclose(layer.infer(X * scale + shift), Y * spread + centre, rtol=1e-12)
    layer.unscale_outputs(spread, centre)
    layer.unscale_inputs(scale, shift)
    assert_allclose(layer.infer(X), Y, rtol=1e-12)
    assert_allclose(layer.W, before, rtol=1e-13)


# Dense --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["dense", "dense relu", "dense tanh", "dense gelu"])
def test_dense_takes_sparse_rows(name, rng):
    X = sparse.random_array((7, N), density=0.4, format="csr", random_state=rng)
    dY, results = rng.normal(size=(7, 3)), []
    for batch in (X, X.toarray()):
        network, layer = prepare(LAYERS[name](), below=False)
        Y = layer.forward(batch).copy()
        assert layer.backward(dY.copy()) is None
        results.append([Y, layer.infer(batch), network.gradient])
    for from_sparse, from_dense in zip(*results, strict=True):
        assert_allclose(from_sparse, from_dense, rtol=1e-13, atol=1e-15)


def test_dense_starts_without_offset(rng):
    network = Network([LAYERS["dense"]()], "float64")
    network.parameters.values[:] = 9
    network.initialize(rng)
    assert network.layers[0].b.tolist() == [0, 0, 0]
    assert not (network.layers[0].W == 9).any()


# BatchNorm ----------------------------------------------------------------------------------------


def test_batch_norm_like_torch():
    momentum, epsilon = TRACES["norm_settings"]
    network, layer = prepare(BatchNorm(3, momentum, epsilon), below=False)
    layer.gamma[:], layer.beta[:] = TRACES["norm_gamma"], TRACES["norm_beta"]
    sizes, S, dY = TRACES["norm_sizes"], TRACES["norm_S"], TRACES["norm_upstream"]
    for i, (m, end) in enumerate(zip(sizes, np.cumsum(sizes), strict=True)):
        rows = slice(end - m, end)
        layer.allocate(m, "float64", network.rng)
        assert_allclose(layer.forward(S[rows]), TRACES["norm_Y"][rows], rtol=1e-10)
        dS = layer.backward(dY[rows].copy())
        assert_allclose(dS, TRACES["norm_dS"][rows], rtol=1e-9, atol=1e-12)
        assert_allclose(layer.dgamma, TRACES["norm_dgamma"][i], rtol=1e-10)
        assert_allclose(layer.dbeta, TRACES["norm_dbeta"][i], rtol=1e-10)
    assert_allclose(layer.mean, TRACES["norm_mean"], rtol=1e-12)
    assert_allclose(layer.var, TRACES["norm_var"], rtol=1e-12)
    assert_allclose(layer.infer(S), TRACES["norm_infer"], rtol=1e-10)


def test_batch_norm_by_default_halves_a_variance_of_1e_5(rng):
    """ε is 1e-5, as in PyTorch: s²/(s² + ε) is a half there."""
    _, layer = prepare(BatchNorm(1, momentum=0.1), below=False)
    layer.gamma[:], layer.beta[:] = 1.0, 0.0
    S = rng.normal(size=(7, 1))
    S *= np.sqrt(1e-5 / S.var())
    assert_allclose(layer.forward(S).var(), 0.5, rtol=1e-9)


def test_batch_norm_starts_as_the_identity(rng):
    network = Network([BatchNorm(N, momentum=0.1, epsilon=0.0)], "float64")
    network.initialize(rng)
    X = rng.normal(size=(7, N))
    assert np.array_equal(network.infer(X), X)


def test_batch_norm_survives_a_batch_of_one_row(rng):
    network, layer = prepare(BatchNorm(N, momentum=0.5), below=False)
    layer.allocate(1, "float64", rng)
    Y = layer.forward(rng.normal(size=(1, N)))
    assert_allclose(Y[0], layer.beta)
    assert_allclose(layer.backward(np.ones((1, N))), 0, atol=1e-12)
    assert layer.mean.tolist() == [0] * N
    assert layer.var.tolist() == [1] * N
    assert np.isfinite(network.gradient).all()


def test_batch_norm_statistics_are_no_part_of_theta(rng):
    network, layer = prepare(BatchNorm(N, momentum=0.1), below=False)
    theta = network.parameters.theta.copy()
    layer.forward(5 + rng.normal(size=(7, N)))
    assert np.array_equal(network.parameters.theta, theta)
    assert (network.parameters.values[theta.size :] != np.repeat([0.0, 1.0], N)).all()


# Dropout ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [0.05, 0.5, 0.9])
def test_dropout_keeps_its_share_and_the_mean(rate, rng):
    layer = Dropout(300, rate)
    layer.allocate(200, "float64", rng)
    Y = layer.forward(np.ones((200, 300)))
    assert stats.binomtest(int((Y != 0).sum()), Y.size, 1 - rate).pvalue > 1e-3
    assert abs(Y.mean() - 1) < 4 * np.sqrt(rate / (1 - rate) / Y.size)


def test_dropout_drops_the_gradient_of_what_it_dropped(rng):
    layer = Dropout(N, 0.5)
    layer.allocate(7, "float64", rng)
    Y = layer.forward(np.ones((7, N)))
    assert np.array_equal(layer.backward(np.ones((7, N))), Y)
    assert set(np.unique(Y)) == {0.0, 2.0}


def test_dropout_is_the_identity_at_prediction(rng):
    X = rng.normal(size=(7, N))
    assert np.array_equal(Dropout(N, 0.9).infer(X), X)


def test_dropout_of_sparse_rows(rng):
    layer, X = (
        Dropout(500, 0.25),
        sparse.random_array((400, 500), density=0.2, format="csr", random_state=rng),
    )
    layer.allocate(400, "float64", rng)
    kept = X.copy()
    Y = layer.forward(X)
    assert abs(X - kept).sum() == 0
    assert set(np.unique((Y.data / X.data).round(9))) == {0.0, round(4 / 3, 9)}
    assert stats.binomtest(np.count_nonzero(Y.data), X.nnz, 0.75).pvalue > 1e-3
    assert layer.infer(X) is X


def test_dropout_stream_goes_on_after_pickle():
    streams = [np.random.default_rng(3)]
    layer = Dropout(N, 0.5)
    layer.allocate(7, "float64", streams[0])
    layer.forward(np.ones((7, N)))
    streams.append(pickle.loads(pickle.dumps(streams[0])))
    masks = []
    for stream in streams:
        layer.allocate(7, "float64", stream)
        masks.append([layer.forward(np.ones((7, N))).copy() for _ in range(3)])
    assert np.array_equal(*masks)


@pytest.mark.parametrize("rate", [0.0, 1e-9, 1 - 1e-9])
def test_dropout_at_the_ends_is_finite(rate, rng):
    layer = Dropout(N, rate)
    layer.allocate(7, "float64", rng)
    assert np.isfinite(layer.forward(np.ones((7, N)))).all()


def test_a_layer_compares_and_prints_as_its_specification():
    bound, fresh = prepare(LAYERS["dense"]())[1], LAYERS["dense"]()
    assert bound == fresh
    assert repr(bound) == repr(fresh)
    assert repr(Activate(3, Tanh())) == "Activate(n_out=3, activation=Tanh())"
