"""Estimators whose arrays are read-only, or files, after pickle or joblib: they train on."""

import copy
import pickle

import joblib
import numpy as np
import pytest
from estimator_cases import SOLVERS, by_class, small_network
from numpy.testing import assert_array_equal
from sklearn.datasets import make_regression
from sklearn.multioutput import MultiOutputRegressor

from skdnn import MLPClassifier, MLPRegressor

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

X, NUMBERS = make_regression(60, 50, random_state=0)
LABELS = (NUMBERS > 0).astype(int)


def from_pickle(model, path):
    """Read the arrays back from buffers that cannot be changed, as shared memory may be."""
    buffers = []
    data = pickle.dumps(model, protocol=5, buffer_callback=buffers.append)
    return pickle.loads(data, buffers=[bytes(buffer.raw()) for buffer in buffers])


def mapped(mode):
    def from_file(model, path):
        joblib.dump(model, path / "net.joblib")
        return joblib.load(path / "net.joblib", mmap_mode=mode)

    return from_file


WAYS = {"pickle 5": from_pickle} | {f"joblib {mode}": mapped(mode) for mode in ("r", "c", "r+")}


@pytest.fixture(params=WAYS.values(), ids=WAYS)
def read_back(request):
    return request.param


# Ways and solvers do not interact: every way with one solver, every solver with one way.
WAYS_AND_SOLVERS = [
    *[(way, "adam") for way in WAYS.values()],
    *[(WAYS["joblib r"], solver) for solver in SOLVERS if solver != "adam"],
]


def small(cls, **parameters):
    batches = {} if parameters.get("solver") == "lbfgs" else {"batch_size": 20}
    return small_network(cls, **{"hidden_layer_sizes": (9,), "max_iter": 3} | batches | parameters)


y_for = by_class(LABELS, NUMBERS)


def assert_same(model, expected):
    for ours, theirs in zip(model.coefs_, expected.coefs_, strict=True):
        assert_array_equal(ours, theirs)
    assert model.loss_curve_ == expected.loss_curve_


@pytest.mark.parametrize(
    ("read_back", "solver"), [case for case in WAYS_AND_SOLVERS if case[1] != "lbfgs"]
)
@pytest.mark.parametrize("batch_norm", [False, True])
def test_partial_fit_goes_on(cls, solver, batch_norm, read_back, tmp_path):
    y = y_for(cls)
    more = {"classes": [0, 1]} if cls is MLPClassifier else {}
    model = small(cls, solver=solver, batch_norm=batch_norm, dropout=0.1)
    model.partial_fit(X, y, **more)
    locked = read_back(model, tmp_path)
    for one in (locked, copy.deepcopy(read_back(model, tmp_path))):
        expected = copy.deepcopy(model)
        for _ in range(2):
            assert_same(one.partial_fit(X, y), expected.partial_fit(X, y))


@pytest.mark.parametrize(("read_back", "solver"), WAYS_AND_SOLVERS)
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("kept", [False, True])
def test_a_warm_start_goes_on(cls, solver, early_stopping, kept, read_back, tmp_path):
    """With the state of the optimizer, or from the weights alone."""
    y = y_for(cls)
    model = small(cls, solver=solver, early_stopping=early_stopping, warm_start=kept).fit(X, y)
    locked = read_back(model, tmp_path).set_params(warm_start=True)
    assert_same(locked.fit(X, y), model.set_params(warm_start=True).fit(X, y))
    if not early_stopping and solver != "lbfgs":
        assert_same(locked.partial_fit(X, y), model.partial_fit(X, y))


def test_prediction_copies_nothing(cls, tmp_path):
    model = small(cls).partial_fit(
        X, y_for(cls), **{"classes": [0, 1]} if cls is MLPClassifier else {}
    )
    locked = mapped("r")(model, tmp_path)
    assert_array_equal(locked.predict(X), model.predict(X))
    assert isinstance(locked._network.parameters.values, np.memmap)


def write_all(model):
    model.coefs_ = [2 * W for W in model.coefs_]


def write_entry(model):
    model.coefs_[1] = 3 * model.coefs_[1]
    model.intercepts_[-1] = model.intercepts_[-1] + 1


def write_into_view(model):
    model.coefs_[0][:] *= 1.5
    model.intercepts_[0][2] = 0.25


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("write", [write_all, write_entry, write_into_view])
def test_weights_can_be_set(cls, kept, write, read_back, tmp_path):
    """They belong to the estimator from then on, not to the file or the buffers."""
    y = y_for(cls)
    model = small(cls, warm_start=kept).fit(X, y)
    locked = read_back(model, tmp_path)
    for one in (locked, model):
        write(one)
    assert_array_equal(locked.predict(X), model.predict(X))
    assert_same(locked.partial_fit(X, y), model.partial_fit(X, y))


@pytest.mark.parametrize("mode", ["c", "r+", "r"])
def test_weights_that_are_set_stay_out_of_the_file(cls, mode, tmp_path):
    locked = mapped(mode)(small(cls).fit(X, y_for(cls)), tmp_path)
    before = (tmp_path / "net.joblib").read_bytes()
    write_into_view(locked)
    write_all(locked)
    assert (tmp_path / "net.joblib").read_bytes() == before


@pytest.mark.parametrize("mode", ["c", "r+", "r"])
def test_training_does_not_write_into_the_file(cls, mode, tmp_path):
    y = y_for(cls)
    model = small(cls, warm_start=True).fit(X, y)
    locked = mapped(mode)(model, tmp_path)
    before = (tmp_path / "net.joblib").read_bytes()
    locked.partial_fit(X, y).fit(X, y)
    assert (tmp_path / "net.joblib").read_bytes() == before


def test_a_failing_partial_fit_leaves_the_locked_numbers(cls, read_back, tmp_path, monkeypatch):
    y = y_for(cls)
    model = small(cls, warm_start=True).fit(X, y)
    locked = read_back(model, tmp_path)

    def fail(*args):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr("skdnn.engine.network.Network.backward", fail)
        with pytest.raises(MemoryError):
            locked.partial_fit(X, y)
    assert_array_equal(locked.predict(X), model.predict(X))
    assert_same(locked.partial_fit(X, y), model.partial_fit(X, y))


def test_a_divergence_is_mended(read_back, tmp_path):
    model = small(MLPRegressor, warm_start=True, solver="sgd", max_iter=8).fit(X, NUMBERS)
    locked = read_back(model, tmp_path).set_params(learning_rate_init=50.0)
    with pytest.warns(UserWarning, match="diverged"):
        locked.fit(X, NUMBERS)
    assert np.isfinite(locked.predict(X)).all()


def test_several_outputs_in_processes_bit_by_bit():
    """joblib maps arrays of more than a megabyte into its workers, where they are read-only."""
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(40, 300))
    Y = Z[:, :2]
    net = small(MLPRegressor, hidden_layer_sizes=(1200,))
    alone, shared = (MultiOutputRegressor(net, n_jobs=n_jobs) for n_jobs in (1, 2))
    assert 300 * 1200 * 4 > 2**20
    for _ in range(3):
        alone.partial_fit(Z, Y)
        shared.partial_fit(Z, Y)
    np.testing.assert_allclose(shared.predict(Z), alone.predict(Z), rtol=1e-4, atol=1e-4)
