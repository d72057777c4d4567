import math
import pickle
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from engine_cases import LOSSES, Order, Spectator, build
from numpy.testing import assert_allclose
from scipy import sparse
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge
from sklearn.metrics import log_loss

from skdnn.engine import threads
from skdnn.engine.batches import Batch, Batches
from skdnn.engine.initializers import get_initializer
from skdnn.engine.layers import Dense
from skdnn.engine.lbfgs import FullObjective, descend_lbfgs
from skdnn.engine.losses import Poisson, SoftmaxCrossEntropy, SquaredError
from skdnn.engine.network import Network
from skdnn.engine.optimizers import OPTIMIZERS, SGD, Adam
from skdnn.engine.schedules import Constant, Cosine, InverseScaling, Scheduled, WarmUp
from skdnn.engine.stopping import Outcome
from skdnn.engine.training import Descent, Trainer, descend

PLAIN = Descent(SGD(), 0.1, Constant(), n_epochs=10)
TIGHT = {"maxiter": 5000, "maxfun": 10**6, "gtol": 1e-11, "ftol": 1e-16}


class InterruptedBatches(Batches):
    """Something happens, as a rule Ctrl-C, while batch number `last` is under way."""

    def __init__(self, *args, last, error=KeyboardInterrupt):
        super().__init__(*args)
        self.last, self.error, self.taken = last, error, 0

    def epoch(self, rng=None):
        for batch in super().epoch(rng):
            self.taken += 1
            if self.taken == self.last:
                raise self.error
            yield batch


def train(descent=PLAIN, loss=None, order="one hidden", shuffling=None, **network):
    net = build(order, **network)
    return Trainer(net, loss or SoftmaxCrossEntropy(), descent, shuffling, np.random.default_rng(9))


def data(rng, m=20, k=2):
    return rng.normal(size=(m, 5)), rng.integers(0, k, m)


def moved(trainer, X, Y, weight=None, lr=0.1):
    """Take a step and return by how much theta moved."""
    before = trainer.network.parameters.theta.copy()
    trainer.step(Batch.of(X, Y, weight), lr)
    return trainer.network.parameters.theta - before


# One step -----------------------------------------------------------------------------------------


def test_step_returns_the_objective_before_the_move(rng):
    X, Y = data(rng)
    trainer = train(replace(PLAIN, alpha=0.5))
    expected = trainer.network.copy()
    expected.prepare_training(rng)
    value = expected.loss_and_gradient(Batch.of(X, Y), SoftmaxCrossEntropy(), 0.5)
    before = trainer.network.parameters.theta.copy()
    assert trainer.step(Batch.of(X, Y), 0.1) == value
    assert_allclose(trainer.network.parameters.theta, before - 0.1 * expected.gradient)


def test_clip_norm_shortens_a_long_gradient_and_keeps_its_direction(rng):
    X, Y = data(rng)
    free = moved(train(), X, Y, lr=1.0)
    length = np.linalg.norm(free)
    clipped = moved(train(replace(PLAIN, clip_norm=length / 3)), X, Y, lr=1.0)
    assert_allclose(clipped, free / 3)
    unclipped = moved(train(replace(PLAIN, clip_norm=length * 1.01)), X, Y, lr=1.0)
    assert np.array_equal(unclipped, free)


def test_weight_decay_shrinks_weights_and_nothing_else(rng):
    X, Y = data(rng)
    plain, decayed = (
        train(order="batch norm"),
        train(replace(PLAIN, weight_decay=0.5), order="batch norm"),
    )
    weights = plain.network.parameters.weights.copy()
    difference = moved(decayed, X, Y, lr=0.1) - moved(plain, X, Y, lr=0.1)
    assert_allclose(difference[: weights.size], -0.1 * 0.5 * weights, atol=1e-14)
    assert_allclose(difference[weights.size :], 0, atol=1e-14)


def test_weight_decay_is_not_scaled_by_the_optimizer(rng):
    X, Y = data(rng)
    adam = replace(PLAIN, optimizer=Adam())
    plain, decayed = train(adam), train(replace(adam, weight_decay=0.5))
    weights = plain.network.parameters.weights.copy()
    difference = moved(decayed, X, Y, lr=0.1) - moved(plain, X, Y, lr=0.1)
    assert_allclose(difference[: weights.size], -0.05 * weights, atol=1e-14)


def test_weight_decay_may_have_a_schedule(rng):
    """Progress is that of the step within the epoch: in four steps the decay falls to a quarter."""
    X, Y = data(rng)
    falling = Scheduled(0.5, lambda progress, n_samples_seen: 1 - progress)
    one = train(replace(PLAIN, weight_decay=falling, n_epochs=1, shuffle=False))
    other = train(replace(PLAIN, n_epochs=1))
    one.run_epoch(Batches(X, Y, None, 5))
    for i in range(4):
        other.descent = replace(other.descent, weight_decay=0.5 * (1 - i / 4))
        other.step(Batch.of(X[5 * i : 5 * i + 5], Y[5 * i : 5 * i + 5]), 0.1)
    assert_allclose(one.network.parameters.theta, other.network.parameters.theta, rtol=1e-13)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_dropout_may_have_a_schedule(n_threads, rng, monkeypatch):
    """A constant factor c gives, bit for bit, the training of layers with c times the rate."""
    X, Y = data(rng)
    halved, half = Order((4,), dropout=0.6), Order((4,), dropout=0.3)
    trainers = [
        train(replace(PLAIN, dropout=lambda progress, n_samples_seen: 0.5), order=halved),
        train(order=half),
    ]
    monkeypatch.setattr(threads, "MIN_PARALLEL_WORK", 0)
    for trainer in trainers:
        batches = Batches(X, Y, None, 5)
        trainer.start_workers(batches, n_threads)
        trainer.run_epoch(batches)
        trainer.release()
    one, other = (trainer.network for trainer in trainers)
    assert np.array_equal(one.parameters.theta, other.parameters.theta)
    assert one.layers[1].rate == 0.6  # the specification stays
    assert one.layers[1].factor == 1.0  # and what was set is over with the training


def test_max_norm(rng):
    X, Y = data(rng)
    free, limited = train(), train(replace(PLAIN, max_norm=0.8))
    moved(free, X, Y), moved(limited, X, Y)
    n_limited = 0
    for a, b in zip(free.network.layers, limited.network.layers, strict=True):
        if isinstance(a, Dense):
            norms = np.linalg.norm(a.W, axis=0)
            assert_allclose(np.linalg.norm(b.W, axis=0), np.minimum(norms, 0.8))
            assert_allclose(b.W / np.linalg.norm(b.W, axis=0), a.W / norms)
            assert np.array_equal(a.b, b.b)
            n_limited += int((norms > 0.8).sum())
    assert n_limited > 0


def test_limit_leaves_zero_weights():
    network = build("linear")
    network.parameters.values[:] = 0.0
    network.limit_norms(1.0)
    assert not network.parameters.values.any()


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_learning_rate_factors_reach_the_step(name, dtype, rng):
    X, Y = data(rng)
    steps = {}
    for rates in ((1.0, 1.0), (3.0, 0.5)):
        layer = Dense(5, 2, get_initializer("zeros"), weight_rate=rates[0], bias_rate=rates[1])
        network = Network([layer], dtype)
        descent = replace(PLAIN, optimizer=OPTIMIZERS[name]())
        trainer = Trainer(network, SoftmaxCrossEntropy(), descent, None, rng)
        for _ in range(2):  # theta starts at zero: where the offset is, the gradient is the same
            steps[rates] = moved(trainer, X.astype(dtype), Y)
            network.parameters.theta[:] = 0.0
    factors = np.array([3.0] * 10 + [0.5] * 2)
    assert steps[3.0, 0.5].dtype == dtype
    assert_allclose(
        steps[3.0, 0.5], factors * steps[1.0, 1.0], rtol=1e-5 if dtype == "float32" else 1e-12
    )


@pytest.mark.parametrize("name", ["adam", "sgd"])
def test_a_rate_and_an_initialiser_are_the_neural_tangent_parametrisation(name, rng):
    """S = X V / √n + b is trained by hand beside W = V / √n."""
    X, Y = data(rng)
    init, n = get_initializer("lecun_normal"), 5
    adaptive = name == "adam"
    layer = Dense(n, 2, init, weight_rate=1 / math.sqrt(n) if adaptive else 1 / n)
    network = Network([layer], "float64")
    network.initialize(rng)
    V, b = layer.W * math.sqrt(n), layer.b.copy()
    kind = Adam(epsilon=1e-30) if adaptive else SGD()
    trainer = Trainer(network, SoftmaxCrossEntropy(), replace(PLAIN, optimizer=kind), None, rng)
    theta = np.append(V, b)
    state = kind.init(theta)
    for _ in range(5):
        P = softmax(X @ (theta[: 2 * n].reshape(n, 2) / math.sqrt(n)) + theta[2 * n :], axis=1)
        dS = (P - np.eye(2)[Y]) / len(X)
        g = np.append(X.T @ dS / math.sqrt(n), dS.sum(axis=0))
        kind.step(theta, g, state, 0.1)
        trainer.step(Batch.of(X, Y), 0.1)
    assert_allclose(layer.W * math.sqrt(n), theta[: 2 * n].reshape(n, 2), rtol=1e-9)
    assert_allclose(layer.b, theta[2 * n :], rtol=1e-9)


# The learning rate --------------------------------------------------------------------------------


def test_learning_rate_follows_progress_and_slowdown():
    trainer = train(replace(PLAIN, schedule=Cosine(), n_epochs=4, learning_rate=0.2))
    assert_allclose(trainer.learning_rate(), 0.2)
    trainer.count_epoch(20)
    assert_allclose(trainer.learning_rate(1 / 3), 0.2 * 0.75)  # a third of the way
    trainer.slowdown = 1 / 5
    trainer.count_epoch(20)
    assert_allclose(trainer.learning_rate(), 0.2 * 0.5 / 5)
    for _ in range(10):  # beyond the plan the schedule stays at its end
        trainer.count_epoch(20)
    assert trainer.progress(0.5) == 1
    assert_allclose(trainer.learning_rate(), 0, atol=1e-15)


def test_warm_up_batch_by_batch(rng):
    X, Y = data(rng)
    trainer = train(replace(PLAIN, schedule=WarmUp(0.5, Constant()), n_epochs=4))
    rates, step = [], trainer.step
    trainer.step = lambda batch, lr, part: rates.append(lr) or step(batch, lr, part)
    batches = Batches(X, Y, None, 5)
    last = [trainer.run_epoch(batches).learning_rate for _ in range(4)]
    assert_allclose(rates, [0.1 * min(i / 8, 1) for i in range(16)], atol=1e-15)
    assert last == rates[3::4]


def test_inverse_scaling_counts_the_samples_of_whole_epochs(rng):
    X, Y = data(rng, m=15)
    trainer = train(replace(PLAIN, schedule=InverseScaling(), learning_rate=1.0))
    batches = Batches(X, Y, None, 4)
    rates = [trainer.run_epoch(batches).learning_rate for _ in range(3)]
    assert_allclose(rates, [1, 1 / 4, 1 / math.sqrt(31)])
    assert (trainer.n_epochs, trainer.n_samples) == (3, 45)


# Epochs -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
def test_loss_of_an_epoch_is_that_of_all_rows(weighted, rng):
    X, Y = data(rng, m=17)
    weight = rng.uniform(0.1, 4, 17) if weighted else None
    trainer = train(replace(PLAIN, learning_rate=0.0))
    S = trainer.network.infer(X)
    expected = SoftmaxCrossEntropy().value_and_gradient(S, Y, weight, np.empty_like(S))
    epoch = trainer.run_epoch(Batches(X, Y, weight, 5))
    assert_allclose(epoch.loss, expected)


class Clock:
    """The time, which passes when the tests say so."""

    def __init__(self, monkeypatch):
        self.now = 1000.0
        for module in ("training", "lbfgs"):
            clock = SimpleNamespace(perf_counter=lambda: self.now)
            monkeypatch.setattr(f"skdnn.engine.{module}.time", clock)

    def batches(self, *data):
        """Return batches each of which takes a second."""
        clock = self

        class TimedBatches(Batches):
            def epoch(self, rng=None):
                for batch in super().epoch(rng):
                    clock.now += 1
                    yield batch

        return TimedBatches(*data)

    def listener(self):
        """Return a listener that takes an hour every time, as if it evaluated something."""
        clock = self

        class SlowSpectator(Spectator):
            def on_epoch_end(self, epoch):
                clock.now += 3600
                return super().on_epoch_end(epoch)

        return SlowSpectator()


def test_the_seconds_of_an_epoch_are_those_of_its_steps(rng, monkeypatch):
    clock = Clock(monkeypatch)
    listener = clock.listener()
    descend(train(), clock.batches(*data(rng), None, 5), 3, listener)
    assert [epoch.seconds for epoch in listener.epochs] == [4, 4, 4]


def test_the_seconds_of_lbfgs_are_those_of_its_evaluations(rng, monkeypatch):
    clock = Clock(monkeypatch)
    start, listener = clock.now, clock.listener()
    descend_lbfgs(train(), clock.batches(*data(rng), None, 5), {"maxiter": 5}, listener)
    seconds = [epoch.seconds for epoch in listener.epochs]
    assert len(seconds) == 5
    assert all(second % 4 == 0 and second >= 4 for second in seconds)  # whole evaluations
    assert sum(seconds) == clock.now - start - 5 * 3600


@pytest.mark.parametrize("weighted", [False, True])
def test_evaluation_is_the_loss_at_prediction(weighted, rng):
    X, Y = data(rng, m=17)
    weight = rng.uniform(0.1, 4, 17) if weighted else None
    trainer = train(replace(PLAIN, alpha=5.0), order="batch norm and dropout")
    values = trainer.network.parameters.values.copy()
    expected = log_loss(Y, softmax(trainer.network.infer(X), axis=1), sample_weight=weight)
    assert_allclose(trainer.evaluate(Batches(X, Y, weight, 5)), expected)
    assert np.array_equal(trainer.network.parameters.values, values)


def test_a_diverging_epoch_ends_early_and_quietly(rng):
    X, _ = data(rng)
    trainer = train(replace(PLAIN, learning_rate=1e300), SquaredError(), activation="identity")
    batches = InterruptedBatches(X, np.ones((20, 2)), None, 2, last=9, error=AssertionError)
    assert not math.isfinite(trainer.run_epoch(batches).loss)
    assert batches.taken < 9


def test_a_last_step_into_the_void_is_noticed(rng):
    X, _ = data(rng)
    trainer = train(replace(PLAIN, learning_rate=np.inf), SquaredError())
    assert math.isnan(trainer.run_epoch(Batches(X, np.ones((20, 2)), None, 20)).loss)


@pytest.mark.parametrize("loss", ["softmax", "squared error"])
@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_training_lowers_the_loss(loss, kind, rng):
    X, case = rng.normal(size=(50, 5)), LOSSES[loss]
    Y = (X[:, 0] > 0).astype(int) if loss == "softmax" else X[:, :2] ** 2
    X = sparse.csr_array(X) if kind == "sparse" else X
    trainer = train(
        Descent(Adam(), 0.02, Constant(), 60), case.loss, shuffling=np.random.default_rng(1)
    )
    listener = Spectator()
    assert descend(trainer, Batches(X, Y, None, 10), 60, listener) is Outcome.MAX_EPOCHS
    assert listener.epochs[-1].loss < 0.5 * listener.epochs[0].loss


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_goes_on_after_pickle_bit_for_bit(name, rng):
    X, Y = data(rng)
    batches, order = Batches(X, Y, None, 6), "batch norm and dropout"
    descent = Descent(OPTIMIZERS[name](), 0.05, Cosine(), n_epochs=6)
    trainer = train(descent, order=order, shuffling=np.random.default_rng(1))
    descend(trainer, batches, 3, Spectator())
    again = pickle.loads(pickle.dumps(trainer))
    epochs = []
    for one in (trainer, again):
        listener = Spectator()
        descend(one, batches, 3, listener)
        epochs.append([(epoch.loss, epoch.learning_rate) for epoch in listener.epochs])
    assert epochs[0] == epochs[1]
    values = [one.network.parameters.values for one in (trainer, again)]
    assert np.array_equal(*values)
    assert not np.shares_memory(*values)


def test_same_seeds_same_numbers_other_seeds_others(rng):
    X, Y = data(rng)
    results = []
    for seed in (1, 1, 2):
        trainer = train(order="dropout", shuffling=np.random.default_rng(seed))
        descend(trainer, Batches(X, Y, None, 6), 2, Spectator())
        results.append(trainer.network.parameters.values)
    assert np.array_equal(results[0], results[1])
    assert not np.array_equal(results[0], results[2])


def test_rows_of_weight_zero_do_not_train(rng):
    X, Y = data(rng)
    X[15:], weight = 1e3, np.repeat([1.0, 0.0], [15, 5])
    with_zeros, without = train(), train()
    descend(with_zeros, Batches(X, Y, weight, 20), 5, Spectator())
    descend(without, Batches(X[:15], Y[:15], None, 15), 5, Spectator())
    assert_allclose(
        with_zeros.network.parameters.values, without.network.parameters.values, rtol=1e-10
    )


# The loop -----------------------------------------------------------------------------------------


def test_descend_runs_its_epochs(rng):
    listener, trainer = Spectator(), train()
    assert descend(trainer, Batches(*data(rng), None, 5), 3, listener) is Outcome.MAX_EPOCHS
    assert trainer.n_epochs == len(listener.epochs) == listener.n_begun == 3


def test_descend_stops_when_told(rng):
    listener, trainer = Spectator(stop_after=2), train()
    assert descend(trainer, Batches(*data(rng), None, 5), 9, listener) is Outcome.STOPPED
    assert trainer.n_epochs == len(listener.epochs) == 2


@pytest.mark.parametrize("last", [1, 3, 6])
def test_an_interrupt_passes_and_keeps_what_has_been_learned(last, rng):
    X, Y = data(rng)
    trainer, expected, listener = train(), train(), Spectator()
    batches = InterruptedBatches(X, Y, None, 5, last=last)
    with pytest.raises(KeyboardInterrupt):
        descend(trainer, batches, 9, listener)
    assert len(listener.epochs) == (last - 1) // 4
    for step in range(last - 1):
        rows = slice(step * 5 % 20, step * 5 % 20 + 5)
        expected.step(Batch.of(X[rows], Y[rows]), 0.1)
    values = [one.network.parameters.values for one in (trainer, expected)]
    assert np.array_equal(*values)
    assert descend(trainer, Batches(X, Y, None, 5), 1, listener) is Outcome.MAX_EPOCHS


# Changing one's mind ------------------------------------------------------------------------------


def test_another_descent_keeps_the_state_of_the_same_kind_of_optimizer(rng):
    X, Y = data(rng)
    trainer = train(replace(PLAIN, optimizer=Adam()))
    trainer.step(Batch.of(X, Y), 0.1)
    state = trainer.state
    trainer.change(SoftmaxCrossEntropy(0.1), replace(trainer.descent, learning_rate=0.5))
    assert trainer.state is state
    assert trainer.loss == SoftmaxCrossEntropy(0.1)
    trainer.change(trainer.loss, replace(trainer.descent, optimizer=Adam(beta_1=0.5)))
    assert trainer.state is state
    trainer.change(trainer.loss, replace(PLAIN, optimizer=OPTIMIZERS["adamax"]()))
    assert trainer.state is not state  # as many moments, but other ones
    trainer.change(trainer.loss, PLAIN)
    assert trainer.state.moments == []
    trainer.change(trainer.loss, replace(PLAIN, optimizer=SGD(momentum=0.9)))
    trainer.step(Batch.of(X, Y), 0.1)
    assert len(trainer.state.moments) == 1


def test_another_network_goes_on(rng):
    X, Y = data(rng)
    trainer, straight = train(order="batch norm"), train(order="batch norm")
    for one in (trainer, straight):
        one.step(Batch.of(X, Y), 0.1)
    trainer.replace_network(trainer.network.copy())
    for one in (trainer, straight):
        one.step(Batch.of(X, Y), 0.1)
    assert np.array_equal(trainer.network.parameters.values, straight.network.parameters.values)


def test_a_reset_optimizer_has_no_momentum(rng):
    X, Y = data(rng)
    trainer = train(replace(PLAIN, optimizer=SGD(momentum=0.9)))
    trainer.step(Batch.of(X, Y), 0.1)
    trainer.reset_optimizer()
    assert not trainer.state.moments[0].any()


# L-BFGS -------------------------------------------------------------------------------------------


def minimise(network, loss, X, Y, weight=None, alpha=0.0, batch_size=7, listener=None, **options):
    trainer = Trainer(network, loss, replace(PLAIN, alpha=alpha), None, np.random.default_rng(0))
    batches = Batches(X, Y, weight, batch_size)
    outcome, message = descend_lbfgs(trainer, batches, TIGHT | options, listener or Spectator())
    return outcome, message, trainer


def test_lbfgs_is_least_squares(rng):
    X, Y = rng.normal(size=(30, 5)), rng.normal(size=(30, 2))
    network = build("linear")
    outcome, message, _ = minimise(network, SquaredError(), X, Y)
    expected = np.linalg.lstsq(np.column_stack([X, np.ones(30)]), Y)[0]
    assert outcome is Outcome.CONVERGED
    assert isinstance(message, str)
    assert_allclose(network.layers[0].W, expected[:5], atol=1e-6)
    assert_allclose(network.layers[0].b, expected[5], atol=1e-6)


@pytest.mark.parametrize("weighted", [False, True])
def test_lbfgs_is_ridge(weighted, rng):
    X, Y = rng.normal(size=(30, 5)), rng.normal(size=(30, 2))
    weight = rng.uniform(0.1, 4, 30) if weighted else None
    network = build("linear")
    minimise(network, SquaredError(), X, Y, weight, alpha=2.5)
    ridge = Ridge(2.5).fit(X, Y, sample_weight=weight)
    assert_allclose(network.layers[0].W.T, ridge.coef_, atol=1e-6)
    assert_allclose(network.layers[0].b, ridge.intercept_, atol=1e-6)


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_lbfgs_is_logistic_regression(kind, rng):
    X, Y = data(rng, 60, 3)
    X, weight = sparse.csr_array(X) if kind == "sparse" else X, rng.uniform(0.1, 4, 60)
    network = build("linear", n_out=3)
    minimise(network, SoftmaxCrossEntropy(), X, Y, weight, alpha=0.5)
    model = LogisticRegression(C=2.0, tol=1e-10, max_iter=5000).fit(X, Y, weight)
    assert_allclose(network.layers[0].W.T, model.coef_, atol=1e-5)
    b = network.layers[0].b
    assert_allclose(b - b.mean(), model.intercept_ - model.intercept_.mean(), atol=1e-5)


def test_lbfgs_is_poisson_regression(rng):
    X, Y = rng.normal(size=(60, 5)), rng.poisson(2.0, (60, 1)).astype(float)
    network = build("linear", n_out=1)
    minimise(network, Poisson(), X, Y, alpha=60 * 0.1)
    model = PoissonRegressor(alpha=0.1, tol=1e-10, max_iter=5000).fit(X, Y.ravel())
    assert_allclose(network.layers[0].W[:, 0], model.coef_, atol=1e-5)
    assert_allclose(network.layers[0].b, model.intercept_, atol=1e-5)


def test_lbfgs_tells_its_watch_of_every_iteration(rng):
    X, Y = data(rng)
    listener = Spectator()
    _, _, trainer = minimise(build(), SoftmaxCrossEntropy(), X, Y, listener=listener)
    losses = [epoch.loss for epoch in listener.epochs]
    assert len(losses) == listener.n_begun == trainer.n_epochs > 3
    assert losses == sorted(losses, reverse=True)


def test_lbfgs_runs_out_of_iterations(rng):
    X, Y = data(rng)
    outcome, _, trainer = minimise(build(), SoftmaxCrossEntropy(), X, Y, maxiter=3)
    assert outcome is Outcome.MAX_EPOCHS
    assert trainer.n_epochs == 3


def test_lbfgs_stops_when_told_at_what_it_told(rng):
    X, Y = data(rng)
    listener, network = Spectator(stop_after=3), build()
    outcome, _, trainer = minimise(network, SoftmaxCrossEntropy(), X, Y, listener=listener)
    assert outcome is Outcome.STOPPED
    assert trainer.n_epochs == 3
    S = network.infer(X)
    value = SoftmaxCrossEntropy().value_and_gradient(S, Y, None, np.empty_like(S))
    assert_allclose(value, listener.epochs[-1].loss)


@pytest.mark.parametrize("last", [1, 40, 41])
def test_lbfgs_interrupted_keeps_the_last_iterate(last, rng):
    X, Y = data(rng)
    listener, trainer = Spectator(), train()
    S = trainer.network.infer(X)
    first = SoftmaxCrossEntropy().value_and_gradient(S, Y, None, np.empty_like(S))
    batches = InterruptedBatches(X, Y, None, 5, last=last)
    with pytest.raises(KeyboardInterrupt):
        descend_lbfgs(trainer, batches, TIGHT, listener)
    S = trainer.network.infer(X)
    value = SoftmaxCrossEntropy().value_and_gradient(S, Y, None, np.empty_like(S))
    assert_allclose(value, listener.epochs[-1].loss if listener.epochs else first)


def test_lbfgs_with_nothing_to_improve_still_reports(rng):
    network, listener = build("linear"), Spectator()
    X = rng.normal(size=(8, 5))
    outcome, _, trainer = minimise(network, SquaredError(), X, network.infer(X), listener=listener)
    assert outcome is Outcome.CONVERGED
    assert trainer.n_epochs == len(listener.epochs) == 1
    assert listener.epochs[0].loss < 1e-20


@pytest.mark.parametrize("weighted", [False, True])
def test_the_full_objective_does_not_depend_on_the_batches(weighted, rng):
    X, Y = data(rng)
    weight = rng.uniform(0.1, 4, 20) if weighted else None
    network = build()
    descent = Descent(SGD(), 0.1, Constant(), 1, alpha=0.3)
    trainer = Trainer(network, SoftmaxCrossEntropy(), descent, rng, rng)
    theta = network.parameters.theta.copy()
    results = [FullObjective(trainer, Batches(X, Y, weight, size))(theta) for size in (20, 7, 1)]
    expected = network.loss_and_gradient(Batch.of(X, Y, weight), SoftmaxCrossEntropy(), 0.3)
    for value, gradient in results:
        assert_allclose(value, expected)
        assert_allclose(gradient, network.gradient, atol=1e-14)
