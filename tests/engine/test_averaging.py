import pickle
from dataclasses import replace

import numpy as np
import pytest
from engine_cases import build
from numpy.testing import assert_allclose

from skdnn.engine.averaging import MovingAverage
from skdnn.engine.batches import Batch, Batches
from skdnn.engine.losses import SoftmaxCrossEntropy
from skdnn.engine.network import Network
from skdnn.engine.optimizers import Adam
from skdnn.engine.schedules import Constant
from skdnn.engine.training import Descent, Trainer

DESCENT = Descent(Adam(), 0.05, Constant(), n_epochs=10)


def trainer(average=None, order="batch norm and dropout", dtype="float64"):
    streams = np.random.default_rng(1), np.random.default_rng(2)
    network = build(order, dtype=dtype)
    return Trainer(network, SoftmaxCrossEntropy(), DESCENT, *streams, average=average)


def data(rng, m=20):
    return rng.normal(size=(m, 5)), rng.integers(0, 2, m)


@pytest.mark.parametrize("decay", [0.1, 0.9, 0.999])
@pytest.mark.parametrize("n", [1, 2, 30])
def test_it_is_the_weighted_mean_of_what_it_has_seen(decay, n, rng):
    values, average = rng.normal(size=(n, 4)), MovingAverage(decay)
    for each in values:
        average.update(each)
    weights = decay ** np.arange(n)[::-1]
    assert_allclose(average.values, np.average(values, axis=0, weights=weights), rtol=1e-10)
    assert average.t == n


def test_the_average_of_a_constant_is_the_constant_in_single_precision():
    average, values = MovingAverage(0.999), np.array([1.1, -3e-5], "float32")
    for _ in range(1000):
        average.update(values)
    assert np.array_equal(average.values, values)
    assert average.values.dtype == np.float32


def test_a_training_averages_all_numbers_after_every_step(rng):
    one, seen = trainer(MovingAverage(0.7)), []
    X, Y = data(rng)
    for _ in range(5):
        one.step(Batch.of(X, Y), 0.05)
        seen.append(one.network.parameters.values.copy())
    expected = np.average(seen, axis=0, weights=0.7 ** np.arange(5)[::-1])
    assert_allclose(one.predictor.parameters.values, expected, rtol=1e-12)
    assert_allclose(one.average.values, expected, rtol=1e-12)


def test_the_average_does_not_change_the_training(rng):
    X, Y = data(rng)
    with_average, without = trainer(MovingAverage(0.9)), trainer()
    for one in (with_average, without):
        one.run_epoch(Batches(X, Y, None, 6))
    assert np.array_equal(with_average.network.parameters.values, without.network.parameters.values)
    assert without.predictor is without.network
    assert with_average.predictor is not with_average.network


def test_before_the_first_step_it_predicts_as_it_starts():
    one = trainer(MovingAverage(0.9))
    assert one.predictor is one.network


def test_evaluation_is_that_of_the_average(rng):
    X, Y = data(rng)
    one, batches = trainer(MovingAverage(0.9)), Batches(X, Y, None, 6)
    one.run_epoch(batches)
    other = trainer()
    other.network.parameters.values[:] = one.average.values
    assert one.evaluate(batches) == other.evaluate(batches)
    assert np.array_equal(one.predictor.infer(X), other.network.infer(X))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_training_goes_on_after_pickle_bit_for_bit(dtype, rng):
    X, Y = data(rng)
    batches = Batches(X.astype(dtype), Y, None, 6)
    one = trainer(MovingAverage(0.9), dtype=dtype)
    one.run_epoch(batches)
    again = pickle.loads(pickle.dumps(one))
    again.own()
    for each in (one, again):
        each.run_epoch(batches)
    assert np.array_equal(one.average.values, again.average.values)
    assert not np.shares_memory(one.average.values, again.average.values)
    assert one.average.t == again.average.t == 8


def test_what_was_saved_is_restored(rng):
    X, Y = data(rng)
    one, batches = trainer(MovingAverage(0.9)), Batches(X, Y, None, 6)
    one.run_epoch(batches)
    saved = one.saved()
    results = []
    for _ in range(2):
        one.run_epoch(batches)
        results.append(one.average.values.copy())
        one.restore(saved)
        saved = one.saved()
    assert np.array_equal(*results)
    assert one.average.t == 4


def test_locked_numbers_of_a_pickle_can_be_moved(rng):
    X, Y = data(rng)
    one = trainer(MovingAverage(0.9))
    one.step(Batch.of(X, Y), 0.05)
    one.average.values.flags.writeable = False
    one.own()
    one.step(Batch.of(X, Y), 0.05)
    assert one.average.t == 2


def test_it_starts_afresh_after_numbers_that_are_not_finite(rng):
    X, Y = data(rng)
    one, batches = trainer(MovingAverage(0.9)), Batches(X, Y, None, 6)
    values = one.network.parameters.values.copy()
    one.descent = replace(DESCENT, learning_rate=np.inf)
    one.run_epoch(batches)
    one.descent = DESCENT
    one.network.parameters.values[:] = values
    one.reset_optimizer()
    one.run_epoch(batches)
    assert np.isfinite(one.average.values).all()
    assert one.average.t == 4


def test_a_network_of_another_type_has_an_average_of_that_type(rng):
    X, Y = data(rng)
    one = trainer(MovingAverage(0.9), dtype="float32")
    one.step(Batch.of(X.astype("float32"), Y), 0.05)
    before = one.average.values.copy()
    one.replace_network(one.network.in_double())
    assert one.average.values.dtype == np.float64
    assert np.array_equal(one.average.values, before)
    one.step(Batch.of(X, Y), 0.05)
    assert isinstance(one.predictor, Network)
