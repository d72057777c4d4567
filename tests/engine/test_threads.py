"""Threads share out the rows of a batch, and nothing but the time it takes depends on them."""

import os
import subprocess
import sys
import textwrap
import threading
import warnings
from contextlib import contextmanager

import numpy as np
import pytest
from engine_cases import LOSSES, Order, build
from joblib import Parallel, cpu_count, delayed, parallel_config
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from threadpoolctl import threadpool_info, threadpool_limits

from skdnn import MLPClassifier, MLPRegressor
from skdnn.engine import threads
from skdnn.engine.batches import Batch
from skdnn.engine.layers import PBLD, Dropout, PeriodicEmbedding
from skdnn.engine.network import Network
from skdnn.engine.threads import (
    MIN_PARALLEL_WORK,
    DataParallel,
    infer,
    one_blas_thread,
    split_rows,
)
from skdnn.engine.training import Trainer

ORDERS = {
    "plain": Order((7, 4)),
    "dropout": Order((7, 4), dropout=0.3),
    "input dropout": Order((7,), input_dropout=0.3),
    "pbld": Order((7,), embedding=PBLD, scale=True),
    "periodic": Order((7,), embedding=PeriodicEmbedding),
    "parametric": Order((7, 4), parametric=True, dropout=0.3),
    "members": Order((7, 4), members=True),
}


def blas_threads():
    """Return how many threads every BLAS that is loaded may use."""
    return [
        library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"
    ]


@pytest.fixture
def two_threads(monkeypatch):
    """Share out everything, however small, over two threads."""
    monkeypatch.setattr(threads, "MIN_PARALLEL_WORK", 0)
    with threadpool_limits(2, user_api="blas"):
        yield


@contextmanager
def sharing(network, n_threads, seed=0):
    """Return the network shared out over threads, with its threads ended afterwards."""
    network.prepare_training(np.random.default_rng(seed))
    workers = DataParallel(network, n_threads)
    try:
        yield workers
    finally:
        workers.close()


def batches_of(n_threads, kind, rng, dtype):
    """Return batches of every awkward length, in an order that changes the buffers' lengths."""
    for m in (n_threads - 1, 8, 9, 4, 9):
        X = rng.normal(size=(m, 5)).astype(dtype)
        Y = LOSSES["softmax"].targets(rng, m, 3)
        weight = rng.uniform(0.5, 2.0, m)
        if kind == "first share zero" and m > n_threads:
            weight[split_rows(m, n_threads)[0]] = 0.0
        elif kind == "last share zero" and m > n_threads:
            weight[split_rows(m, n_threads)[-1]] = 0.0
        yield Batch.of(X, Y, None if kind == "none" else weight.astype(dtype))


# A step ---------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("weights", ["none", "given", "first share zero", "last share zero"])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu"])
@pytest.mark.parametrize("n_threads", [2, 3])
def test_a_step_is_that_of_one_thread(n_threads, activation, order, weights, dtype, rng):
    loss, tolerance = LOSSES["softmax"].loss, {"float64": 1e-12, "float32": 1e-5}[dtype]
    alone, first = (
        build(ORDERS[order], activation, n_out=3, dtype=dtype, seed=1) for _ in range(2)
    )
    alone.prepare_training(np.random.default_rng(0))
    with sharing(first, n_threads) as shared:
        for batch in batches_of(n_threads, weights, rng, dtype):
            for alpha in (0.0, 0.3):
                expected = alone.loss_and_gradient(batch, loss, alpha)
                value = shared.loss_and_gradient(batch, loss, alpha)
                assert_allclose(value, expected, rtol=tolerance)
                scale = np.abs(alone.gradient).max()
                assert_allclose(first.gradient, alone.gradient, rtol=0, atol=tolerance * scale)
                assert first.rng.bit_generator.state == alone.rng.bit_generator.state


@pytest.mark.parametrize(("name", "k"), [(n, case.n_outputs[-1]) for n, case in LOSSES.items()])
def test_every_loss_can_be_shared_out(name, k, rng):
    X, Y = rng.normal(size=(9, 5)), LOSSES[name].targets(rng, 9, k)
    weight = rng.uniform(0.5, 2.0, 9)
    alone, first = (build("two hidden", n_out=k) for _ in range(2))
    alone.prepare_training(rng)
    expected = alone.loss_and_gradient(Batch.of(X, Y, weight), LOSSES[name].loss, 0.1)
    with sharing(first, 2) as shared:
        value = shared.loss_and_gradient(Batch.of(X, Y, weight), LOSSES[name].loss, 0.1)
    assert_allclose(value, expected, rtol=1e-12)
    scale = np.abs(alone.gradient).max()
    assert_allclose(first.gradient, alone.gradient, rtol=0, atol=1e-12 * scale)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("n_threads", [2, 3])
def test_the_same_number_of_threads_gives_the_same_bits(n_threads, dtype, rng):
    X = rng.normal(size=(200, 5)).astype(dtype)
    Y = rng.integers(0, 3, 200)
    results = []
    for _ in range(5):
        network = build(ORDERS["dropout"], "gelu", n_out=3, dtype=dtype)
        with sharing(network, n_threads) as shared:
            value = shared.loss_and_gradient(Batch.of(X, Y), LOSSES["softmax"].loss, 0.1)
        results.append((value, network.gradient.tobytes()))
    assert len(set(results)) == 1


@pytest.mark.parametrize("order", ["dropout", "input dropout"])
def test_masks_are_drawn_for_the_whole_batch(order, rng):
    X, Y = rng.normal(size=(7, 5)), rng.integers(0, 3, 7)
    masks, states = {}, {}
    for n_threads in (2, 3, 8):
        network = build(ORDERS[order], n_out=3)
        with sharing(network, n_threads) as shared:
            shared.loss_and_gradient(Batch.of(X, Y), LOSSES["softmax"].loss)
        states[n_threads] = network.rng.bit_generator.state
        masks[n_threads] = [
            np.vstack([layer.mask for layer in layers if "mask" in vars(layer)])
            for layers in zip(*(n.layers for n in shared.networks), strict=True)
            if isinstance(layers[0], Dropout)
        ]
    alone = build(ORDERS[order], n_out=3)
    alone.prepare_training(np.random.default_rng(0))
    alone.forward(X)
    expected = [layer.mask for layer in alone.layers if isinstance(layer, Dropout)]
    assert all(0 < (mask == 0).mean() < 1 for mask in expected)
    for n_threads, found in masks.items():
        assert states[n_threads] == alone.rng.bit_generator.state
        for mask, other in zip(expected, found, strict=True):
            assert_array_equal(other, mask)


@pytest.mark.parametrize("m", [0, 1, 2, 3, 7, 100])
@pytest.mark.parametrize("n", [1, 2, 3, 8])
def test_shares_are_all_rows_once_and_about_equal(m, n):
    shares = split_rows(m, n)
    assert len(shares) == n
    assert [i for rows in shares for i in range(m)[rows]] == list(range(m))
    lengths = [rows.stop - rows.start for rows in shares]
    assert max(lengths) - min(lengths) <= 1


# What is worth it -------------------------------------------------------------------------------


def test_a_large_step_suits_threads(rng):
    X = np.ones((2, 200), "float32")
    network = build(Order((200,), dropout=0.1), n_in=200, n_out=1, dtype="float32")
    row = 200 * 200 + 200
    enough = int(np.ceil(MIN_PARALLEL_WORK / (3 * row)))  # a product forward, and two backward
    assert DataParallel.suits(network, X, enough)
    assert not DataParallel.suits(network, X, enough - 1)


@pytest.mark.parametrize("kind", ["batch norm", "sparse"])
def test_rows_that_depend_on_each_other_and_sparse_rows_stay_together(kind, monkeypatch):
    monkeypatch.setattr(threads, "MIN_PARALLEL_WORK", 0)
    X = np.eye(5)
    assert DataParallel.suits(build("one hidden"), X, 5)
    if kind == "sparse":
        assert not DataParallel.suits(build("one hidden"), sparse.csr_array(X), 5)
    else:
        assert not DataParallel.suits(build("batch norm"), X, 5)
        assert not DataParallel.suits(build("batch norm and dropout"), X, 5)


@pytest.mark.usefixtures("two_threads")
def test_threads_run_in_a_fit_where_they_are_worth_it(monkeypatch, rng):
    """The other tests of whole fits would prove nothing if one thread did everything."""
    seen, partial_loss_and_gradient = set(), Network.partial_loss_and_gradient

    def noting(self, *args):
        seen.add(threading.current_thread().name)
        return partial_loss_and_gradient(self, *args)

    monkeypatch.setattr(Network, "partial_loss_and_gradient", noting)
    X = rng.normal(size=(40, 3))
    MLPRegressor(hidden_layer_sizes=(4,), max_iter=2, learning_rate="cosine").fit(X, X[:, 0])
    assert len(seen) == 2
    seen.clear()
    monkeypatch.setattr(threads, "MIN_PARALLEL_WORK", MIN_PARALLEL_WORK)
    MLPRegressor(hidden_layer_sizes=(4,), max_iter=2, learning_rate="cosine").fit(X, X[:, 0])
    assert seen == {threading.main_thread().name}


# BLAS -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("allowed", [1, 2])
def test_blas_gets_one_thread_and_gets_its_own_back(allowed):
    with threadpool_limits(allowed, user_api="blas"):
        before = blas_threads()
        assert set(before) == {allowed}
        with one_blas_thread() as n:
            assert set(blas_threads()) == {1}
            assert n == allowed
            with one_blas_thread() as nested:
                assert nested == 1
            assert set(blas_threads()) == {1}
        assert blas_threads() == before


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_blas_gets_its_threads_back_after_an_error(error):
    with threadpool_limits(2, user_api="blas"):
        with pytest.raises(error), one_blas_thread():
            raise error
        assert set(blas_threads()) == {2}


def test_a_thread_of_somebody_else_is_one_thread():
    found = {}

    def work():
        with threadpool_limits(2, user_api="blas"):
            found["before"] = set(blas_threads())
            with one_blas_thread() as found["share"]:
                found["inside"] = set(blas_threads())
            found["after"] = set(blas_threads())

    worker = threading.Thread(target=work)
    worker.start()
    worker.join()
    assert found == {"before": {2}, "share": 1, "inside": {1}, "after": {2}}


OVERLAP = """
    import sys
    import threading
    import skdnn
    from skdnn.engine.threads import blas, one_blas_thread

    def thread_counts():
        return {library.num_threads for library in blas().lib_controllers}

    entered, leave = threading.Event(), threading.Event()

    def work(entered, leave):
        with one_blas_thread():
            entered.set()
            leave.wait(10)

    before = thread_counts()
    second = threading.Thread(target=work, args=(entered, leave))
    if sys.argv[1] == "main first":
        with one_blas_thread():
            second.start()
            entered.wait(10)
    else:
        first_entered, leave_first = threading.Event(), threading.Event()
        first = threading.Thread(target=work, args=(first_entered, leave_first))
        first.start()
        first_entered.wait(10)
        second.start()
        entered.wait(10)
        leave_first.set()
        first.join()
    leave.set()
    second.join()
    print(*before, *thread_counts())
"""


@pytest.mark.slow
@pytest.mark.parametrize("first", ["main first", "worker first"])
def test_blas_gets_its_threads_back_when_fits_overlap(first):
    """In a process of its own, for the limits are those of the whole process."""
    command = [sys.executable, "-c", textwrap.dedent(OVERLAP), first]
    environment = os.environ | dict.fromkeys(("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "2")
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    before, after = run.stdout.split()
    if before == "1":
        pytest.skip("BLAS has but one thread here")
    assert after == before


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_fit_and_predict_give_blas_its_threads_back(solver, rng):
    X = rng.normal(size=(60, 3))
    inside = []

    def scoring(model, X, y):
        inside.append(set(blas_threads()))
        return 0.0

    with threadpool_limits(2, user_api="blas"):
        model = MLPRegressor(
            hidden_layer_sizes=(4,), solver=solver, max_iter=3, learning_rate="cosine",
            early_stopping=True, scoring=scoring,
        )  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(X, X[:, 0])
        assert set(blas_threads()) == {2}
        assert inside[1:] == [{1}] * model.n_iter_  # the first call is a trial before training
        model.predict(X)
        assert set(blas_threads()) == {2}


@pytest.mark.slow
@pytest.mark.skipif(cpu_count() < 2, reason="there is one processor, and nothing to share out")
def test_a_worker_of_joblib_shares_out_what_joblib_allows(monkeypatch):
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)  # joblib would leave it as it is

    def share():  # local, so that it is pickled by value
        import os

        from skdnn.engine.threads import blas, one_blas_thread

        counts = [{library.num_threads for library in blas().lib_controllers}]
        with one_blas_thread() as n:
            counts.append({library.num_threads for library in blas().lib_controllers})
        counts.append({library.num_threads for library in blas().lib_controllers})
        return os.getpid(), n, counts

    for allowed in (None, 2):
        with parallel_config("loky", inner_max_num_threads=allowed):
            found = Parallel(n_jobs=2)(delayed(share)() for _ in range(2))
        fair = allowed or max(cpu_count() // 2, 1)
        for process, n, counts in found:
            assert process != os.getpid()
            assert n == max(counts[0]) <= fair
            assert n == fair or allowed is None  # the environment may ask for less
            assert counts[1:] == [{1}, counts[0]]


# Prediction -------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("order", ["linear", "two hidden", "batch norm", "dropout"])
@pytest.mark.parametrize("kind", ["float64", "float32", "sparse"])
@pytest.mark.parametrize("m", [0, 1, 2, 5, 1000])
def test_rows_are_shared_out_at_prediction(m, kind, order, rng, monkeypatch):
    monkeypatch.setattr("skdnn.engine.network.CHUNK_NUMBERS", 600)  # many chunks a thread
    X = rng.normal(size=(m, 5))
    X = sparse.csr_array(X * (X > 0)) if kind == "sparse" else X.astype(kind)
    network = build(order, dtype="float64")
    S = infer(network, X)
    assert S.shape == (m, 2)
    assert S.dtype == np.float64
    assert_allclose(S, network.infer_in_chunks(X), rtol=1e-12, atol=1e-12)


@pytest.mark.usefixtures("two_threads")
def test_the_rows_of_every_share_are_predicted_by_a_thread_of_their_own(rng, monkeypatch):
    lengths, infer_in_chunks = [], Network.infer_in_chunks

    def noting(self, X, S=None):
        lengths.append((len(X), threading.current_thread() is threading.main_thread()))
        return infer_in_chunks(self, X, S)

    monkeypatch.setattr(Network, "infer_in_chunks", noting)
    infer(build("two hidden"), rng.normal(size=(11, 5)))
    assert sorted(lengths) == [(5, False), (6, False)]


@pytest.mark.usefixtures("two_threads")
def test_values_beyond_the_dtype_are_found_on_every_thread(rng):
    X = rng.normal(size=(20, 5))
    X[-1, -1] = 1e300
    with pytest.raises(ValueError, match="too large for dtype"):
        infer(build("two hidden", dtype="float32"), X)


# Whole fits -------------------------------------------------------------------------------------

FITS = {
    "adam": {},
    "sgd": {"solver": "sgd", "learning_rate_init": 0.05},
    "no shuffling": {"shuffle": False},
    "dropout": {"dropout": 0.3, "input_dropout": 0.1},
    "gelu, clipped": {"activation": "gelu", "clip_norm": 0.5, "max_norm": 2.0},
    "weight decay": {"weight_decay": 0.1, "alpha": 0.1, "hidden_layer_sizes": (16, 8)},
    "early stopping": {"early_stopping": True},
    "lbfgs": {"solver": "lbfgs", "hidden_layer_sizes": (4,), "alpha": 1.0},
    "batch norm": {"batch_norm": True},
}


@pytest.fixture(params=[MLPClassifier, MLPRegressor])
def cls(request):
    return request.param


@pytest.fixture(params=FITS)
def fit(request, cls, rng):
    """Return a function that fits a model, of several batches an epoch, the last one short."""
    X = rng.normal(size=(150, 6))
    y = np.tanh(X[:, 0]) + X[:, 1]
    weight = rng.uniform(0.0, 2.0, 150)
    parameters = {"hidden_layer_sizes": (16,), "max_iter": 8, "random_state": 0, "batch_size": 64}
    parameters |= {"dtype": "float64"} | FITS[request.param]
    if parameters.get("solver") == "lbfgs":
        del parameters["batch_size"]
    else:
        parameters["learning_rate"] = "exponential"

    def run():
        model = cls(**parameters)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", category=UserWarning)  # that lbfgs takes longer
            return model.fit(X, y > 0 if cls is MLPClassifier else y, weight)

    return run


def test_a_fit_is_that_of_one_thread(fit, monkeypatch):
    alone = fit()
    monkeypatch.setattr(threads, "MIN_PARALLEL_WORK", 0)
    with threadpool_limits(2, user_api="blas"):
        shared, again = fit(), fit()
    assert_allclose(shared.loss_curve_, alone.loss_curve_, rtol=1e-9)
    for W, expected in zip(shared.coefs_, alone.coefs_, strict=True):
        assert_allclose(W, expected, rtol=1e-6, atol=1e-8)
    assert again.loss_curve_ == shared.loss_curve_
    for W, expected in zip(again.coefs_, shared.coefs_, strict=True):
        assert_array_equal(W, expected)


@pytest.mark.usefixtures("two_threads")
def test_bit_by_bit_is_the_whole_on_threads_too(cls, rng):
    X = rng.normal(size=(100, 4))
    y = X[:, 0] > 0
    parameters = {"hidden_layer_sizes": (8,), "dropout": 0.2, "random_state": 0, "batch_size": 30}
    whole = cls(max_iter=3, learning_rate="exponential", **parameters).fit(X, y)
    pieces = cls(max_iter=3, learning_rate="exponential", **parameters)
    more = {"classes": [False, True]} if cls is MLPClassifier else {}
    for _ in range(3):
        pieces.partial_fit(X, y, **more)
    assert pieces.loss_curve_ == whole.loss_curve_


class Raise:
    """A callback that raises an error at the end of the second epoch."""

    def __init__(self, error):
        self.error, self.seen, self.running = error, 0, 0

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        if context.task_name == "epoch":
            self.seen += 1
            self.running = max(self.running, threading.active_count())
            if self.seen == 2:
                raise self.error


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("error", [None, KeyboardInterrupt, RuntimeError])
def test_threads_are_gone_after_fit(cls, solver, error, rng):
    X = rng.normal(size=(60, 4))
    before = set(threading.enumerate())
    raised, end = None, Raise(error("from a callback") if error else None)
    model = cls(hidden_layer_sizes=(8,), solver=solver, max_iter=5, random_state=0)
    if error is not None:
        model.set_callbacks(end)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=UserWarning)
        try:
            model.fit(X, X[:, 0] > 0)
        except (KeyboardInterrupt, RuntimeError) as caught:
            raised = caught  # kept: nothing may hang on the frames of the traceback
    assert type(raised) is (error or type(None))
    assert (end.running > len(before)) == (error is not None)
    assert set(threading.enumerate()) <= before
    assert set(blas_threads()) == {2}


@pytest.mark.usefixtures("two_threads")
def test_threads_are_gone_after_an_error_in_one_of_them(rng, monkeypatch):
    partial_loss_and_gradient = Network.partial_loss_and_gradient

    def broken(self, *args):
        if threading.current_thread() is not threading.main_thread():
            raise MemoryError("no room for the buffers")
        return partial_loss_and_gradient(self, *args)

    monkeypatch.setattr(Network, "partial_loss_and_gradient", broken)
    before, X = set(threading.enumerate()), rng.normal(size=(60, 4))
    with pytest.raises(MemoryError, match="no room") as raised:
        MLPRegressor(hidden_layer_sizes=(8,)).fit(X, X[:, 0])
    assert set(threading.enumerate()) <= before, raised


@pytest.mark.usefixtures("two_threads")
def test_a_resumed_training_has_threads_again(monkeypatch, rng):
    closed, close = [], DataParallel.close
    monkeypatch.setattr(DataParallel, "close", lambda self: (closed.append(1), close(self)))
    X = rng.normal(size=(60, 4))
    model = MLPRegressor(
        hidden_layer_sizes=(8,), warm_start=True, max_iter=1, learning_rate="exponential"
    )
    for k in range(1, 4):
        model.fit(X, X[:, 0])
        assert len(closed) == k
        assert model._run.trainer.workers is None


# A loss that is not finite is reported once, by the caller, whatever thread it is from -----------


class Overflowing:
    """σ(s) = 10³⁰⁰ s², by numpy, which warns where that is infinite."""

    def forward(self, S, X):
        np.multiply(S, 1e300, out=X)
        X *= S

    def derivative(self, S, X, D):
        np.multiply(S, 2e300, out=D)


@pytest.mark.usefixtures("two_threads")
def test_overflow_on_a_thread_is_no_warning_in_training(rng):
    X = 1e6 * rng.normal(size=(60, 4))
    model = MLPRegressor(hidden_layer_sizes=(8,), activation=Overflowing(), dtype="float64")
    with pytest.raises(ValueError, match="non-finite parameter weights"):
        model.fit(X, X[:, 0])


@pytest.mark.usefixtures("two_threads")
def test_overflow_on_a_thread_is_no_warning_at_prediction(rng):
    X = rng.normal(size=(60, 4))
    model = MLPRegressor(
        hidden_layer_sizes=(8,), max_iter=1, learning_rate="cosine", dtype="float64"
    ).fit(X, X[:, 0])
    for W in model.coefs_:
        W[:] = 1e200
    assert not np.isfinite(model.predict(np.abs(X))).any()


def test_a_training_in_a_thread_of_somebody_else_is_not_shared_out(monkeypatch, rng):
    monkeypatch.setattr(threads, "MIN_PARALLEL_WORK", 0)
    used, start_workers = [], Trainer.start_workers

    def noting(self, batches, n_threads):
        start_workers(self, batches, n_threads)
        used.append((n_threads, self.workers))

    monkeypatch.setattr(Trainer, "start_workers", noting)
    X = rng.normal(size=(60, 4))
    model = MLPRegressor(hidden_layer_sizes=(8,), max_iter=1, learning_rate="cosine")
    with threadpool_limits(2, user_api="blas"):
        worker = threading.Thread(target=model.fit, args=(X, X[:, 0]))
        worker.start()
        worker.join()
    assert used == [(1, None)]
    assert np.isfinite(model.loss_)
