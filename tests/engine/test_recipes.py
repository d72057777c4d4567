"""Networks for tables, as the literature composes them, of layers that are tested one by one."""

import pickle

import numpy as np
import pytest
from engine_cases import slope_along
from numpy.testing import assert_allclose

from skdnn.engine import threads
from skdnn.engine.activations import ACTIVATIONS
from skdnn.engine.averaging import MovingAverage
from skdnn.engine.batches import Batch, Batches
from skdnn.engine.initializers import get_initializer
from skdnn.engine.layers import (
    PBLD,
    CategoryEmbedding,
    Dense,
    Dropout,
    MemberDense,
    MemberScale,
    ParametricActivate,
    Scale,
    SharedDense,
)
from skdnn.engine.losses import MeanOverMembers, SoftmaxCrossEntropy
from skdnn.engine.network import Network
from skdnn.engine.optimizers import Adam
from skdnn.engine.schedules import Cosine, CosLog4, Scheduled
from skdnn.engine.threads import infer
from skdnn.engine.training import Descent, Trainer

NORMAL, HE = get_initializer("lecun_normal"), get_initializer("he_uniform")
MISH, RELU = ACTIVATIONS["mish"], ACTIVATIONS["relu"]
NUMBERS, CODES, K = (0, 1, 2), (3, 4), 3


def embeddings():
    codes = CategoryEmbedding(5, CODES, n_codes=(3, 4), width=2, zero=False)
    return [codes, PBLD(codes.n_out, NUMBERS, n_frequencies=4)]


def real_mlp():
    """Embeddings, input scaling, parametric activations, rates of their own, dropout."""
    first = embeddings()
    n = first[-1].n_out
    layers = [*first, Scale(n, rate=6.0)]
    for width in (6, 5):
        dense = Dense(n, width, NORMAL, weight_rate=n**-0.5, bias_rate=0.1)
        layers += [dense, ParametricActivate(width, MISH), Dropout(width, 0.15)]
        n = width
    return [*layers, Dense(n, 2, NORMAL)], SoftmaxCrossEntropy()


def tabm():
    """Embeddings and members that share two layers; one sign a column of the table."""
    codes, numbers = embeddings()
    origins = tuple(int(codes.origins[j]) for j in numbers.origins)
    layers = [
        *[codes, numbers, MemberScale(numbers.n_out, K, origins)],
        *[SharedDense(K, numbers.n_out, 6, HE, RELU), Dropout(6 * K, 0.1)],
        *[SharedDense(K, 6, 5, HE, RELU), Dropout(5 * K, 0.1), MemberDense(K, 5, 2, NORMAL)],
    ]
    return layers, MeanOverMembers(SoftmaxCrossEntropy(), K)


RECIPES = {"RealMLP": real_mlp, "TabM": tabm}
every_recipe = pytest.mark.parametrize("name", RECIPES)


def started(name, X, dtype="float64"):
    layers, loss = RECIPES[name]()
    network, rng = Network(layers, dtype), np.random.default_rng(0)
    network.initialize(rng)
    network.initialize_from_data(X.astype(dtype), rng)
    return network, loss


def trainer(name, X, dtype="float64"):
    network, loss = started(name, X, dtype)
    descent = Descent(
        Adam(beta_2=0.95), 0.02, CosLog4(), n_epochs=8, clip_norm=1.0,
        weight_decay=Scheduled(0.02, Cosine()), dropout=Cosine(),
    )  # fmt: skip
    streams = np.random.default_rng(1), np.random.default_rng(2)
    return Trainer(network, loss, descent, *streams, average=MovingAverage(0.9))


def data(rng, m=60):
    X = rng.normal(size=(m, 5))
    X[:, CODES] = rng.integers(0, [3, 4], (m, 2))
    return X, ((X[:, 0] * X[:, 1] > 0) ^ (X[:, 3] == 1)).astype(int)


@every_recipe
def test_gradients(name, rng):
    X, Y = data(rng)
    network, loss = started(name, X)
    network.prepare_training(rng)
    start, state = network.parameters.theta.copy(), rng.bit_generator.state

    def objective(theta):
        network.parameters.theta[:] = theta
        rng.bit_generator.state = state  # the same dropout every time
        return network.loss_and_gradient(Batch.of(X, Y), loss, 0.1)

    for seed in range(5):
        d = np.random.default_rng(seed).normal(size=start.size)
        objective(start)
        slope = network.gradient @ d
        assert_allclose(slope, slope_along(objective, start, d), rtol=1e-5)


@every_recipe
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_training_learns_and_resumes_bit_for_bit(name, dtype, rng):
    X, Y = data(rng, 300)
    one, batches = trainer(name, X, dtype), Batches(X.astype(dtype), Y, None, 32)
    before = one.evaluate(batches)
    for _ in range(4):
        one.run_epoch(batches)
    again = pickle.loads(pickle.dumps(one))
    for each in (one, again):
        for _ in range(4):
            each.run_epoch(batches)
    for this, that in ((one.network, again.network), (one.predictor, again.predictor)):
        assert np.array_equal(this.parameters.values, that.parameters.values)
    assert one.evaluate(batches) < 0.8 * before
    assert one.network.parameters.values.dtype == dtype


@every_recipe
def test_threads_change_nothing_but_rounding(name, rng, monkeypatch):
    monkeypatch.setattr(threads, "MIN_PARALLEL_WORK", 0)
    X, Y = data(rng)
    trainers = [trainer(name, X) for _ in range(2)]
    for n_threads, each in enumerate(trainers, start=1):
        batches = Batches(X, Y, None, 16)
        each.start_workers(batches, n_threads)
        assert (each.workers is None) == (n_threads == 1)
        for _ in range(2):
            each.run_epoch(batches)
        each.release()
    alone, shared = (each.network.parameters.values for each in trainers)
    assert_allclose(shared, alone, rtol=1e-7, atol=1e-9)


@every_recipe
def test_chunks_and_threads_predict_the_same(name, rng, monkeypatch):
    X, _ = data(rng, 500)
    network, _ = started(name, X)
    expected = network.infer(X)
    monkeypatch.setattr("skdnn.engine.network.CHUNK_NUMBERS", 1000)
    assert_allclose(network.infer_in_chunks(X), expected, rtol=1e-12, atol=1e-13)
    monkeypatch.setattr(threads, "MIN_PARALLEL_WORK", 0)
    assert_allclose(infer(network, X), expected, rtol=1e-12, atol=1e-13)
    assert len(pickle.dumps(network)) < network.parameters.values.nbytes + 5000
