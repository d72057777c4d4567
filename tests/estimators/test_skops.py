"""Through skops and back, in every state: nothing has to be trusted but the estimator itself."""

import copy
import pickle
import warnings
from functools import partial

import numpy as np
import pandas as pd
import pytest
import skops.io
from estimator_cases import small_network
from numpy.testing import assert_array_equal, assert_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdnn import MLPClassifier, MLPRegressor
from skdnn.engine.activations import ACTIVATIONS, LeakyReLU
from skdnn.engine.optimizers import OPTIMIZERS
from skdnn.engine.schedules import SCHEDULES, Exponential, OneCycle, WarmUp
from skdnn.estimators.plain import CLASS, from_plain

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 4))
CLASSES = np.digitize(X[:, 0], [-0.4, 0.4])
NUMBERS = 1e3 + 50 * X[:, 0] * X[:, 1]
OURS = {
    MLPClassifier: "skdnn.estimators.classifier.MLPClassifier",
    MLPRegressor: "skdnn.estimators.regressor.MLPRegressor",
}


class Cube:
    """An activation of the user's own."""

    def forward(self, S, X):
        np.multiply(S, S * S, out=X)

    def derivative(self, S, X, D):
        np.multiply(3 * S, S, out=D)


def halve(progress, n_samples_seen):
    """A schedule of the user's own."""
    return 0.5**progress


small = partial(small_network, hidden_layer_sizes=(6, 5), max_iter=3)


def through_skops(model, *types):
    """Write and read, trusting the class of the estimator and those given, and no other."""
    data = skops.io.dumps(model)
    trusted = [OURS[type(model)], *types]
    assert set(skops.io.get_untrusted_types(data=data)) <= set(trusted)
    return skops.io.loads(data, trusted=trusted)


def through_pickle(model, *types):
    return pickle.loads(pickle.dumps(model))


def through_deepcopy(model, *types):
    return copy.deepcopy(model)


WAYS = [through_skops, through_pickle, through_deepcopy]


def assert_same(one, other):
    assert one.get_params().keys() == other.get_params().keys()
    facts, expected = ({k: v for k, v in vars(m).items() if k.endswith("_")} for m in (one, other))
    assert facts.keys() == expected.keys()
    for name in facts:
        if name != "history_":
            assert_equal(facts[name], expected[name], err_msg=name)
    for name in one.history_.keys() - {"seconds"}:
        assert one.history_[name] == other.history_[name]
    for A, B in zip(one.coefs_ + one.intercepts_, other.coefs_ + other.intercepts_, strict=True):
        assert_array_equal(A, B)
        assert A.dtype == B.dtype
    assert_equal(one.predict(X), other.predict(X))


TASKS = {
    "two classes": (MLPClassifier, CLASSES > 0),
    "classes": (MLPClassifier, CLASSES),
    "text": (MLPClassifier, np.array(["a", "b", "c"])[CLASSES]),
    "objects": (MLPClassifier, np.array(["a", "b", "c"], dtype=object)[CLASSES]),
    "labels": (MLPClassifier, np.c_[CLASSES == 0, CLASSES == 1].astype(int)),
    "several columns of classes": (MLPClassifier, np.c_[CLASSES, CLASSES % 2 + 5]),
    "numbers": (MLPRegressor, NUMBERS),
    "several numbers": (MLPRegressor, np.c_[NUMBERS, X[:, 1]]),
    "counts": (MLPRegressor, CLASSES),
}
PARAMETERS = {
    **{solver: {"solver": solver} for solver in [*OPTIMIZERS, "lbfgs"]},
    **{name: {"learning_rate": name, "solver": "sgd"} for name in SCHEDULES},
    **{f"{name} units": {"activation": name} for name in ACTIVATIONS},
    "regularised": {"batch_norm": True, "dropout": 0.2, "input_dropout": 0.1, "weight_decay": 0.1},
    "limits": {"clip_norm": 1.0, "max_norm": 2.0, "dtype": "float64", "init": "orthogonal"},
    "objects": {"activation": [LeakyReLU(0.3), "tanh"], "learning_rate": OneCycle(peak=0.4)},
    "nested": {"learning_rate": WarmUp(0.2, Exponential(0.5)), "shuffle": False},
    "linear": {"hidden_layer_sizes": ()},
    "generator": {"random_state": np.random.RandomState(3)},
    "early stopping": {"early_stopping": True, "scoring": "loss", "validation_fraction": 0.3},
    "numpy numbers": {"alpha": np.float64(0.1), "hidden_layer_sizes": np.array([5, 4])},
    "numpy types": {"dtype": np.float32},
    "numpy dtypes": {"dtype": np.dtype("float64")},
    "infinite": {"n_iter_no_change": np.inf},
}


@pytest.mark.parametrize(
    ("through", "warm_start"), [(through_skops, False), *((way, True) for way in WAYS)]
)
@pytest.mark.parametrize("name", PARAMETERS)
@pytest.mark.parametrize("cls", OURS)
def test_a_fit_goes_on_after_the_round_trip(cls, name, warm_start, through):
    y = CLASSES if cls is MLPClassifier else NUMBERS
    model = small(cls, warm_start=warm_start, **PARAMETERS[name]).fit(X, y)
    again = through(model)
    assert_same(again, model)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*is at its end")
        for _ in range(2):
            assert_same(again.fit(X, y), model.fit(X, y))


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("way", ["fit", "partial_fit", "warm_start", "early_stopping"])
def test_every_task_in_every_state(name, way):
    cls, y = TASKS[name]
    model, twin = (small(cls, warm_start=way == "warm_start") for _ in range(2))
    for m in (model, twin):
        m.set_params(early_stopping=way == "early_stopping", validation_fraction=0.3)
        if name == "counts":
            m.set_params(loss="poisson")
    listed = [np.unique(c) for c in y.T] if y.ndim == 2 else np.unique(y)
    listed = range(2) if name == "labels" else listed
    first = {"classes": listed} if cls is MLPClassifier and way == "partial_fit" else {}
    method = "partial_fit" if way == "partial_fit" else "fit"
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "validation_fraction: no effect")
        for call in range(3):
            more = first if call == 0 else {}
            getattr(model, method)(X, y, **more), getattr(twin, method)(X, y, **more)
            model = through_skops(model)
            assert_same(model, twin)


@pytest.mark.parametrize("cls", OURS)
@pytest.mark.parametrize("name", PARAMETERS)
def test_an_unfitted_estimator(cls, name):
    model = small(cls, **PARAMETERS[name])
    again = through_skops(model)
    assert repr(again) == repr(model) or name == "generator"
    y = CLASSES if cls is MLPClassifier else NUMBERS
    assert_same(again.fit(X, y), model.fit(X, y))


@pytest.mark.parametrize("cls", OURS)
def test_classes_of_ones_own_are_trusted_by_name(cls):
    y = CLASSES if cls is MLPClassifier else NUMBERS
    model = small(cls, activation=["relu", Cube()], learning_rate=halve, warm_start=True).fit(X, y)
    own = [f"{__name__}.Cube", f"{__name__}.halve"]
    assert set(skops.io.get_untrusted_types(data=skops.io.dumps(model))) == {OURS[cls], *own}
    again = through_skops(model, *own)
    assert_same(again.fit(X, y), model.fit(X, y))


@pytest.mark.parametrize("through", WAYS)
@pytest.mark.parametrize("cls", OURS)
def test_the_weights_are_still_views_and_shared(cls, through):
    y = CLASSES if cls is MLPClassifier else NUMBERS
    model = small(cls, warm_start=True, learning_rate_init=1e-30, alpha=0).fit(X, y)
    again = through(model)
    again.coefs_[0][:] = 1.0
    assert not np.array_equal(again.predict(X), model.predict(X))
    assert (model.coefs_[0] != 1.0).all()
    again.fit(X, y)
    assert_array_equal(again.coefs_[0], 1.0)
    networks = again._network, again._run.trainer.network
    assert np.shares_memory(*(n.parameters.values for n in networks)) == (cls is MLPClassifier)


def test_class_weights_and_names_and_sparse_rows():
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    weighted = small(MLPClassifier, class_weight={0: 1.0, 1: 2.0, 2: 0.5}, warm_start=True)
    assert_array_equal(through_skops(weighted.fit(frame, CLASSES)).feature_names_in_, frame.columns)
    balanced = small(MLPClassifier, class_weight="balanced", warm_start=True)
    rows = sparse.csr_array(X)
    again = through_skops(balanced.fit(rows, CLASSES))
    assert_same(again.fit(rows, CLASSES), balanced.fit(rows, CLASSES))


def test_in_a_pipeline():
    pipeline = make_pipeline(StandardScaler(), small(MLPRegressor, warm_start=True)).fit(X, NUMBERS)
    data = skops.io.dumps(pipeline)
    assert skops.io.get_untrusted_types(data=data) == [OURS[MLPRegressor]]
    again = skops.io.loads(data, trusted=[OURS[MLPRegressor]])
    assert_array_equal(again.fit(X, NUMBERS).predict(X), pipeline.fit(X, NUMBERS).predict(X))


@pytest.mark.parametrize(
    "name",
    ["os.system", "skdnn.engine.training.os", "skdnn.engine.activations.np", "builtins.eval",
     "skdnn.estimators.classifier.MLPClassifier", "skdnn.engine.layers.Missing", "x"],
)  # fmt: skip
def test_no_other_class_is_made(name):
    with pytest.raises(ValueError, match="There is no class"):
        from_plain([{CLASS: name, "state": None}])


@pytest.mark.parametrize("cls", OURS)
def test_a_shallow_copy_shares_and_a_clone_does_not(cls):
    y = CLASSES if cls is MLPClassifier else NUMBERS
    model = small(cls, activation=LeakyReLU(0.2)).partial_fit(
        X, y, **({"classes": [0, 1, 2]} if cls is MLPClassifier else {})
    )
    shallow = copy.copy(model)
    assert vars(shallow).keys() == vars(model).keys()
    assert np.shares_memory(shallow.coefs_[0], model.coefs_[0])
    assert clone(model).activation == LeakyReLU(0.2)
