import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from skdnn.engine.batches import Batch, Batches
from skdnn.engine.initializers import get_initializer
from skdnn.engine.layers import PBLD, CategoryEmbedding, Dense, PeriodicEmbedding
from skdnn.engine.losses import SquaredError
from skdnn.engine.network import Network
from skdnn.engine.optimizers import Adam
from skdnn.engine.schedules import Constant
from skdnn.engine.threads import DataParallel
from skdnn.engine.training import Descent, Trainer

N_IN = 6
EMBEDDINGS = {
    "pbld": lambda: PBLD(N_IN, (4, 1), n_frequencies=7, width=3, std=1.0),
    "pbld of all": lambda: PBLD(N_IN, tuple(range(N_IN))),
    "periodic": lambda: PeriodicEmbedding(N_IN, (0, 3, 5), width=2, rectify=False),
    "categories": lambda: CategoryEmbedding(N_IN, (5, 2), (4, 3), 2),
}
every_embedding = pytest.mark.parametrize("name", EMBEDDINGS)


def started(layer, *others, dtype="float64"):
    network = Network([layer, *others], dtype)
    network.initialize(np.random.default_rng(0))
    network.parameters.theta += 0.1 * np.random.default_rng(1).normal(
        size=network.parameters.theta.size
    )
    return network


def rows(rng, m=20):
    """Return numbers that are codes too."""
    return rng.integers(0, 3, (m, N_IN)).astype(float)


def one_hot(codes, n):
    return np.eye(n)[codes.astype(int)]


@every_embedding
def test_every_column_goes_where_it_says(name, rng):
    layer = EMBEDDINGS[name]()
    network, X = started(layer), rows(rng)
    assert sorted(set(layer.origins)) == list(range(N_IN))
    for j in range(N_IN):
        other = X.copy()
        other[:, j] = (X[:, j] + 1) % 3
        changed = (network.infer(other) != network.infer(X)).any(axis=0)
        assert np.array_equal(changed, layer.origins == j)


@every_embedding
def test_the_other_columns_pass_unchanged_and_in_order(name, rng):
    layer = EMBEDDINGS[name]()
    X, others = rows(rng), [j for j in range(N_IN) if j not in layer.columns]
    assert np.array_equal(started(layer).infer(X)[:, : len(others)], X[:, others])
    assert layer.origins[: len(others)].tolist() == others


@every_embedding
@pytest.mark.parametrize("m", [0, 1])
def test_few_rows(name, m, rng):
    layer = EMBEDDINGS[name]()
    assert started(layer).infer(rows(rng, m)).shape == (m, layer.n_out)


@every_embedding
@pytest.mark.parametrize("n_threads", [2, 3])
def test_threads_share_the_rows(name, n_threads, rng):
    gradients, batch = [], Batch.of(rows(rng), rng.normal(size=(20, 1)))
    for parallel in (False, True):
        layer = EMBEDDINGS[name]()
        network = started(layer, Dense(layer.n_out, 1, get_initializer("he_normal")))
        network.prepare_training(rng)
        workers = DataParallel(network, n_threads) if parallel else network
        workers.loss_and_gradient(batch, SquaredError())
        gradients.append(network.gradient)
        if parallel:
            workers.close()
    assert_allclose(*gradients, rtol=1e-9, atol=1e-13)


@every_embedding
def test_pickle_keeps_what_it_computes(name, rng):
    network, X = started(EMBEDDINGS[name]()), rows(rng)
    again = pickle.loads(pickle.dumps(network))
    assert np.array_equal(again.infer(X), network.infer(X))
    assert again.layers == network.layers


# Each is its formula, column by column ----------------------------------------------------------


def test_pbld_is_its_formula(rng):
    layer, X = EMBEDDINGS["pbld"](), rng.normal(size=(9, N_IN))
    Y = started(layer).infer(X)
    for j, column in enumerate(layer.columns):
        x = X[:, [column]]
        waves = np.cos(2 * np.pi * x * layer.w1[j] + layer.b1[j])
        expected = np.hstack([x, waves @ layer.W2[j] + layer.b2[j]])
        assert_allclose(Y[:, layer.origins == column], expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("rectify", [False, True])
def test_a_periodic_embedding_is_its_formula(rectify, rng):
    layer, X = PeriodicEmbedding(N_IN, (3, 0), rectify=rectify), rng.normal(size=(9, N_IN))
    Y = started(layer).infer(X)
    for j, column in enumerate(layer.columns):
        u = 2 * np.pi * X[:, [column]] * layer.w[j]
        expected = np.hstack([np.sin(u), np.cos(u)]) @ layer.W[j] + layer.b[j]
        expected = np.maximum(expected, 0) if rectify else expected
        assert_allclose(Y[:, layer.origins == column], expected, rtol=1e-12, atol=1e-13)


def test_a_category_embedding_is_one_hot_times_a_table(rng):
    layer, X = EMBEDDINGS["categories"](), rows(rng)
    network = started(layer, Dense(8, 1, get_initializer("he_normal")))
    network.prepare_training(rng)
    Y = layer.infer(X)
    hot = [one_hot(X[:, j], n) for j, n in zip(layer.columns, layer.n_codes, strict=True)]
    for j, table, H in zip(layer.columns, layer.tables, hot, strict=True):
        assert_allclose(Y[:, layer.origins == j], H @ table)
    dY = rng.normal(size=Y.shape)
    layer.allocate(len(X), "float64", rng)
    layer.forward(X)
    layer.backward(dY.copy())
    expected = [H.T @ dY[:, layer.origins == j] for j, H in zip(layer.columns, hot, strict=True)]
    for table in expected:
        table[0] = 0.0
    assert_allclose(layer.dT, np.concatenate(expected))


def test_two_layers_give_vectors_of_two_lengths(rng):
    short = CategoryEmbedding(N_IN, (5,), (3,), width=2)
    rest = [j for j in range(N_IN) if j != 5]
    long = CategoryEmbedding(short.n_out, (rest.index(2),), (3,), width=4)
    network, X = started(short, long), rows(rng)
    others = X[:, [0, 1, 3, 4]]
    expected = [others, one_hot(X[:, 5], 3) @ short.T, one_hot(X[:, 2], 3) @ long.T]
    assert_allclose(network.infer(X), np.hstack(expected))


# Where training starts, and what stays ----------------------------------------------------------


def test_pbld_starts_where_the_paper_says():
    layer = PBLD(500, tuple(range(500)))
    network = Network([layer], "float64")
    network.initialize(np.random.default_rng(0))
    assert stats.kstest(layer.w1.ravel(), "norm", (0, 0.1)).pvalue > 1e-3
    for numbers, limit in ((layer.b1, np.pi), (layer.W2, 0.25), (layer.b2, 0.25)):
        assert stats.kstest(numbers.ravel(), "uniform", (-limit, 2 * limit)).pvalue > 1e-3
    assert {slot.rate for slot in layer.slots} == {0.1}


def test_a_periodic_embedding_starts_where_the_paper_says():
    layer = PeriodicEmbedding(500, tuple(range(500)), n_frequencies=8, std=2.0)
    network = Network([layer], "float64")
    network.initialize(np.random.default_rng(0))
    assert stats.kstest(layer.w.ravel(), "norm", (0, 2.0)).pvalue > 1e-3
    for numbers in (layer.W, layer.b):
        assert stats.kstest(numbers.ravel(), "uniform", (-0.25, 0.5)).pvalue > 1e-3


@pytest.mark.parametrize("zero", [False, True])
def test_the_vector_of_code_zero_stays_zero_if_asked(zero, rng):
    layer = CategoryEmbedding(1, (0,), (3,), 2, zero=zero, std=0.5)
    network = Network([layer, Dense(2, 1, get_initializer("he_normal"))], "float64")
    network.initialize(rng)
    descent = Descent(Adam(), 0.1, Constant(), n_epochs=5, weight_decay=0.1)
    trainer = Trainer(network, SquaredError(), descent, rng, rng)
    X = rng.integers(0, 3, (60, 1)).astype(float)
    before = layer.tables[0].copy()
    trainer.run_epoch(Batches(X, rng.normal(size=(60, 1)), None, 10))
    moved = (layer.tables[0] != before).all(axis=1)
    assert moved.tolist() == [not zero, True, True]
    assert zero == (not layer.tables[0][0].any())


def test_a_code_that_is_in_no_row_stays_as_it_is(rng):
    layer = CategoryEmbedding(1, (0,), (4,), 2)
    network = Network([layer, Dense(2, 1, get_initializer("he_normal"))], "float64")
    network.initialize(rng)
    trainer = Trainer(
        network, SquaredError(), Descent(Adam(), 0.1, Constant(), n_epochs=1), rng, rng
    )
    before = layer.tables[0].copy()
    X = np.array([[1.0], [3.0], [1.0], [0.0]])
    trainer.step(Batch.of(X, np.ones((4, 1))), 0.1)
    assert (layer.tables[0] != before).any(axis=1).tolist() == [False, True, False, True]


def test_codes_are_exact_in_single_precision(rng):
    layer = CategoryEmbedding(1, (0,), (2**20,), 1, zero=False)
    network = Network([layer], "float32")
    layer.T[:, 0] = np.arange(2**20)
    codes = rng.integers(0, 2**20, (50, 1)).astype("float32")
    assert np.array_equal(network.infer(codes), codes)
