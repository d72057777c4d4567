"""Members in one network beside as many plain networks."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skdnn.engine.activations import ACTIVATIONS
from skdnn.engine.batches import Batch
from skdnn.engine.initializers import get_bias_initializer, get_initializer
from skdnn.engine.layers import (
    Activate,
    BatchNorm,
    Dense,
    Dropout,
    MemberDense,
    MemberScale,
    SharedDense,
)
from skdnn.engine.losses import LogisticCrossEntropy, MeanOverMembers, SoftmaxCrossEntropy
from skdnn.engine.network import Network
from skdnn.engine.optimizers import Adam
from skdnn.engine.schedules import Constant
from skdnn.engine.training import Descent, Trainer

N, WIDTH, K_CLASSES = 5, 6, 3
INIT, BIAS = get_initializer("glorot_uniform"), get_bias_initializer("uniform")
every_activation = pytest.mark.parametrize("activation", ["relu", "tanh", "gelu"])


def ensemble(k, activation="tanh", dtype="float64", rate=1.0):
    sigma = ACTIVATIONS[activation]
    layers = [
        MemberScale(N, k, rate=rate),
        SharedDense(k, N, WIDTH, INIT, sigma, BIAS),
        SharedDense(k, WIDTH, WIDTH, INIT, sigma, BIAS),
        MemberDense(k, WIDTH, K_CLASSES, INIT, bias_init=BIAS),
    ]
    network = Network(layers, dtype)
    rng = np.random.default_rng(1)
    network.initialize(rng)
    layers[0].r += 0.1 * rng.normal(size=layers[0].r.shape).astype(dtype)
    return network


def member(network, j):
    """Return a plain network with the parameters of member j, which sees X rⱼ."""
    scale, *shared, heads = network.layers
    sigma = shared[0].activation
    layers = [Dense(layer.n_in, layer.n_units, INIT, sigma) for layer in shared]
    plain = Network([*layers, Dense(WIDTH, K_CLASSES, INIT)], network.dtype)
    for layer, other in zip(plain.layers, shared, strict=False):
        layer.W[:], layer.b[:] = other.dense.W, other.dense.b
    plain.layers[-1].W[:], plain.layers[-1].b[:] = heads.W[j], heads.b[j]
    return plain, scale.r[j]


def data(rng, m=12):
    return rng.normal(size=(m, N)), rng.integers(0, K_CLASSES, m)


@every_activation
@pytest.mark.parametrize("k", [1, 2, 5])
def test_every_member_alone_is_a_plain_network(k, activation, rng):
    network, (X, _) = ensemble(k, activation), data(rng)
    network.prepare_training(rng)
    S, in_training = network.infer(X), network.forward(X)
    for j, S_j in enumerate(np.split(S, k, axis=1)):
        plain, r = member(network, j)
        assert_allclose(S_j, plain.infer(X * r), rtol=1e-12, atol=1e-13)
    assert_allclose(in_training, S, rtol=1e-12, atol=1e-13)


@every_activation
@pytest.mark.parametrize("k", [1, 3])
def test_gradients_are_the_mean_of_those_of_the_members(k, activation, rng):
    network, (X, y) = ensemble(k, activation), data(rng)
    weight = rng.uniform(0.1, 2, len(X))
    network.prepare_training(rng)
    loss = SoftmaxCrossEntropy(0.1)
    value = network.loss_and_gradient(Batch.of(X, y, weight), MeanOverMembers(loss, k))
    _, *shared, heads = network.layers
    values, sums = [], [np.zeros_like(layer.dense.dW) for layer in shared]
    for j in range(k):
        plain, r = member(network, j)
        plain.prepare_training(rng)
        values.append(plain.loss_and_gradient(Batch.of(X * r, y, weight), loss))
        for total, layer in zip(sums, plain.layers, strict=False):
            total += layer.dW
        assert_allclose(heads.dW[j], plain.layers[-1].dW / k, atol=1e-13)
        assert_allclose(heads.db[j], plain.layers[-1].db / k, atol=1e-13)
    assert_allclose(value, np.mean(values))
    for layer, total in zip(shared, sums, strict=True):
        assert_allclose(layer.dense.dW, total / k, atol=1e-13)


@every_activation
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_single_member_trains_like_a_plain_network(activation, dtype, rng):
    network, (X, y) = ensemble(1, activation, dtype, rate=0.0), data(rng)
    network.layers[0].r.fill(1.0)  # and it stays so
    plain, _ = member(network, 0)
    descent = Descent(Adam(), 0.01, Constant(), n_epochs=1, weight_decay=0.1, max_norm=1.0)
    loss = SoftmaxCrossEntropy()
    one = Trainer(network, MeanOverMembers(loss, 1), descent, rng, rng)
    other = Trainer(plain, loss, descent, rng, rng)
    X = X.astype(dtype)
    tolerance = 1e-4 if dtype == "float32" else 1e-10
    for _ in range(10):
        assert_allclose(
            one.step(Batch.of(X, y), 0.01), other.step(Batch.of(X, y), 0.01), rtol=tolerance
        )
    assert_allclose(network.infer(X), plain.infer(X), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("groups", [None, (0, 1, 1, 0, 2), ("a", "a", "a", "a", "a")])
def test_scales_start_as_random_signs_of_columns_or_groups(groups):
    layer = MemberScale(N, 400, groups)
    Network([layer], "float64").initialize(np.random.default_rng(0))
    assert set(np.unique(layer.r)) == {-1.0, 1.0}
    together = abs(layer.r.T @ layer.r) / 400 > 0.5  # independent signs: below 0.2
    labels = np.array(range(N) if groups is None else groups)
    assert np.array_equal(together, labels[:, None] == labels)
    assert abs(layer.r.mean(axis=0)).max() < 0.2


def test_members_start_different_though_the_layers_are_shared(rng):
    network, (X, _) = ensemble(4), data(rng)
    assert len({S_j.tobytes() for S_j in np.split(network.infer(X), 4, axis=1)}) == 4
    heads = network.layers[-1]
    assert len({W.tobytes() for W in heads.W}) == len({b.tobytes() for b in heads.b}) == 4


def test_dropout_and_batch_norm_treat_every_member_by_itself(rng):
    k, m = 3, 200
    X = rng.normal(size=(m, N)) * [1, 2, 3, 4, 5]
    norm, dropout = BatchNorm(k * N, 0.1), Dropout(k * N, 0.5)
    network = Network(
        [MemberScale(N, k), norm, Activate(k * N, ACTIVATIONS["relu"]), dropout], "float64"
    )
    network.initialize(rng)
    network.prepare_training(rng)
    Y = network.forward(X)
    assert Y.shape == (m, k * N)
    assert_allclose(norm.Y.mean(axis=0), 0, atol=1e-12)
    masks = np.split(dropout.mask, k, axis=1)
    assert not np.array_equal(masks[0], masks[1])


def test_data_start_every_member(rng):
    network, (X, _) = ensemble(4), data(rng, 300)
    network.initialize_from_data(X, rng)
    first, heads = network.layers[1], network.layers[-1]
    S = first.preactivation(network.layers[0].infer(X)).reshape(-1, WIDTH)
    assert_allclose(S.std(axis=0), 1)
    assert_allclose(network.infer(X).std(axis=0), 1)
    assert heads.W.shape == (4, WIDTH, K_CLASSES)


def test_heads_take_over_units(rng):
    network, (X, _) = ensemble(3), data(rng)
    heads, S = network.layers[-1], network.infer(X)
    centre, spread = rng.normal(size=K_CLASSES), rng.uniform(1, 9, K_CLASSES)
    heads.rescale_outputs(spread, centre)
    assert_allclose(network.infer(X), S * np.tile(spread, 3) + np.tile(centre, 3), rtol=1e-12)
    heads.unscale_outputs(spread, centre)
    shift, scale = rng.normal(size=WIDTH), rng.uniform(1, 9, WIDTH)
    hidden = rng.normal(size=(4, 3 * WIDTH))
    before = heads.infer(hidden)
    heads.rescale_inputs(scale, shift)
    assert_allclose(heads.infer(hidden * np.tile(scale, 3) + np.tile(shift, 3)), before)
    heads.unscale_inputs(scale, shift)
    assert_allclose(network.infer(X), S, rtol=1e-12, atol=1e-13)


def test_norms_are_limited_unit_by_unit(rng):
    heads = MemberDense(3, N, 2, INIT)
    network = Network([heads], "float64")
    network.initialize(rng)
    heads.W *= np.array([0.01, 1.0, 100.0])[:, None, None]
    before = heads.W.copy()
    network.limit_norms(0.8)
    norms = np.linalg.norm(before, axis=1)
    assert_allclose(np.linalg.norm(heads.W, axis=1), np.minimum(norms, 0.8))
    assert np.array_equal(heads.W[0], before[0])


def test_an_ensemble_learns(rng):
    X = rng.normal(size=(200, N))
    Y = (X[:, :1] * X[:, 1:2] > 0).astype(float)
    k = 4
    layers = [
        MemberScale(N, k),
        SharedDense(k, N, 32, INIT, ACTIVATIONS["relu"], BIAS),
        MemberDense(k, 32, 1, INIT),
    ]
    network = Network(layers, "float64")
    network.initialize(rng)
    loss = MeanOverMembers(LogisticCrossEntropy(), k)
    trainer = Trainer(network, loss, Descent(Adam(), 0.01, Constant(), 1), rng, rng)
    values = [trainer.step(Batch.of(X, Y), 0.02) for _ in range(150)]
    assert values[-1] < 0.3 < 0.6 < values[0]
    assert ((loss.predict(network.infer(X)) > 0.5) == Y).mean() > 0.9
