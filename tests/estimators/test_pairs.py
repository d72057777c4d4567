"""Our estimators beside scikit-learn's, with hyperparameters and data drawn at random.

Wherever scikit-learn's runs, ours does, and what it returns is of the same type and shape.
"""

import copy
import io
import warnings
from contextlib import redirect_stdout

import numpy as np
import pytest
from pair_cases import draw
from scipy import sparse
from sklearn import neural_network
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning, UndefinedMetricWarning

import skdnn

BLOCKS, CASES = 8, 110
ATTRIBUTES = [
    "n_features_in_", "feature_names_in_", "classes_", "n_iter_", "n_layers_", "n_outputs_",
    "out_activation_", "loss_", "best_loss_", "loss_curve_", "t_", "coefs_", "intercepts_",
    "validation_scores_", "best_validation_score_",
]  # fmt: skip
# Attributes that are the same number or text in both.
EQUAL = {"n_features_in_", "feature_names_in_", "classes_", "n_layers_", "n_outputs_"}
# Where ours differs, and why.
OTHER_DTYPE = {
    "coefs_": "float32 unless asked, whatever X is",
    "intercepts_": "float32 unless asked, whatever X is",
    "predict": "numbers are float32 if the X that is given is, else float64; in scikit-learn the X "
    "of fit counts too",
    "predict_proba": "float64, so that probabilities add up to one",
    "predict_log_proba": "float64, so that probabilities add up to one",
}
NOT_FINITE = "Solver produced non-finite parameter weights"
# What ours may say where scikit-learn's runs.
MAY_SAY = {
    "The validation set is too small": "one row of every class stays in training, rows of weight "
    "zero do not count, and lbfgs heeds early_stopping too",
    NOT_FINITE: "no epoch had a finite loss; scikit-learn's has numbers without meaning then",
    "partial_fit is only available for stochastic optimizers": "scikit-learn's regressor forgets "
    "to look",
}
# scikit-learn's lbfgs has no history and no best loss of its own; ours has.
MORE_WITH_LBFGS = {"best_loss_", "loss_curve_", "validation_scores_", "best_validation_score_"}
OUR_WARNINGS = {UserWarning, ConvergenceWarning, DataConversionWarning, UndefinedMetricWarning}


def pair(case):
    """Return scikit-learn's estimator and ours, with the same parameters."""
    name = "MLPClassifier" if case.classifies else "MLPRegressor"
    makers = getattr(neural_network, name), getattr(skdnn, name)
    return [make(**copy.deepcopy(case.parameters)) for make in makers]


def steps(case, rng):
    """Yield names and functions of an estimator: calls that both can be asked for."""
    X, y, weight, X_new = case.X, case.y, case.weight, case.X_new
    given = {} if weight is None else {"sample_weight": weight}
    classes = {"classes": case.classes} if case.classifies else {}

    looks = [
        (name, lambda net, name=name: getattr(net, name)(X_new))
        for name in ["predict", "predict_proba", "predict_log_proba"]
    ]
    looks += [("score", lambda net: net.score(X, y, **given))]
    looks += [(name, lambda net, name=name: getattr(net, name)) for name in ATTRIBUTES]
    looks += [("get_params", lambda net: net.get_params())]
    fit = [("fit", lambda net: net.fit(X, y, **given))]
    first = [("partial_fit", lambda net: net.partial_fit(X, y, **given, **classes))]
    again = [("partial_fit", lambda net: net.partial_fit(X, y, **given))]
    calls = [[*fit, *looks], [*first, *looks], [*again, *looks]]
    for call in [[0], [0], [0, 0], [1], [1, 2, 2], [0, 2], [1, 0]][rng.integers(7)]:
        yield from calls[call]


def outcome(step, net):
    """Return what a step returns, its warnings and what it prints."""
    printed = io.StringIO()
    with warnings.catch_warnings(record=True) as said, redirect_stdout(printed):
        warnings.simplefilter("always")
        with np.errstate(all="warn"):
            value = step(net)
    return value, {w.category for w in said}, printed.getvalue()


def compare(seed):
    case = draw(seed)
    theirs, ours = pair(case)
    np.random.seed(seed)  # for random_state=None
    before = copy.deepcopy((case.X, case.y, case.weight, case.X_new))
    parameters = ours.get_params()
    for name, step in steps(case, np.random.default_rng(seed)):
        try:
            expected, _, their_lines = outcome(step, theirs)
        except Exception:
            if name in ("fit", "partial_fit"):
                break
            continue
        try:
            value, said, lines = outcome(step, ours)
        except (AttributeError, ValueError) as error:
            assert allowed(error, case), f"{name}: {error}"
            break
        assert said <= OUR_WARNINGS, (name, said)
        n_classes = len(getattr(ours, "classes_", []))
        if name in ("fit", "partial_fit"):
            assert value is ours
            same_lines(their_lines, lines, case)
        elif name == "get_params":
            assert expected.keys() <= value.keys()
            assert all(value[key] is parameters[key] for key in parameters)
        elif name in ATTRIBUTES:
            same_attribute(name, expected, value, case, n_classes)
        else:
            same_kind(name, expected, value, case, n_classes)
            assert diverges(case) or name == "predict_log_proba" or says_something(value, expected)
    for given, copied in zip((case.X, case.y, case.weight, case.X_new), before, strict=True):
        assert same(given, copied)


def allowed(error, case):
    """Whether an error is one of those where ours may not run."""
    words = f"{error} {error.__cause__}"
    reasons = [reason for reason in MAY_SAY if reason in words]
    return bool(reasons) and (reasons != [NOT_FINITE] or diverges(case))


def diverges(case):
    """Whether the numbers of scikit-learn's make no sense either: 1e80, though float64 holds it."""
    p, words = case.parameters, ["huge", "weight: tiny"]
    if p.get("loss") == "poisson":
        words += ["raw", "all constant"]
    too_fast = p.get("learning_rate_init", 0) >= 0.5 or p.get("beta_2") == 0
    return too_fast or any(word in case.description for word in words)


def same_attribute(name, expected, value, case, n_classes):
    """Assert that two attributes are of the same type, shape and dtype."""
    if case.parameters.get("solver") == "lbfgs" and name in MORE_WITH_LBFGS:
        return
    if name in ("coefs_", "intercepts_"):
        assert isinstance(value, list) and [a.shape for a in value] == [a.shape for a in expected]
        assert all(a.dtype.kind == "f" for a in value)
    elif name == "out_activation_":
        assert value == expected or n_classes == 1
    elif name in EQUAL:
        assert same(value, expected) and same_dtype(np.asarray(value), np.asarray(expected))
    elif isinstance(expected, list):
        assert isinstance(value, list) and all(isinstance(v, float) for v in value)
    elif expected is None:
        assert value is None
    else:
        assert isinstance(value, int if isinstance(expected, int | np.integer) else float)


def same_kind(name, expected, value, case, n_classes):
    """Assert that two predictions are of the same type, shape and dtype."""
    if np.ndim(expected) == 0:
        assert isinstance(value, float), name
        return
    assert type(value) is type(expected), (name, type(value), type(expected))
    if name.endswith("proba") and n_classes == 1:
        assert value.shape == (expected.shape[0], 1)  # as scikit-learn's forests
    else:
        assert value.shape == expected.shape, (name, value.shape, expected.shape)
    if name in OTHER_DTYPE and not (case.classifies and name == "predict"):
        assert value.dtype.kind == "f"
    else:
        assert same_dtype(value, expected), (name, value.dtype, expected.dtype)


def same_dtype(a, b):
    """Whether two arrays have the same dtype, or are both text, as wide as their labels are."""
    return a.dtype == b.dtype or a.dtype.kind == b.dtype.kind == "U" or b.dtype == object


def same_lines(theirs, ours, case):
    """Assert that what scikit-learn prints, for programs to read, is in our lines too."""
    if case.parameters.get("solver") == "lbfgs":
        return
    assert bool(theirs) == bool(ours)
    for line in ours.splitlines():
        if line.startswith("Iteration"):
            float(line.split("loss = ")[-1])
    if theirs:
        assert ours.splitlines()[0].startswith("Iteration 1, loss = ")


def says_something(value, expected):
    """Whether numbers are finite where scikit-learn's are."""
    if sparse.issparse(value) or np.asarray(value).dtype.kind != "f":
        return True
    return np.isfinite(value).all() or not np.isfinite(expected).all()


def same(a, b):
    """Whether two things are of one type and hold the same numbers or labels."""
    if sparse.issparse(a):
        return type(a) is type(b) and a.shape == b.shape and abs(a - b).nnz == 0
    if hasattr(a, "equals"):
        return a.equals(b)
    return type(a) is type(b) and np.array_equal(np.asarray(a, object), np.asarray(b, object))


@pytest.mark.slow
@pytest.mark.parametrize("block", range(BLOCKS))
def test_runs_wherever_scikit_learns_does(block):
    for seed in range(block * CASES, (block + 1) * CASES):
        try:
            compare(seed)
        except Exception as error:
            error.add_note(f"Seed {seed}: {draw(seed).description}")
            raise
