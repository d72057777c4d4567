"""Whatever is wrong is said at once, in words that help, and leaves a fitted model as it was."""

import functools
import re
import warnings
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import joblib
import numpy as np
import pandas as pd
import pytest
from estimator_cases import BOTH, PEER, Callback, small_network
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.base import clone, is_classifier
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning, NotFittedError
from sklearn.metrics import make_scorer
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier as SklearnClassifier
from sklearn.neural_network import MLPRegressor as SklearnRegressor

from skdnn import MLPClassifier, MLPRegressor
from skdnn.estimators import checks
from skdnn.estimators._sklearn import Interval, StrOptions
from skdnn.estimators.checks import without_effect
from skdnn.estimators.hyperparameters import hidden_sizes

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3))
LABELS = np.arange(40) % 3
NUMBERS = X @ [1.0, -2.0, 0.5]


def y_for(estimator):
    return LABELS if is_classifier(estimator) else NUMBERS


small = functools.partial(small_network, hidden_layer_sizes=(4,), max_iter=3)


def error(function, *args, **kwargs):
    """Return what is raised, for comparison."""
    with pytest.raises(Exception) as caught:
        function(*args, **kwargs)
    return type(caught.value).__name__, str(caught.value)


def state(estimator):
    """Return a digest of everything the estimator holds, and would take into a file."""
    return joblib.hash(estimator.__getstate__())


# Parameters -----------------------------------------------------------------------------------


def choices():
    for cls in BOTH:
        for name, constraints in cls._parameter_constraints.items():
            for constraint in constraints:
                if isinstance(constraint, StrOptions):
                    yield pytest.param(cls, name, constraint.options, id=f"{cls.__name__}-{name}")


@pytest.mark.parametrize("cls, name, options", list(choices()))
def test_an_unknown_name_gets_the_list_of_the_known(cls, name, options):
    with pytest.raises(ValueError, match=rf"The '{name}' parameter of {cls.__name__}") as caught:
        small(cls, **{name: "nonsense"}).fit(X, y_for(cls()))
    assert "Got 'nonsense' instead" in str(caught.value)
    for option in options:
        assert repr(option) in str(caught.value)


@pytest.mark.parametrize("name", sorted(MLPClassifier().get_params()))
def test_no_parameter_takes_just_anything(name):
    with pytest.raises(ValueError, match=f"The '{name}' parameter of MLPClassifier must be"):
        small(MLPClassifier, **{name: object()}).fit(X, LABELS)


# What every number may be, as the documentation of the methods has it.
RANGES = {
    "positive": ("learning_rate_init", "epsilon", "clip_norm", "max_norm", "huber_delta"),
    "not negative": ("alpha", "weight_decay", "power_t", "tol"),
    "[0, 1)": ("beta_1", "beta_2", "rho", "validation_fraction", "warmup", "dropout",
               "input_dropout", "label_smoothing"),
    "[0, 1]": ("momentum",),
    "(0, 1]": ("batch_norm_momentum",),
    "(0, 1)": ("quantile",),
    "from 1": ("hidden_layer_sizes", "batch_size", "max_iter", "max_fun", "n_iter_no_change"),
}  # fmt: skip
TINY, ALMOST_1, ABOVE_1 = 5e-324, np.nextafter(1.0, 0.0), np.nextafter(1.0, 2.0)
ALLOWED = {
    "positive": [TINY, 1, 1e300],
    "not negative": [0, TINY, 1e300],
    "[0, 1)": [0, TINY, ALMOST_1],
    "[0, 1]": [0, TINY, ALMOST_1, 1],
    "(0, 1]": [TINY, ALMOST_1, 1],
    "(0, 1)": [TINY, ALMOST_1],
    "from 1": [1, 2, 10**9],
}
REFUSED = {
    "positive": [0, -TINY, np.nan],
    "not negative": [-TINY, np.nan],
    "[0, 1)": [-TINY, 1, 2, np.nan],
    "[0, 1]": [-TINY, ABOVE_1, np.nan],
    "(0, 1]": [0, ABOVE_1, np.nan],
    "(0, 1)": [0, 1, np.nan],
    "from 1": [0, -1, 1.5, np.nan],
}


def numbers_of(table):
    """Yield every number of a table with its estimator and parameter."""
    for cls in BOTH:
        for kind, names in RANGES.items():
            of_this = [name for name in names if name in cls().get_params()]
            yield from product([cls], of_this, table[kind])


def test_the_range_of_every_number_is_known():
    constraints = {k: v for cls in BOTH for k, v in cls._parameter_constraints.items()}
    numbers = [
        name
        for name, allowed in constraints.items()
        if any(isinstance(constraint, Interval) for constraint in allowed)
    ]
    assert {*numbers} == {name for names in RANGES.values() for name in names}


@pytest.mark.parametrize("cls, name, value", [*numbers_of(REFUSED)])
def test_numbers_out_of_range_are_refused(cls, name, value):
    with pytest.raises(ValueError, match=rf"\b{name}\b"):
        small(cls, **{name: value}).fit(X, y_for(cls()))


@pytest.mark.slow
@pytest.mark.parametrize("cls, name, value", [*numbers_of(ALLOWED)])
def test_numbers_at_the_ends_of_their_range_are_allowed(cls, name, value):
    small(cls, **{name: value})._validate_params()


@pytest.mark.parametrize(
    "name, value",
    [
        ("alpha", -1), ("alpha", "small"), ("batch_size", -1), ("batch_size", "all"),
        ("learning_rate_init", 0), ("learning_rate_init", "0.1"), ("power_t", -1),
        ("max_iter", 0), ("max_iter", 1.5), ("shuffle", "yes"), ("random_state", -1), ("tol", -1),
        ("warm_start", "no"), ("momentum", 1.1), ("nesterovs_momentum", None),
        ("early_stopping", "auto"), ("validation_fraction", 1), ("beta_1", 1), ("beta_2", -0.1),
        ("epsilon", 0), ("n_iter_no_change", 0), ("max_fun", 0), ("hidden_layer_sizes", 0),
        ("hidden_layer_sizes", (4, 0)), ("hidden_layer_sizes", (4, -1)),
    ],
)  # fmt: skip
def test_bad_parameters_get_the_words_of_scikit_learn(cls, name, value):
    parameters = {"max_iter": 3, name: value}
    ours = error(cls(**parameters).fit, X, y_for(cls()))
    assert ours == error(PEER[cls](**parameters).fit, X, y_for(cls()))
    assert name in ours[1]


@pytest.mark.parametrize(
    "sizes",
    [
        0,
        -3,
        (0,),
        (5, -1),
        (2.5,),
        (5, 2.0),
        ("5",),
        2.5,
        None,
        [[3]],
        True,
        False,
        (True,),
        (4, np.True_),
        np.array(True),
        np.array(2.5),
        np.array("5"),
        np.array([[4, 4]]),
        "5",
        "55",
        [(4, 4)],
        np.array(0),
        np.array([4.0]),
        {}.keys,
        [None],
        [np.nan],
        np.float64(4),
    ],
)
def test_hidden_layers_have_a_positive_whole_number_of_units(cls, sizes):
    with pytest.raises(ValueError, match="hidden_layer_sizes"):
        cls(hidden_layer_sizes=sizes).fit(X, y_for(cls()))


@pytest.mark.parametrize(
    "sizes",
    [np.array(4), np.array([4]), np.int8(4), [np.int64(4)], [np.array(4)], range(4, 5), (4,)],
    ids=repr,
)
def test_any_whole_number_of_units_will_do(cls, sizes):
    y = y_for(cls())
    model = cls(hidden_layer_sizes=sizes, max_iter=3, random_state=0).fit(X, y)
    assert_array_equal(model.predict(X), small(cls, hidden_layer_sizes=4).fit(X, y).predict(X))
    twin = clone(model).fit(X, y)
    assert_array_equal(model.predict(X), twin.predict(X))


@pytest.mark.parametrize("value", [0.01, 1, 0, np.float64(0.5)])
def test_a_number_as_learning_rate_is_told_its_place(cls, value):
    with pytest.raises(ValueError, match=r"'learning_rate' parameter.*learning_rate_init=") as e:
        small(cls, learning_rate=value).fit(X, y_for(cls()))
    assert str(float(value)).rstrip("0").rstrip(".") in str(e.value)


SCHEDULES_GONE_WRONG = {
    "no arguments": lambda: 1.0,
    "one argument": lambda progress: 1.0,
    "three arguments": lambda progress, n, more: 1.0,
    "keywords": lambda *, progress, n: 1.0,
    "None": lambda progress, n: None,
    "nan": lambda progress, n: np.nan,
    "infinite": lambda progress, n: np.inf,
    "negative": lambda progress, n: -0.1,
    "text": lambda progress, n: "fast",
    "an array": lambda progress, n: np.ones(2),
    "complex": lambda progress, n: 1j,
    "nan at the end": lambda progress, n: np.nan if progress == 1.0 else 1.0,
    "negative at the end": lambda progress, n: 0.5 - progress,
    "None in the middle": lambda progress, n: None if 0.3 < progress < 0.9 else 1.0,
    "negative in the middle": lambda progress, n: (progress - 0.5) ** 2 - 0.01,
    "nan after some rows": lambda progress, n: np.nan if n > 50 else 1.0,
}  # fmt: skip


def test_a_function_without_a_signature_may_be_a_schedule_as_learning_rate(cls):
    """Python's `min` does not say what it takes; of the progress and the rows it is the first."""
    nameless, written = (
        small(cls, learning_rate=schedule).fit(X, y_for(cls()))
        for schedule in (min, lambda progress, n: min(progress, n))
    )
    assert nameless.history_["learning_rate"] == written.history_["learning_rate"]


@pytest.mark.parametrize("schedule", SCHEDULES_GONE_WRONG.values(), ids=SCHEDULES_GONE_WRONG)
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_a_schedule_that_goes_wrong_is_named_as_learning_rate(cls, schedule, solver):
    y = y_for(cls())
    model = small(cls, max_iter=10, learning_rate=schedule, solver=solver)
    with pytest.raises(ValueError, match=r"learning_rate=.*(must return|must take two arguments)"):
        model.fit(X, y)
    assert not hasattr(model, "coefs_")
    with pytest.raises(ValueError, match="learning_rate="):
        for _ in range(10):
            model.partial_fit(X, y, **_classes(cls, "partial_fit"))


@pytest.mark.parametrize(
    "schedule",
    [
        lambda progress, n: 1, lambda progress, n: np.float32(1), lambda progress, n: np.array(1.0),
        lambda p, n_samples_seen=0: True, lambda *args: 1.0,
        functools.partial(lambda factor, p, n: factor, 1.0),
    ],
)  # fmt: skip
def test_any_schedule_of_two_arguments_will_do_as_learning_rate(cls, schedule):
    y = y_for(cls())
    expected = small(cls).fit(X, y).predict(X)
    assert_array_equal(small(cls, learning_rate=schedule).fit(X, y).predict(X), expected)


DTYPES = [
    np.float32,
    np.dtype("float32"),
    "f4",
    "single",
    ">f4",
    np.float64,
    np.dtype(float),
    "f8",
    float,
]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_dtype_as_numpy_takes_it(cls, dtype):
    y, name = y_for(cls()), np.dtype(dtype).name
    model = small(cls, dtype=dtype).fit(X, y)
    assert model.coefs_[0].dtype == name and model.dtype is dtype
    expected = small(cls, dtype=name).fit(X, y)
    assert_array_equal(model.predict(X), expected.predict(X))
    model.set_params(dtype=name, warm_start=True).fit(X, y)  # is no change
    clone(model).partial_fit(X, y, **_classes(cls, "partial_fit"))


@pytest.mark.parametrize(
    "dtype", [np.float16, "f2", int, np.dtype("int64"), None, object, "g", 4, X]
)
def test_no_other_dtype(cls, dtype):
    words = "'dtype' parameter of .*'float32', 'float64'|'dtype' .*'float64', 'float32'"
    with pytest.raises(ValueError, match=words):
        small(cls, dtype=dtype).fit(X, y_for(cls()))


@pytest.mark.parametrize("name, values", [("activation", ["relu", "tanh"]), ("dropout", [0.1, 0])])
@pytest.mark.parametrize("sizes", [(), (4,), (4, 4, 4)])
def test_a_list_has_one_entry_a_hidden_layer(cls, name, values, sizes):
    words = rf"{name} has 2 entries, but hidden_layer_sizes has {len(sizes)}"
    with pytest.raises(ValueError, match=words):
        small(cls, hidden_layer_sizes=sizes, **{name: values}).fit(X, y_for(cls()))


@pytest.mark.parametrize("rates", [[0.1, 1.0], [0.1, -0.1], [0.1, "half"], [None, 0.1]])
def test_every_dropout_rate_is_checked(cls, rates):
    with pytest.raises(ValueError, match=r"dropout must be in \[0, 1\)"):
        small(cls, hidden_layer_sizes=(4, 4), dropout=rates).fit(X, y_for(cls()))


@pytest.mark.parametrize("entry", ["rleu", object(), None])
def test_every_entry_of_a_list_of_activations_is_checked(cls, entry):
    with pytest.raises(ValueError, match=r"activation.*'relu'"):
        small(cls, hidden_layer_sizes=(4, 4), activation=["relu", entry]).fit(X, y_for(cls()))


# Parameters that contradict each other --------------------------------------------------------


def test_batch_norm_needs_a_batch(cls):
    with pytest.raises(ValueError, match="batch_norm=True needs a batch_size of at least 2"):
        small(cls, batch_norm=True, batch_size=1).fit(X, y_for(cls()))


@pytest.mark.parametrize("given", ["X_val", "y_val", "sample_weight_val"])
def test_validation_data_come_together(cls, given):
    part = {"X_val": X, "y_val": y_for(cls()), "sample_weight_val": np.ones(40)}[given]
    with pytest.raises(ValueError, match="X_val and y_val must be given together"):
        small(cls).fit(X, y_for(cls()), **{given: part})


@pytest.mark.parametrize(
    "X_val, y_val, words",
    [
        (X[:, :2], None, "X_val has 2 features, but .* is expecting 3 features"),
        (X[:5], None, "inconsistent numbers of samples"),
        (np.full((40, 3), np.nan), None, "X_val contains NaN"),
        (X, np.full(40, np.nan), "y_val contains NaN"),
        (X, np.ones((40, 2)), None),
    ],
)
def test_validation_data_are_checked_like_the_others(cls, X_val, y_val, words):
    y = y_for(cls())
    model = small(cls)
    with pytest.raises(ValueError, match=words):
        model.fit(X, y, X_val=X_val, y_val=y if y_val is None else y_val)
    assert not hasattr(model, "n_iter_")


@pytest.mark.parametrize(
    "name, value",
    [
        ("X_val", X[:, :2]),
        ("X_val", np.full((40, 3), np.inf)),
        ("X_val", [["a"] * 3] * 40),
        ("y_val", LABELS[:-1]),
        ("y_val", [None] * 40),
        ("y_val", ["a"] * 40),
        ("sample_weight_val", np.full(40, np.nan)),
        ("sample_weight_val", np.ones(39)),
        ("sample_weight_val", np.full(40, -1)),
    ],
)
def test_an_error_in_validation_data_names_them(cls, name, value):
    given = {"X_val": X, "y_val": y_for(cls()), "sample_weight_val": np.ones(40)} | {name: value}
    with pytest.raises(ValueError, match=rf"\b{name}\b"):
        small(cls).fit(X, y_for(cls()), **given)


def test_validation_labels_must_be_known():
    y_val = LABELS.copy()
    y_val[0] = 7
    with pytest.raises(ValueError, match=r"`y_val` has classes not in `self.classes_`"):
        small(MLPClassifier).fit(X, LABELS, X_val=X, y_val=y_val)


def test_partial_fit_cannot_stop_early_with_early_stopping(cls):
    more = {"classes": [0, 1, 2]} if cls is MLPClassifier else {}
    with pytest.raises(ValueError, match="partial_fit does not support early_stopping=True"):
        small(cls, early_stopping=True).partial_fit(X, y_for(cls()), **more)


def test_lbfgs_has_no_partial_fit(cls):
    model = small(cls, solver="lbfgs")
    assert not hasattr(model, "partial_fit")
    with pytest.raises(AttributeError, match="has no attribute 'partial_fit'") as caught:
        model.partial_fit(X, y_for(cls()))
    assert "lbfgs is not stochastic" in str(caught.value.__cause__)


@pytest.mark.parametrize("loss", ["hinge", "perceptron"])
@pytest.mark.parametrize("method", ["predict_proba", "predict_log_proba"])
def test_margins_are_no_probabilities(loss, method):
    model = small(MLPClassifier, loss=loss)
    assert not hasattr(model, method)
    model.fit(X, LABELS)
    with pytest.raises(AttributeError, match=f"has no attribute '{method}'") as caught:
        getattr(model, method)(X)
    assert f"loss='{loss}'" in str(caught.value.__cause__)
    assert model.decision_function(X).shape == (40, 3)


@pytest.mark.parametrize(
    "loss, bad, words",
    [("poisson", -1.0, "poisson.*y ≥ 0: -1 is"), ("gamma", 0.0, "gamma.*y > 0: 0 is")],
)
def test_deviances_need_their_range(loss, bad, words):
    y = np.abs(NUMBERS) + 0.1
    y[7] = bad
    with pytest.raises(ValueError, match=words):
        small(MLPRegressor, loss=loss).fit(X, y)
    y[7] = 0.0 if loss == "poisson" else 1e-3  # on the border, all is well
    small(MLPRegressor, loss=loss).fit(X, y)


def test_the_first_partial_fit_needs_the_classes():
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        small(MLPClassifier).partial_fit(X, LABELS)


def test_classes_do_not_change():
    model = small(MLPClassifier).partial_fit(X, LABELS, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="is not the same as on last call to partial_fit"):
        model.partial_fit(X, LABELS, classes=[0, 1, 2, 3])
    with pytest.raises(ValueError, match=r"`y` has classes not in `self.classes_`"):
        model.partial_fit(X, LABELS + 1)
    model.partial_fit(X, LABELS, classes=[2, 1, 0])  # in any order


def test_balance_is_unknown_bit_by_bit_with_class_weight():
    model = small(MLPClassifier, class_weight="balanced")
    with pytest.raises(
        ValueError, match="class_weight='balanced' is not supported for partial_fit"
    ):
        model.partial_fit(X, LABELS, classes=[0, 1, 2])


@pytest.mark.parametrize("weights", [{0: 1.0, 5: 2.0}, {"a": 1.0}])
def test_class_weights_name_known_classes(weights):
    with pytest.raises(ValueError, match="classes"):
        small(MLPClassifier, class_weight=weights).fit(X, LABELS)


@pytest.mark.parametrize("weight", [-1.0, np.nan, np.inf])
def test_class_weights_are_weights(weight):
    model = small(MLPClassifier, class_weight={0: weight, 1: 1.0, 2: 1.0})
    with pytest.raises(ValueError, match="class_weight"):
        model.fit(X, LABELS)


def test_no_class_has_weight():
    with pytest.raises(ValueError, match=r"weight zero.*class_weight"):
        small(MLPClassifier, class_weight=dict.fromkeys(range(3), 0.0)).fit(X, LABELS)


def test_the_classes_of_several_outputs_come_in_one_list_each():
    with pytest.raises(ValueError, match="classes"):
        small(MLPClassifier).partial_fit(X, np.c_[LABELS, LABELS], classes=[[0, 1, 2]])


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_an_indicator_matrix_stays_one(method):
    model = small(MLPClassifier, warm_start=True).fit(X, np.c_[LABELS > 0, LABELS > 1].astype(int))
    before = model.predict_proba(X)
    for Y in (np.c_[LABELS, LABELS], np.c_[LABELS > 0], LABELS):
        with warnings.catch_warnings(), pytest.raises(ValueError, match="`y`"):
            warnings.simplefilter("ignore", DataConversionWarning)
            getattr(model, method)(X, Y)
    assert_array_equal(model.predict_proba(X), before)


def test_a_warm_start_keeps_the_classes():
    model = small(MLPClassifier, warm_start=True).fit(X, LABELS)
    peer = SklearnClassifier(max_iter=3, warm_start=True).fit(X, LABELS)
    for y in (LABELS + 1, LABELS % 2, np.arange(40) % 4):
        ours, theirs = error(model.fit, X, y), error(peer.fit, X, y)
        assert ours == theirs
        assert "same classes as in the previous call to fit" in ours[1]


def test_a_warm_start_keeps_the_outputs():
    model = small(MLPRegressor, warm_start=True).fit(X, NUMBERS)
    with pytest.raises(ValueError, match=r"must have 1 outputs. Got 2"):
        model.fit(X, np.c_[NUMBERS, NUMBERS])


@pytest.mark.parametrize(
    "change", [{"hidden_layer_sizes": (5,)}, {"hidden_layer_sizes": ()}, {"batch_norm": True}]
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_warm_start_keeps_the_architecture(cls, change, method):
    y = y_for(cls())
    model = small(cls, warm_start=True).fit(X, y)
    before = model.predict(X)
    with pytest.raises(ValueError, match="hidden_layer_sizes and batch_norm are as in the prev"):
        getattr(model.set_params(**change), method)(X, y)
    assert_array_equal(model.predict(X), before)


# Parameters without effect --------------------------------------------------------------------

CHANGED = {
    "learning_rate": "cosine", "learning_rate_init": 0.1, "power_t": 0.1, "warmup": 0.5,
    "momentum": 0.1, "nesterovs_momentum": False, "beta_1": 0.5, "beta_2": 0.5, "epsilon": 1e-3,
    "rho": 0.5, "weight_decay": 0.9, "dropout": 0.5, "input_dropout": 0.5, "clip_norm": 1e-3,
    "max_norm": 0.1, "batch_size": 7, "batch_norm_momentum": 0.9, "shuffle": False, "max_fun": 1,
    "activation": "tanh", "batch_norm": True, "validation_fraction": 0.4, "scoring": "loss",
    "label_smoothing": 0.5, "huber_delta": 0.01, "quantile": 0.9, "n_iter_no_change": 3,
}  # fmt: skip
SETTINGS = [
    *({"solver": s} for s in (
        "adam", "sgd", "adagrad", "rmsprop", "adadelta", "adamax", "nadam", "amsgrad", "lbfgs"
    )),
    {"hidden_layer_sizes": ()},
    {"learning_rate": "adaptive"},
    {"loss": "hinge"},
    {"loss": "perceptron"},
    {"loss": "poisson", "validation data": True},
    {"loss": "huber", "validation data": True, "early_stopping": True},
    {"loss": "quantile"},
]  # fmt: skip


def idle():
    """Yield every parameter that `without_effect` names, with the settings that make it idle."""
    for cls in BOTH:
        for settings in SETTINGS:
            settings = dict(settings)
            validated = settings.pop("validation data", False)
            model = small(cls, **settings)
            losses = cls._parameter_constraints["loss"][0]
            if not losses.is_satisfied_by(model.loss):
                continue
            for condition, names in without_effect(model, len(hidden_sizes(model)), validated):
                for name in sorted(set(names) & set(model.get_params())):
                    case = cls, settings, validated, condition, name
                    yield pytest.param(*case, id=f"{cls.__name__}-{condition}-{name}")


def peer_is_silent(cls, parameters):
    """Whether scikit-learn's estimator has these parameters and values, and says nothing."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", category=ConvergenceWarning)
            PEER[cls](**{"max_iter": 3, "hidden_layer_sizes": (4,)} | parameters).fit(
                X, y_for(cls())
            )
    except (TypeError, ValueError):
        return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize("cls, settings, validated, condition, name", list(idle()))
def test_an_idle_parameter_is_named_and_is_idle(cls, settings, validated, condition, name):
    """… but for those with which scikit-learn's estimator is idle and silent."""
    y = np.abs(y_for(cls()))
    held_out = {"X_val": X[:9], "y_val": y[:9]} if validated else {}
    plain = small(cls, **settings).fit(X, y, **held_out)
    changed = small(cls, **settings, **{name: CHANGED[name]})
    reason = condition.split("=")[0]
    concerned = {name: CHANGED[name]} | {k: v for k, v in settings.items() if k == reason}
    words = rf"\b{name}\b.*: no effect with {re.escape(condition)}"
    if condition != checks.HELD_OUT and peer_is_silent(cls, concerned):
        changed.fit(X, y, **held_out)  # warnings are errors
    else:
        with pytest.warns(UserWarning, match=words):
            changed.fit(X, y, **held_out)
    assert_array_equal(changed._network.parameters.values, plain._network.parameters.values)


def caught(function):
    """Return the warnings of idle parameters."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        function()
    return [str(w.message) for w in found if "no effect" in str(w.message)]


PEER_GRIDS = [
    {
        "solver": ["adam", "sgd", "lbfgs"], "learning_rate": ["constant", "invscaling", "adaptive"],
        "momentum": [0.5, 0.9], "batch_size": [10, 20], "learning_rate_init": [0.01],
    },
    {
        "solver": ["lbfgs", "adam", "sgd"], "beta_1": [0.8], "beta_2": [0.99], "power_t": [0.3],
        "nesterovs_momentum": [False], "epsilon": [1e-7], "shuffle": [False], "max_fun": [100],
        "n_iter_no_change": [5], "validation_fraction": [0.2], "momentum": [0.0],
    },
    {"hidden_layer_sizes": [(), (3,)], "activation": ["tanh", "logistic", "identity"]},
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("grid", PEER_GRIDS)
def test_a_grid_made_for_scikit_learn_is_not_told_anything(cls, grid):
    search = GridSearchCV(small(cls), grid, cv=2)
    assert caught(lambda: search.fit(X, y_for(cls()))) == []


OWN_GRID = {
    "solver": ["adam", "rmsprop", "lbfgs"], "momentum": [0.5, 0.8], "rho": [0.8, 0.95],
    "learning_rate": ["cosine", "constant"], "batch_size": [10, 20], "dropout": [0.1],
}  # fmt: skip


@pytest.mark.slow
def test_every_reason_is_given_once_a_process(cls):
    search = GridSearchCV(small(cls), OWN_GRID, cv=2)
    found = caught(lambda: search.fit(X, y_for(cls())))
    assert sorted(found) == [
        "dropout, learning_rate, rho: no effect with solver='lbfgs'.",
        "momentum: no effect with solver='rmsprop'.",
        "rho: no effect with solver='adam'.",
    ]
    assert caught(lambda: search.fit(X, y_for(cls()))) == []
    one_more = small(cls, solver="lbfgs", dropout=0.1, weight_decay=0.2)
    assert caught(lambda: one_more.fit(X, y_for(cls()))) == [
        "weight_decay: no effect with solver='lbfgs'."
    ]


def test_a_warning_that_is_an_error_is_one_every_time(cls):
    model = small(cls, rho=0.5)
    for _ in range(3):
        with pytest.raises(UserWarning, match="rho: no effect with solver='adam'"):
            model.fit(X, y_for(cls()))
    assert not hasattr(model, "coefs_")
    assert len(caught(lambda: model.fit(X, y_for(cls())))) == 1


def test_many_threads_are_told_once(cls):
    models = [small(cls, rho=0.5) for _ in range(16)]

    def fit_all():
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda m: m.fit(X, y_for(cls())), models))

    assert len(caught(fit_all)) == 1


def told_in_a_worker():
    return len(caught(lambda: [small(MLPClassifier, rho=0.5).fit(X, LABELS) for _ in range(3)]))


@pytest.mark.slow
def test_every_process_is_told_once():
    """A worker of joblib may run several of the calls, and says it in the first."""
    told = joblib.Parallel(n_jobs=2)(joblib.delayed(told_in_a_worker)() for _ in range(4))
    assert set(told) <= {0, 1} and 1 <= sum(told) <= 2
    assert told_in_a_worker() == 1


ACTIVE = [
    *((c, {"solver": s}, n) for c in BOTH for s, names in {
        "adam": ["beta_1", "beta_2", "epsilon"], "sgd": ["momentum", "nesterovs_momentum"],
        "rmsprop": ["rho", "epsilon"], "adadelta": ["rho", "epsilon"], "adagrad": ["epsilon"],
        "adamax": ["beta_1", "beta_2"], "nadam": ["beta_1", "beta_2", "epsilon"],
        "amsgrad": ["beta_1", "beta_2", "epsilon"], "lbfgs": ["max_fun", "activation"],
    }.items() for n in names),
    *((c, {}, n) for c in BOTH for n in (
        "learning_rate", "learning_rate_init", "warmup", "weight_decay", "dropout", "input_dropout",
        "clip_norm", "max_norm", "batch_size", "shuffle", "activation", "batch_norm",
    )),
    *((c, {"learning_rate": "invscaling"}, "power_t") for c in BOTH),
    *((c, {"batch_norm": True}, "batch_norm_momentum") for c in BOTH),
    *((c, {"early_stopping": True}, "validation_fraction") for c in BOTH),
    (MLPClassifier, {}, "label_smoothing"),
    (MLPRegressor, {"loss": "huber"}, "huber_delta"),
    (MLPRegressor, {"loss": "quantile"}, "quantile"),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("cls, settings, name", ACTIVE)
def test_a_parameter_with_effect_does_not_warn(cls, settings, name):
    if settings.get("solver") != "lbfgs":
        settings = {"batch_size": 20, **settings}  # two steps an epoch: their order matters
    plain = small(cls, **settings).fit(X, y_for(cls()))
    changed = small(cls, **settings | {name: CHANGED[name]}).fit(X, y_for(cls()))
    values = plain._network.parameters.values, changed._network.parameters.values
    assert not np.array_equal(*values)


def test_defaults_do_not_warn(cls):
    y = y_for(cls())
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("ignore", category=DataConversionWarning)
        cls(tol=1.0, n_iter_no_change=1).fit(X, y)  # ends by itself, without a warning
        cls(solver="lbfgs", alpha=10.0, max_iter=2000).fit(X, y)
        cls(tol=1.0, n_iter_no_change=1, early_stopping=True).fit(X, y)


def test_a_batch_larger_than_the_data_is_clipped_with_a_warning(cls):
    y = y_for(cls())
    with pytest.warns(UserWarning, match="`batch_size`.*clipped.*batch_size=41"):
        clipped = small(cls, batch_size=41).fit(X, y)
    assert_array_equal(clipped.coefs_[0], small(cls, batch_size=40).fit(X, y).coefs_[0])


@pytest.mark.parametrize("n", [1, 7, 40])
def test_a_chunk_smaller_than_a_batch_is_no_matter(cls, n):
    """… for partial_fit: chunks are as large as they are."""
    model, y = small(cls, batch_size=32), y_for(cls())
    for start in range(0, 40, n):
        rows = slice(start, start + n)
        model.partial_fit(X[rows], y[rows], **_classes(cls, "partial_fit"))  # warnings are errors


# Data -----------------------------------------------------------------------------------------


def spoiled(value):
    bad = X.astype(object) if isinstance(value, str) else X.copy()
    bad[3, 1] = value
    return bad


BAD_X = {
    "NaN": spoiled(np.nan),
    "text": spoiled("red"),
    "text frame": pd.DataFrame({"a": ["red"] * 40, "b": 1.0}),
    "three dimensions": X[None],
    "a number": 3.0,
    "complex": X.astype(complex),
    "no rows": X[:0],
    "no columns": X[:, :0],
    "fewer rows than y": X[:30],
    "sparse NaN": sparse.csr_array(spoiled(np.nan)),
}


@pytest.mark.parametrize("X_bad", BAD_X.values(), ids=BAD_X)
def test_bad_inputs_get_the_words_of_scikit_learn(cls, X_bad):
    y = y_for(cls())
    y = y[: len(X_bad)] if isinstance(X_bad, np.ndarray) and len(X_bad) == 0 else y
    assert error(small(cls).fit, X_bad, y) == error(PEER[cls](max_iter=3).fit, X_bad, y)


@pytest.mark.parametrize("X_bad", [spoiled(np.inf), spoiled(-np.inf), spoiled(1e39)])
@pytest.mark.parametrize("convert", [np.asarray, pd.DataFrame, sparse.csr_array])
def test_infinity_is_refused_and_what_float32_takes_for_it(cls, X_bad, convert):
    with pytest.raises(ValueError, match=r"X contains infinity or a value too large for .*float32"):
        small(cls).fit(convert(X_bad), y_for(cls()))


@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_array])
def test_what_float32_takes_for_infinity_is_refused_at_prediction(cls, convert):
    model = small(cls).fit(X, y_for(cls()))
    with pytest.raises(ValueError, match=r"X contains infinity or a value too large for .*float32"):
        model.predict(convert(spoiled(1e39)))


def test_values_near_the_end_of_float32_are_reported_once_with_normalize_x(cls):
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        with pytest.raises(ValueError, match="Solver produced non-finite parameter weights"):
            model = small(cls, solver="sgd", learning_rate_init=1e10, normalize_X=False)
            model.fit(1e38 * X, y_for(cls()))


def test_double_precision_takes_large_values_with_dtype(cls):
    scale = np.array([1.0, 1e39, 1.0])
    for parameters in ({"dtype": "float64"}, {"solver": "lbfgs"}):
        model = small(cls, learning_rate_init=1e-3, **parameters) if "dtype" in parameters else (
            small(cls, **parameters)
        )  # fmt: skip
        kind, text = "", ""
        try:
            model.fit(X * scale, y_for(cls()))
        except ValueError as e:  # training may fail, but not the check
            kind, text = type(e).__name__, str(e)
        assert "float32" not in text, (kind, text)


@pytest.mark.parametrize("shape", [40, (1, 40)])
def test_one_dimension_too_few_or_the_wrong_way_round(cls, shape):
    words = "Expected 2D array, got 1D array" if shape == 40 else "inconsistent numbers of samples"
    with pytest.raises(ValueError, match=words):
        small(cls).fit(X[:, 0].reshape(shape), y_for(cls()))


BAD_LABELS = {
    "NaN": np.where(LABELS == 1, np.nan, LABELS),
    "mixed": np.array(["a", 1] * 20, dtype=object),
    "too few": LABELS[:-1],
    "three dimensions": np.ones((40, 2, 2)),
}


@pytest.mark.parametrize("y_bad", BAD_LABELS.values(), ids=BAD_LABELS)
def test_bad_labels_get_the_words_of_scikit_learn(y_bad):
    ours = error(small(MLPClassifier).fit, X, y_bad)
    assert ours == error(SklearnClassifier(max_iter=3).fit, X, y_bad)


@pytest.mark.parametrize("y", [NUMBERS, np.c_[NUMBERS, NUMBERS]])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_classifier_refuses_continuous_numbers(y, method):
    more = {"classes": [0, 1]} if method == "partial_fit" else {}
    if y.ndim == 2 and more:
        more = {"classes": [[0, 1], [0, 1]]}
    with pytest.raises(ValueError):
        getattr(small(MLPClassifier), method)(X, y, **more)
    if method == "fit":
        with pytest.raises(ValueError, match="Unknown label type: continuous"):
            small(MLPClassifier).fit(X, y)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_regressor_refuses_what_is_no_number(bad):
    y = NUMBERS.copy()
    y[5] = bad
    assert error(small(MLPRegressor).fit, X, y) == error(SklearnRegressor().fit, X, y)
    with pytest.raises(ValueError, match="Convert your data to numeric values"):
        small(MLPRegressor).fit(X, ["red"] * 40)


@pytest.mark.parametrize("scale", [1e39, 1e300])
@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "poisson"])
@pytest.mark.parametrize("normalize_y", [True, False])
def test_what_float32_takes_for_infinity_is_refused_in_y_with_normalize_y(scale, loss, normalize_y):
    model = small(MLPRegressor, loss=loss, normalize_y=normalize_y)
    with pytest.raises(ValueError, match=r"y contains infinity or a value too large for .*float32"):
        model.fit(X, scale * np.abs(NUMBERS))


def test_y_is_needed(cls):
    with pytest.raises(ValueError, match=f"{cls.__name__} requires y to be passed"):
        small(cls).fit(X, None)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'y'"):
        small(cls).fit(X)


def test_one_row_is_too_little_for_a_split_with_early_stopping():
    with pytest.raises(ValueError, match=r"validation set is too small"):
        small(MLPRegressor, early_stopping=True).fit(X[:1], NUMBERS[:1])
    with pytest.raises(ValueError, match=r"validation set is too small.*'validation_fraction'"):
        small(MLPRegressor, early_stopping=True).fit(X[:8], NUMBERS[:8])


BAD_WEIGHTS = {
    "all zero": np.zeros(40),
    "too few": np.ones(39),
    "two columns": np.ones((40, 2)),
    "text": np.array(["heavy"] * 40),
    "NaN": np.full(40, np.nan),
    "infinite": np.full(40, np.inf),
}


@pytest.mark.parametrize("weight", BAD_WEIGHTS.values(), ids=BAD_WEIGHTS)
def test_bad_weights_get_the_words_of_scikit_learn(cls, weight):
    ours = error(small(cls).fit, X, y_for(cls()), sample_weight=weight)
    assert ours == error(PEER[cls](max_iter=3).fit, X, y_for(cls()), sample_weight=weight)
    assert "weight" in ours[1] or "heavy" in ours[1]


def test_weights_float32_takes_for_infinity_are_refused(cls):
    with pytest.raises(ValueError, match=r"sample_weight .*too large"):
        small(cls).fit(X, y_for(cls()), sample_weight=np.full(40, 1e39))


@pytest.mark.parametrize("name", ["sample_weight", "sample_weight_val"])
def test_negative_weights_are_refused(cls, name):
    y, weight = y_for(cls()), np.ones(40)
    weight[3] = -1.0
    with pytest.raises(ValueError, match=f"Negative values in data passed to `{name}`"):
        small(cls).fit(X, y, X_val=X, y_val=y, **{name: weight})


def test_a_class_without_weight_is_no_class():
    model = small(MLPClassifier).fit(X, LABELS, sample_weight=(LABELS < 2).astype(float))
    rest = small(MLPClassifier).fit(X[LABELS < 2], LABELS[LABELS < 2])
    assert_array_equal(model.classes_, [0, 1])
    assert_array_equal(model.predict_proba(X), rest.predict_proba(X))


# Prediction -----------------------------------------------------------------------------------

NAMED = pd.DataFrame(X, columns=["a", "b", "c"])
BAD_AT_PREDICTION = {
    "NaN": (X, spoiled(np.nan)),
    "inf": (X, spoiled(np.inf)),
    "text": (X, np.array([["a", "b", "c"]])),
    "one column too few": (X, X[:, :2]),
    "one column too many": (X, np.c_[X, X]),
    "one dimension": (X, X[0]),
    "no rows": (X, X[:0]),
    "other names": (NAMED, NAMED.rename(columns={"b": "beta"})),
    "other order": (NAMED, NAMED[["c", "b", "a"]]),
    "a missing name": (NAMED, NAMED[["a", "b"]]),
}


@pytest.mark.parametrize("X_fit, X_bad", BAD_AT_PREDICTION.values(), ids=BAD_AT_PREDICTION)
def test_bad_inputs_at_prediction_get_the_words_of_scikit_learn(cls, X_fit, X_bad):
    y = y_for(cls())
    model, peer = small(cls).fit(X_fit, y), PEER[cls](max_iter=3).fit(X_fit, y)
    assert error(model.predict, X_bad) == error(peer.predict, X_bad)
    assert error(model.score, X_bad, y[: len(X_bad)])[0] == "ValueError"


def test_missing_names_warn_as_in_scikit_learn(cls):
    model = small(cls).fit(NAMED, y_for(cls()))
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        without = model.predict(X)
    assert_array_equal(without, model.predict(NAMED))
    with pytest.warns(UserWarning, match="X has feature names, but .* was fitted without"):
        small(cls).fit(X, y_for(cls())).predict(NAMED)


@pytest.mark.parametrize("cls, method", [
    *((cls, method) for cls in BOTH for method in ("predict", "score")),
    *((MLPClassifier, m) for m in ("predict_proba", "predict_log_proba", "decision_function")),
])  # fmt: skip
def test_nothing_is_predicted_before_fit(cls, method):
    args = (X, y_for(cls())) if method == "score" else (X,)
    with pytest.raises(NotFittedError, match=f"This {cls.__name__} instance is not fitted yet"):
        getattr(small(cls), method)(*args)


@pytest.mark.parametrize(
    "attribute",
    ["coefs_", "intercepts_", "loss_", "history_", "n_iter_", "best_iter_", "n_features_in_"],
)
def test_there_are_no_results_before_fit(cls, attribute):
    model = small(cls)
    assert not hasattr(model, attribute)
    with pytest.raises(AttributeError, match=attribute):
        getattr(model, attribute)


# Nothing is half overwritten ------------------------------------------------------------------

FAILURES = {
    "parameter": lambda m, y: m.set_params(solver="best").fit(X, y),
    "contradiction": lambda m, y: m.set_params(batch_norm=True, batch_size=1).fit(X, y),
    "NaN": lambda m, y: m.fit(spoiled(np.nan), y),
    "columns": lambda m, y: m.fit(np.zeros((40, 0)), y),
    "text": lambda m, y: m.fit(spoiled("red"), y),
    "more columns, fewer rows": lambda m, y: m.fit(np.ones((39, 9)), y),
    "y": lambda m, y: m.fit(X, np.full(40, np.nan)),
    "weight": lambda m, y: m.fit(X, y, sample_weight=-np.ones(40)),
    "held-out rows": lambda m, y: m.fit(X, y, X_val=X[:, :1], y_val=y),
    "split": lambda m, y: m.set_params(early_stopping=True, validation_fraction=0.01).fit(X, y),
    "divergence": lambda m, y: m.set_params(
        warm_start=False, solver="sgd", learning_rate_init=1e30, normalize_X=False
    ).fit(1e30 * X, y),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("fail", FAILURES.values(), ids=FAILURES)
@pytest.mark.parametrize("warm_start", [False, True])
@pytest.mark.parametrize("first", ["fit", "partial_fit"])
def test_a_failed_fit_leaves_the_model_as_it_was(cls, fail, warm_start, first):
    y = y_for(cls())
    model = small(cls, warm_start=warm_start)
    getattr(model, first)(X, y, **_classes(cls, first))
    parameters = model.get_params()
    before, predicted = state(model), model.predict(X)
    with pytest.raises(ValueError):
        fail(model, y)
    model.set_params(**parameters)
    assert_array_equal(model.predict(X), predicted)
    assert state(model) == before


def _classes(cls, method):
    return {"classes": [0, 1, 2]} if method == "partial_fit" and cls is MLPClassifier else {}


@pytest.mark.parametrize("first", [None, "fit", "partial_fit"])
@pytest.mark.parametrize(
    "change",
    [
        {"X": spoiled(np.nan)},
        {"X": X[:, :2]},
        {"y": np.full(40, np.nan)},
        {"y": np.arange(40) * 1j},
        {"y": np.ones((40, 2))},
        {"sample_weight": np.zeros(40)},
        {"sample_weight": np.ones(3)},
    ],
)
def test_a_failed_partial_fit_leaves_the_model_as_it_was(cls, first, change):
    y = y_for(cls())
    model, twin = small(cls, batch_norm=True), small(cls, batch_norm=True)
    for m in (model, twin):
        if first is not None:
            getattr(m, first)(X, y, **_classes(cls, first))
        elif (40, 2) in (np.shape(change.get("X")), np.shape(change.get("y"))):
            pytest.skip("a first call has no shapes to keep to")
    before = state(model)
    with pytest.raises(ValueError):
        model.partial_fit(**{"X": X, "y": y, **_classes(cls, "partial_fit")} | change)
    assert state(model) == before
    for m in (model, twin):  # and training goes on as if nothing had happened
        m.partial_fit(X, y, **_classes(cls, "partial_fit"))
    assert_array_equal(model.predict(X), twin.predict(X))


class BreaksDown(Callback):
    """A callback that raises after so many epochs."""

    def __init__(self, n_epochs):
        self.n_epochs, self.seen = n_epochs, 0

    def on_fit_task_end(self, estimator, context):
        self.seen += 1
        if self.seen == self.n_epochs:
            raise RuntimeError("broken")


class BrokenScore:
    """A metric that raises when it is called for the n-th time."""

    def __init__(self, n):
        self.n, self.seen = n, 0

    def __call__(self, y_true, y_pred):
        self.seen += 1
        if self.seen == self.n:
            raise RuntimeError("broken")
        return 0.0


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("warm_start", [False, True])
@pytest.mark.parametrize("cause", ["callback", "scorer"])
def test_a_breakdown_in_the_middle_leaves_the_model_as_it_was(cls, solver, warm_start, cause):
    y = y_for(cls())
    model = small(cls, solver=solver, warm_start=warm_start, early_stopping=cause == "scorer")
    model.fit(X, y)
    parameters, predicted = model.get_params(), model.predict(X)
    breaks = BreaksDown(2) if cause == "callback" else BrokenScore(2)
    if cause == "callback":
        model.set_callbacks(breaks)
    else:
        model.set_params(scoring=make_scorer(breaks))
    before = state(model)
    with pytest.raises(RuntimeError, match="broken"):
        model.fit(X, y)
    breaks.seen = 0  # it has seen what it has seen; all else is as before
    assert_array_equal(model.predict(X), predicted)
    assert state(model) == before
    model.set_callbacks().set_params(scoring=None)
    assert model.get_params() == parameters


def test_an_unfitted_model_stays_unfitted(cls):
    model = small(cls)
    before = state(model)
    for bad in (spoiled(np.nan), X[:5]):
        with pytest.raises(ValueError):
            model.fit(bad, y_for(cls()))
    assert state(model) == before
    with pytest.raises(NotFittedError):
        model.predict(X)


def test_what_was_wrong_can_be_mended(cls):
    y = y_for(cls())
    model = small(cls, warm_start=True)
    with pytest.raises(ValueError):
        model.fit(np.ones((40, 7)), np.full(40, np.nan))
    model.fit(X, y)  # nothing is left of the seven columns
    assert_array_equal(model.predict(X), small(cls, warm_start=True).fit(X, y).predict(X))
