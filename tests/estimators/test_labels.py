"""Labels of every type and shape, beside those that scikit-learn's estimators take."""

import datetime
import pickle
from decimal import Decimal
from fractions import Fraction
from functools import partial

import numpy as np
import pandas as pd
import polars as pl
import pytest
from estimator_cases import PROBABILISTIC, losses_of, small_network, values
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.base import is_classifier
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.exceptions import DataConversionWarning
from sklearn.model_selection import KFold, cross_val_score
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neural_network import MLPClassifier as SklearnClassifier
from sklearn.utils import compute_sample_weight

from skdnn import MLPClassifier, MLPRegressor
from skdnn.estimators import label_targets, labels

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
N = 60
X = RNG.normal(size=(N, 3))
CODES = np.arange(N) % 3
FLAGS = np.arange(N) % 2
NAMES = np.array(["amber", "blue", "cyan"])
NUMBERS = np.round(X[:, 0], 3)

small = partial(small_network, hidden_layer_sizes=(4,), max_iter=3)


# Several columns --------------------------------------------------------------------------------

TWO = (X > 0).astype(int)
PAIRS = {
    "1, 2": TWO + 1,
    "-1, 1": 2 * TWO - 1,
    "0, 2": 2 * TWO,
    "0, 2 as floats": 2.0 * TWO,
    "0, 255": (TWO * 255).astype(np.uint8),
    "-1, 0": TWO - 1,
    "text": np.array(["a", "b"])[TWO],
    "text objects": np.array(["no", "yes"], dtype=object)[TWO],
    "digits as text": np.array(["0", "1"])[TWO],
    "int objects": (TWO + 1).astype(object),
    "Decimals": np.array([Decimal(3), Decimal(4)])[TWO],
    "0, 1 beside 0, 2": TWO * np.array([1, 2, 1]),
    "0, 1 beside 1, 2": TWO + np.array([0, 1, 0]),
    "a constant": TWO * np.array([0, 1, 1]) + 3,
    "constants": 0 * TWO + 7,
    "frame": pd.DataFrame(TWO + 1, columns=list("abc"), index=np.arange(N) + 5),
    "categories": pd.DataFrame(np.array(["a", "b"])[TWO]).astype("category"),
    "nullable": pd.DataFrame(TWO + 1).astype("Int64"),
    "polars": pl.DataFrame(TWO + 1),
    "list": (TWO + 1).tolist(),
}
FORESTS = [RandomForestClassifier, ExtraTreesClassifier]


def as_forests_take(Y):
    """Forests take no objects but text."""
    Y = np.asarray(Y)
    return Y if Y.dtype != object or isinstance(Y[0, 0], str) else Y.astype(float)


@pytest.mark.parametrize("Y", PAIRS.values(), ids=PAIRS)
@pytest.mark.parametrize("forest", FORESTS)
def test_columns_of_two_classes_are_as_in_forests(Y, forest):
    net = small(MLPClassifier).fit(X, Y)
    trees = forest(3, random_state=0).fit(X, as_forests_take(Y))
    for ours, theirs in zip(net.classes_, trees.classes_, strict=True):
        assert_array_equal(ours, theirs)
    P, Q = net.predict_proba(X), trees.predict_proba(X)
    assert isinstance(P, list)
    assert [p.shape for p in P] == [q.shape for q in Q]
    predicted, theirs = net.predict(X), trees.predict(X)
    assert predicted.shape == theirs.shape
    for j, classes in enumerate(net.classes_):
        assert set(predicted[:, j]) <= set(classes)
        assert_array_equal(predicted[:, j], classes[P[j].argmax(axis=1)])
    right = np.all(predicted == np.asarray(Y), axis=1)
    assert net.score(X, Y) == pytest.approx(right.mean())


@pytest.mark.slow
@pytest.mark.parametrize("Y", PAIRS.values(), ids=PAIRS)
@pytest.mark.parametrize("loss", losses_of(MLPClassifier))
def test_columns_of_two_classes_are_learned(Y, loss):
    net = small(
        MLPClassifier, hidden_layer_sizes=(50,), loss=loss, max_iter=400, learning_rate_init=0.02
    ).fit(X, Y)
    assert net.score(X, Y) >= 0.95
    again = pickle.loads(pickle.dumps(net))
    assert_array_equal(again.predict(X), net.predict(X))


@pytest.mark.parametrize("Y", [TWO + 1, np.array(["a", "b"])[TWO], 2.0 * TWO])
@pytest.mark.parametrize(
    "parameters", [{"early_stopping": True}, {"class_weight": "balanced"}, {"solver": "lbfgs"}]
)
def test_columns_of_two_classes_do_not_depend_on_their_names(Y, parameters):
    weight = RNG.uniform(0, 2, size=N)
    nets = [small(MLPClassifier, **parameters).fit(X, y, weight) for y in (Y, 2 * TWO - 1)]
    assert_array_equal(*map(values, nets))


@pytest.mark.parametrize("rare", [2, -1, 7])
@pytest.mark.parametrize("base", [1, 3, -5])
def test_the_task_does_not_depend_on_a_rare_class(base, rare):
    """One row of a third class decides nothing, and neither do rows that are all of one class."""
    Y = TWO + base
    Y[0, 0] = base + rare
    for rows in (slice(0, 20), slice(1, 40), slice(1, 2)):
        assert isinstance(small(MLPClassifier).fit(X[rows], Y[rows]).predict_proba(X), list)


INDICATORS = {
    "int": TWO, "uint8": TWO.astype(np.uint8), "bool": TWO.astype(bool), "float": TWO.astype(float),
    "objects": TWO.astype(object), "bool objects": TWO.astype(bool).astype(object),
    "frame": pd.DataFrame(TWO), "nullable": pd.DataFrame(TWO).astype("boolean"),
    "mixed frame": pd.DataFrame({0: TWO[:, 0], 1: TWO[:, 1] > 0, 2: TWO[:, 2] * 1.0}),
    "polars": pl.DataFrame(TWO), "list": TWO.tolist(), "csr": sparse.csr_matrix(TWO),
    "csc": sparse.csc_array(TWO), "coo": sparse.coo_array(TWO.astype(bool)),
    "lil": sparse.lil_matrix(TWO.astype(float)),
}  # fmt: skip


@pytest.mark.parametrize("Y", INDICATORS.values(), ids=INDICATORS)
def test_zeros_and_ones_are_labels(Y):
    net, plain = small(MLPClassifier).fit(X, Y), small(MLPClassifier).fit(X, TWO)
    assert_array_equal(values(net), values(plain))
    assert net.predict_proba(X).shape == (N, 3)
    assert sparse.issparse(net.predict(X)) == sparse.issparse(Y)
    assert net.score(X, Y) == plain.score(X, TWO)


@pytest.mark.parametrize("form", [sparse.csr_matrix, sparse.csc_array, sparse.coo_array])
@pytest.mark.parametrize("Y", [2 * TWO, TWO - 1, np.c_[CODES, FLAGS], 2.0 * TWO])
def test_sparse_columns_of_classes(form, Y):
    net, plain = small(MLPClassifier).fit(X, form(Y)), small(MLPClassifier).fit(X, Y)
    assert_array_equal(values(net), values(plain))
    assert_array_equal(net.predict(X), plain.predict(X))
    assert net.score(X, form(Y)) == plain.score(X, Y)
    net.set_params(warm_start=True).fit(X, form(Y))


def test_a_sparse_column_is_one():
    with pytest.warns(DataConversionWarning):
        net = small(MLPClassifier).fit(X, sparse.csr_array(CODES[:, None]))
    assert_array_equal(net.predict(X), small(MLPClassifier).fit(X, CODES).predict(X))


MIXED = {
    "frame": pd.DataFrame({"n": CODES, "s": NAMES[FLAGS]}),
    "objects": pd.DataFrame({"n": CODES, "s": NAMES[FLAGS]}).to_numpy(),
    "categories": pd.DataFrame({"n": CODES, "s": pd.Categorical(NAMES[FLAGS])}),
    "polars": pl.DataFrame({"n": CODES, "s": NAMES[FLAGS]}),
    "nullable": pd.DataFrame({"n": pd.Series(CODES, dtype="Int64"), "s": NAMES[FLAGS]}),
    "flags": pd.DataFrame({"n": CODES, "s": FLAGS > 0}),
    "flags and text": pd.DataFrame({"n": NAMES[CODES], "s": FLAGS > 0}),
    "floats and text": pd.DataFrame({"n": CODES * 1.0, "s": NAMES[FLAGS]}),
    "large": pd.DataFrame({"n": CODES + 2**60, "s": NAMES[FLAGS]}),
}


@pytest.mark.parametrize("Y", MIXED.values(), ids=MIXED)
def test_numbers_beside_text(Y):
    net, columns = small(MLPClassifier).fit(X, Y), [np.asarray(Y)[:, j] for j in range(2)]
    plain = small(MLPClassifier).fit(X, np.c_[CODES, FLAGS + 10])
    assert_array_equal(values(net), values(plain))
    predicted, codes = net.predict(X), plain.predict(X) - [0, 10]
    for j in range(2):
        uniques = np.unique(columns[j].tolist())
        assert_array_equal(net.classes_[j], uniques)
        assert predicted[:, j].tolist() == uniques[codes[:, j]].tolist()
    assert net.score(X, Y) == plain.score(X, np.c_[CODES, FLAGS + 10])
    twice = net.set_params(warm_start=True).fit(X, Y)
    assert_array_equal(twice.partial_fit(X[:5], Y[:5]).classes_[1], net.classes_[1])


def test_numbers_beside_text_are_objects_as_in_forests():
    Y = MIXED["objects"].copy()
    Y[:, 0] = np.array(["x", "y", "z"])[CODES]
    forest = RandomForestClassifier(3).fit(X, Y)
    for y in (Y, MIXED["objects"]):
        assert small(MLPClassifier).fit(X, y).predict(X).dtype == forest.predict(X).dtype == object
    parts = small(MLPClassifier).partial_fit(X, MIXED["frame"], classes=[[0, 1, 2], NAMES[:2]])
    assert {type(label) for label in parts.predict(X).ravel()} == {int, str}


def test_classes_decide_what_a_chunk_cannot_show():
    Y, classes = np.c_[CODES, FLAGS], [[0, 1, 2], [0, 1]]
    some = CODES < 2
    net = small(MLPClassifier).partial_fit(X[some], Y[some], classes=classes)
    assert isinstance(net.predict_proba(X), list)
    net.partial_fit(X[some], Y[some].astype(object))
    net.set_params(warm_start=True).fit(X[some], Y[some])
    assert [p.shape for p in net.predict_proba(X)] == [(N, 3), (N, 2)]
    net.fit(X[some], pd.DataFrame(Y[some]), X_val=X, y_val=sparse.csr_array(Y))


@pytest.mark.parametrize("classes", [
    [[0, 1, 2], [0, 5]], [[0, 1, 5], [0, 1]], [[0, 1, 2]], [[0, 1, 2], [0, 1], [0, 1]],
])  # fmt: skip
def test_later_calls_of_partial_fit_keep_the_classes_of_every_column(classes):
    Y, first = np.c_[CODES, FLAGS], [[0, 1, 2], [0, 1]]
    net = small(MLPClassifier).partial_fit(X, Y, classes=first)
    net.partial_fit(X, Y, classes=[[2, 0, 1], [1, 0]])  # the same, in any order
    with pytest.raises(ValueError, match="is not the same as on last call to partial_fit"):
        net.partial_fit(X, Y, classes=classes)


@pytest.mark.parametrize("classes", [[1, 2, 3], [1, 2], [[1, 2], [1, 2]]])
def test_columns_of_classes_need_the_classes_of_every_column(classes):
    with pytest.raises(ValueError, match="`classes` must be a list of the classes of each"):
        small(MLPClassifier).partial_fit(X, TWO + 1, classes=classes)


# Types ------------------------------------------------------------------------------------------

OBJECTS = {
    "ints": CODES.astype(object),
    "negative": (CODES - 1).astype(object),
    "numpy's": np.array([np.int8(c) for c in CODES], dtype=object),
    "floats": CODES.astype(float).astype(object),
    "booleans": (FLAGS > 0).astype(object),
    "ints and floats": np.array([[1, 2.0, 3][c] for c in CODES], dtype=object),
    "booleans and ints": np.array([[True, 2, 0][c] for c in CODES], dtype=object),
    "Decimals": np.array([Decimal(int(c)) for c in CODES]),
    "list of Decimals": [Decimal(int(c)) for c in CODES],
    "Fractions": np.array([Fraction(int(c)) for c in CODES]),
    "beyond 64 bits": [2**70 + int(c) for c in CODES],
    "beyond the floats": [2**63 + int(c) for c in CODES] + [-1] * 0,
    "Series": pd.Series(CODES, dtype=object, index=np.arange(N) * 7),
    "large": [2**60 + int(c) for c in CODES],
    "unsigned": CODES.astype(np.uint64) + np.uint64(2**63),
    "bytes": NAMES[CODES].astype("S"),
    "numpy's text": list(NAMES[CODES]),
    "numpy's text objects": np.array([np.str_(n) for n in NAMES[CODES]], dtype=object),
    "variable text": NAMES[CODES].astype(np.dtypes.StringDType()),
    "text of digits": np.array(["1", "10", "2"])[CODES],
    "Index": pd.Index(NAMES[CODES]),
    "Categorical": pd.Categorical(NAMES[CODES], categories=NAMES[::-1]),
    "polars categories": pl.Series(NAMES[CODES]).cast(pl.Categorical),
}


@pytest.mark.slow
@pytest.mark.parametrize("y", OBJECTS.values(), ids=OBJECTS)
@pytest.mark.parametrize("parameters", [{}, {"early_stopping": True}, {"class_weight": "balanced"}])
def test_labels_of_any_type(y, parameters):
    expected = sorted(set(np.asarray(y).tolist()))
    codes = np.array([expected.index(label) for label in np.asarray(y).tolist()])
    net = small(MLPClassifier, **parameters).fit(X, y)
    plain = small(MLPClassifier, **parameters).fit(X, codes)
    assert net.classes_.tolist() == expected
    assert_array_equal(values(net), values(plain))
    assert net.predict(X).tolist() == [expected[c] for c in plain.predict(X)]
    assert net.score(X, y) == plain.score(X, codes)
    net.set_params(warm_start=True, early_stopping=False).fit(X, y, X_val=X, y_val=y)
    if not isinstance(net.class_weight, str):
        parts = small(MLPClassifier).partial_fit(X[:20], y[:20], classes=expected)
        assert parts.partial_fit(X, y).classes_.tolist() == expected


def test_labels_of_text_and_numbers_are_named_by_their_types():
    with pytest.raises(TypeError) as caught:
        small(MLPClassifier).fit(X, np.array([1, "a", 2.5] * 20, dtype=object))
    (note,) = caught.value.__notes__
    assert all(name in note for name in ("int", "str", "float"))


@pytest.mark.parametrize("y", OBJECTS.values(), ids=OBJECTS)
def test_class_weights_by_labels_of_any_type(y):
    weights = dict(zip(sorted(set(np.asarray(y).tolist())), [0.5, 2.0, 7.0], strict=False))
    of_rows = np.array([weights[label] for label in np.asarray(y).tolist()])
    net = small(MLPClassifier, class_weight=weights).fit(X, y)
    assert_array_equal(values(net), values(small(MLPClassifier).fit(X, y, of_rows)))


@given(
    st.lists(st.one_of(st.integers(), st.booleans()), min_size=2)
    | st.lists(st.one_of(st.integers(), st.booleans(), st.integers(-9, 9).map(float)), min_size=2)
)
@settings(max_examples=200, deadline=None)
def test_numbers_are_found_again(numbers):
    column = np.array([*numbers, None], dtype=object)[:-1]
    classes = labels.distinct(column)
    assert classes.tolist() == sorted(set(numbers))
    assert classes[labels.encode(column, classes)].tolist() == numbers


@pytest.mark.slow
@given(st.lists(st.text(max_size=3), min_size=1), st.lists(st.text(max_size=3), min_size=1))
@settings(max_examples=200, deadline=None)
def test_text_is_found_or_not(known, asked):
    known, asked = ([t.replace("\0", "") for t in texts] for texts in (known, asked))
    for dtype in (None, object):
        classes = labels.distinct(np.array(known, dtype=dtype))
        assert_array_equal(classes, np.unique(np.array(known, dtype=dtype)))
        codes = labels.encode(np.array(asked, dtype=dtype), classes, strict=False)
        assert [known_or_not >= 0 for known_or_not in codes] == [t in known for t in asked]
        assert [classes[c] for c in codes if c >= 0] == [t for t in asked if t in known]


@pytest.mark.parametrize("scoring", ["accuracy", "f1_macro", "roc_auc_ovr", "loss"])
def test_objects_are_scored_like_what_they_are(scoring):
    scores = [
        small(MLPClassifier, early_stopping=True, scoring=scoring).fit(X, y).validation_scores_
        for y in (CODES, CODES.astype(object), [Decimal(int(c)) for c in CODES])
    ]
    assert scores[0] == scores[1] == scores[2]


@pytest.mark.parametrize("classes, words", [
    ([], "no class"), ([0, 1, np.nan], "classes contains NaN"), ([0, 1, None], "NoneType"),
    ([0.5, 1.5], "continuous"), (["a", "b"], "classes not in"),
])  # fmt: skip
def test_classes_are_labels(classes, words):
    for y in (FLAGS, FLAGS.astype(float)):
        with pytest.raises(ValueError, match=words):
            small(MLPClassifier).partial_fit(X, y, classes=classes)


@pytest.mark.parametrize("convert", [
    list, set, pd.Index, pd.Categorical, np.array, lambda c: pd.Series(c, index=[7, 8, 9]),
    lambda c: np.array(c, dtype=object),
])  # fmt: skip
@pytest.mark.parametrize("classes", [[0, 1, 2], [10, 30, 20], ["b", "c", "a"]])
def test_classes_in_any_container(convert, classes):
    y = np.array(classes)[CODES]
    net = small(MLPClassifier).partial_fit(X, y, classes=convert(classes))
    net.partial_fit(X, y.astype(object), classes=convert(classes))
    assert net.classes_.tolist() == sorted(classes)


def test_types_that_meet_in_one_model():
    net = small(MLPClassifier).fit(X, NAMES[CODES])
    for y in (NAMES[CODES].astype(object), pd.Series(NAMES[CODES]), NAMES[CODES].astype("U50")):
        assert net.score(X, y) == net.score(X, NAMES[CODES])
        net.fit(X, NAMES[CODES], X_val=X, y_val=y)
    assert net.score(X, CODES) == 0
    with pytest.raises(ValueError, match="`y_val` has classes not in"):
        net.fit(X, NAMES[CODES], X_val=X, y_val=CODES)
    digits = small(MLPClassifier).fit(X, np.array(["0", "1", "2"])[CODES])
    assert digits.score(X, CODES) == 0
    large = np.int64(2**60) + CODES
    assert small(MLPClassifier).fit(X, large).score(X, large.astype(np.uint64)) > 0
    assert small(MLPClassifier).fit(X, large).score(X, large.astype(np.uint64) + np.uint64(3)) == 0


def test_unknown_labels_are_wrong_in_a_score():
    net = small(MLPClassifier).fit(X, CODES)
    y = np.where(CODES == 2, 9, CODES)
    assert net.score(X, y) == np.mean(net.predict(X) == y)
    weight = RNG.uniform(size=N)
    assert net.score(X, y, weight) == np.average(net.predict(X) == y, weights=weight)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        net.score(X, y[:-1])
    with pytest.raises(ValueError, match="continuous"):
        net.score(X, NUMBERS)


# What is missing, and what is no label and no number -------------------------------------------

MISSING = {
    "None": [1, 2, None] * 20,
    "None objects": np.array([1.0, 2.0, None] * 20, dtype=object),
    "NaN": [1.0, 2.0, np.nan] * 20,
    "NaN objects": np.array([1, 2, np.nan] * 20, dtype=object),
    "Decimal": [Decimal(1), Decimal("NaN")] * 30,
    "nullable": pd.Series([1, 2, pd.NA] * 20, dtype="Int64"),
    "NA objects": np.array([1, 2, pd.NA] * 20, dtype=object),
    "flags": pd.Series([True, False, None] * 20, dtype="boolean"),
    "polars": pl.Series([1, 2, None] * 20),
    "times": np.array(["2020-01-01", "NaT"] * 30, dtype="datetime64[D]"),
    "masked": np.ma.array(CODES, mask=FLAGS),
    "a column of a frame": pd.DataFrame({"a": CODES, "b": [0.0, 1.0, np.nan] * 20}),
}
MISSING_TEXT = {
    "None": ["a", "b", None] * 20,
    "NaN": np.array(["a", "b", np.nan] * 20, dtype=object),
    "nullable": pd.Series(["a", "b", pd.NA] * 20, dtype="string"),
    "Series": pd.Series(["a", None, "b"] * 20),
    "categories": pd.Series(pd.Categorical(["a", None, "b"] * 20)),
    "polars": pl.Series(["a", None, "b"] * 20),
    "a column of a frame": pd.DataFrame({"a": CODES, "b": ["a", None, "b"] * 20}),
    "first": [None, "b", "c"] * 20,
}
GOOD = {MLPClassifier: CODES, MLPRegressor: NUMBERS}


@pytest.mark.parametrize("cls", GOOD)
@pytest.mark.parametrize("y", [*MISSING.values(), *MISSING_TEXT.values()])
def test_what_is_missing_in_y_is_told(cls, y):
    with pytest.raises(ValueError, match=r"^Input y contains NaN"):
        small(cls).fit(X, y)
    with pytest.raises(ValueError, match=r"^Input y_val contains NaN"):
        small(cls).fit(X, GOOD[cls], X_val=X, y_val=y)
    if is_classifier(cls()):
        with pytest.raises(ValueError, match=r"^Input y contains NaN"):
            small(cls).fit(X, CODES).score(X, y)


DAYS = pd.Series(pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(N), "D"))
TIMES = {
    "datetime64": DAYS.to_numpy(),
    "Series": DAYS,
    "time zone": DAYS.dt.tz_localize("UTC"),
    "datetimes": [datetime.datetime(2020, 1, 1) + datetime.timedelta(i) for i in range(N)],
    "dates": [datetime.date(2020, 1, 1) + datetime.timedelta(i) for i in range(N)],
    "timedelta64": (DAYS - DAYS[0]).to_numpy(),
    "timedelta64 objects": np.array([np.timedelta64(i, "D") for i in range(N)], dtype=object),
    "timedeltas": [datetime.timedelta(i) for i in range(N)],
    "Periods": DAYS.dt.to_period("D"),
    "polars": pl.Series(DAYS.to_list()),
    "beside numbers": pd.DataFrame({"n": CODES, "d": DAYS}),
}
NO_LABELS = {
    "sets": [{1}, {1, 2}] * 30, "objects": [object() for _ in range(N)],
    "tuples": pd.Series([(1, 2), (1,)] * 30), "struct": np.zeros(N, dtype=[("a", int)]),
}  # fmt: skip


@pytest.mark.parametrize("y", TIMES.values(), ids=TIMES)
def test_times_are_no_numbers(y):
    with pytest.raises(ValueError, match=r"\by must be numbers"):
        small(MLPRegressor).fit(X, y)
    with pytest.raises(ValueError, match=r"Input y_val must be numbers"):
        small(MLPRegressor).fit(X, NUMBERS, X_val=X, y_val=y)


@pytest.mark.parametrize("kind", TIMES)
def test_times_are_labels_where_scikit_learn_takes_them(kind):
    y = TIMES[kind]
    try:
        theirs = SklearnClassifier((4,), max_iter=2).fit(X, y).classes_
    except (ValueError, TypeError):
        with pytest.raises(ValueError, match=r"Unknown label type in y"):
            small(MLPClassifier).fit(X, y)
    else:
        assert_array_equal(small(MLPClassifier).fit(X, y).classes_, theirs)


@pytest.mark.parametrize("y", NO_LABELS.values(), ids=NO_LABELS)
def test_what_is_no_label_and_no_number(y):
    with pytest.raises(ValueError, match=r"Unknown label type in y"):
        small(MLPClassifier).fit(X, y)
    with pytest.raises(ValueError, match=r"Unknown label type in y|`y` has classes not in"):
        small(MLPClassifier).fit(X, CODES).partial_fit(X, y)
    with pytest.raises(ValueError, match=r"y must be numbers|numeric"):
        small(MLPRegressor).fit(X, y)


def test_a_label_that_is_no_whole_number():
    for y in ([Decimal("0.5"), Decimal(1)] * 30, np.array([0.5, 1] * 30, dtype=object)):
        with pytest.raises(ValueError, match="Unknown label type: continuous"):
            small(MLPClassifier).fit(X, y)


AS_NUMBERS = {
    "Decimals": [Decimal(str(v)) for v in NUMBERS],
    "Decimal Series": pd.Series([Decimal(str(v)) for v in NUMBERS]),
    "Fractions": [Fraction(v) for v in NUMBERS],
    "objects": NUMBERS.astype(object),
    "numpy's": np.array([np.float64(v) for v in NUMBERS], dtype=object),
    "nullable": pd.Series(NUMBERS, dtype="Float64"),
    "arrow": pd.Series(NUMBERS, dtype="double[pyarrow]"),
    "long doubles": NUMBERS.astype(np.longdouble),
    "tuple": tuple(NUMBERS),
}


@pytest.mark.parametrize("y", AS_NUMBERS.values(), ids=AS_NUMBERS)
def test_numbers_of_any_type(y):
    RandomForestRegressor(2).fit(X, y)
    net = small(MLPRegressor).fit(X, y, X_val=X, y_val=y)
    plain = small(MLPRegressor).fit(X, NUMBERS, X_val=X, y_val=NUMBERS)
    assert_array_equal(values(net), values(plain))
    assert net.history_["validation_score"] == pytest.approx(plain.history_["validation_score"])
    assert net.score(X, y) == pytest.approx(plain.score(X, NUMBERS))
    net.partial_fit(X, y)
    small(MLPRegressor, early_stopping=True, loss="huber").fit(X, y)


def test_columns_of_numbers_of_any_type():
    Y = pd.DataFrame({"a": AS_NUMBERS["Decimals"], "b": CODES, "c": FLAGS > 0})
    net = small(MLPRegressor).fit(X, Y)
    plain = small(MLPRegressor).fit(X, np.c_[NUMBERS, CODES, FLAGS])
    assert_array_equal(net.predict(X), plain.predict(X))


@pytest.mark.parametrize("y", [["1e400", "2"] * 30, [10**400, 1] * 30, [Decimal("1e400"), 1] * 30])
def test_numbers_beyond_the_floats(y):
    with pytest.raises(ValueError, match=r"\by (contains infinity|must be numbers)"):
        small(MLPRegressor).fit(X, np.array(y, dtype=object))


# One class --------------------------------------------------------------------------------------

ONE = {
    "int": np.full(N, 4), "zeros": np.zeros(N), "text": ["only"] * N, "flag": np.ones(N, bool),
    "objects": np.array(["only"] * N, dtype=object), "one row": [3],
    "category": pd.Series(pd.Categorical(["b"] * N, categories=["a", "b"])),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("y", ONE.values(), ids=ONE)
@pytest.mark.parametrize("loss", losses_of(MLPClassifier))
@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_one_class_is_always_predicted(y, loss, solver):
    net = small(MLPClassifier, loss=loss, solver=solver, max_iter=40).fit(X[: len(y)], y)
    forest = RandomForestClassifier(2).fit(X[: len(y)], y)
    assert_array_equal(net.classes_, forest.classes_)
    for model in (net, pickle.loads(pickle.dumps(net))):
        assert_array_equal(model.predict(X), forest.predict(X))
        assert model.score(X[: len(y)], y) == 1.0
        assert model.decision_function(X).shape == (N, 1)
        assert np.isfinite(model.decision_function(X)).all()
        if loss in PROBABILISTIC:
            assert_array_equal(model.predict_proba(X), forest.predict_proba(X))
            assert_array_equal(model.predict_log_proba(X), np.zeros((N, 1)))
    assert net.loss_ < 0.1  # nothing but the penalty
    assert np.isfinite(values(net)).all()


@pytest.mark.parametrize("parameters", [
    {"early_stopping": True}, {"early_stopping": True, "scoring": "accuracy"},
    {"class_weight": "balanced"}, {"class_weight": {"only": 3.0}}, {"label_smoothing": 0.2},
    {"class_weight": {"only": 3.0, "other": 1.0}}, {"batch_norm": True}, {"dropout": 0.5},
    {"warm_start": True}, {"hidden_layer_sizes": ()}, {"learning_rate": "adaptive"},
])  # fmt: skip
def test_one_class_under_any_hyperparameter(parameters):
    if "solver" not in parameters and parameters.get("learning_rate"):
        parameters = parameters | {"solver": "sgd"}
    net = small(MLPClassifier, **parameters)
    for _ in range(2):
        net.fit(X, ONE["text"], np.arange(N))
        assert_array_equal(net.predict(X), ONE["text"])
        assert_array_equal(net.predict_proba(X), np.ones((N, 1)))


def test_one_class_bit_by_bit():
    net = small(MLPClassifier).partial_fit(X, ONE["text"], classes=["only"])
    net.partial_fit(X, ONE["text"], classes=["only"])
    assert_array_equal(net.predict(X), ONE["text"])
    with pytest.raises(ValueError, match="classes not in"):
        net.partial_fit(X, NAMES[CODES])
    whole = small(MLPClassifier, max_iter=2).fit(X, ONE["text"])
    assert_array_equal(values(net), values(whole))
    two = small(MLPClassifier).partial_fit(X, ONE["text"], classes=["only", "other"])
    assert two.predict_proba(X).shape == (N, 2)
    warm = small(MLPClassifier, warm_start=True).fit(X, ONE["text"])
    with pytest.raises(ValueError, match="same classes as in the previous call"):
        warm.fit(X, NAMES[CODES])


def test_folds_of_one_class():
    net, y = small(MLPClassifier), np.sort(FLAGS)
    assert_array_equal(cross_val_score(net, X, y, cv=KFold(2)), [0.0, 0.0])
    assert len(cross_val_score(net, X, NAMES[np.sort(CODES)], cv=KFold(3))) == 3


@pytest.mark.parametrize("loss", losses_of(MLPClassifier))
@pytest.mark.parametrize("constant", [0, 5, -1])
def test_a_constant_column(loss, constant):
    Y = pd.DataFrame({"a": CODES, "b": [constant] * N, "c": FLAGS})
    net = small(MLPClassifier, loss=loss).fit(X, Y)
    separate = MultiOutputClassifier(small(MLPClassifier, loss=loss)).fit(X, Y.to_numpy())
    for model in (net, separate):
        assert (model.predict(X)[:, 1] == constant).all()
    if loss in PROBABILISTIC:
        for P, Q in zip(net.predict_proba(X), separate.predict_proba(X), strict=True):
            assert P.shape == Q.shape
        assert_array_equal(P := net.predict_proba(X)[1], np.ones((N, 1)))
    rest = small(MLPClassifier, loss=loss, hidden_layer_sizes=(), alpha=0).fit(X, Y)
    assert np.isfinite(values(rest)).all()


def test_balanced_with_a_constant_column_as_class_weight():
    Y = np.c_[CODES, 0 * CODES + 5, FLAGS * CODES]
    net = small(MLPClassifier, class_weight="balanced").fit(X, Y)
    plain = small(MLPClassifier).fit(X, Y, compute_sample_weight("balanced", Y))
    assert_array_equal(values(net), values(plain))


# Once is enough ---------------------------------------------------------------------------------


@pytest.mark.parametrize("y", [NAMES[CODES], CODES, np.c_[CODES, FLAGS + 1], TWO])
@pytest.mark.parametrize("parameters", [{}, {"early_stopping": True}, {"class_weight": "balanced"}])
def test_every_label_is_looked_up_once_in_a_fit(y, parameters, monkeypatch):
    looked_up = []

    def counted(column, *args):
        looked_up.append(len(column))
        return labels.encode(column, *args)

    monkeypatch.setattr(label_targets, "encode", counted)
    small(MLPClassifier, max_iter=5, **parameters).fit(X, y)
    assert sum(looked_up) == (0 if y is TWO else N * (1 if y.ndim == 1 else y.shape[1]))


TEXT_IN_ONE_COLUMN = {
    "objects": NAMES[CODES].astype(object), "text": NAMES[CODES], "list": NAMES[CODES].tolist(),
    "column": NAMES[CODES].astype(object)[:, None], "two": NAMES[FLAGS].astype(object),
    "Series": pd.Series(NAMES[CODES]), "object Series": pd.Series(NAMES[CODES], dtype=object),
    "categories": pd.Series(NAMES[CODES]).astype("category"),
    "frame": pd.DataFrame({"name": NAMES[CODES]}), "one": np.array(["only"] * N, dtype=object),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.DataConversionWarning")
@pytest.mark.parametrize("y", TEXT_IN_ONE_COLUMN.values(), ids=TEXT_IN_ONE_COLUMN.keys())
def test_text_of_any_origin_comes_back_as_scikit_learns_does(y):
    theirs, ours = small(SklearnClassifier).fit(X, y), small(MLPClassifier).fit(X, y)
    bit_by_bit = small(MLPClassifier).partial_fit(X, y, classes=np.ravel(y))
    for net in (ours, bit_by_bit, ours.set_params(warm_start=True).fit(X, y)):
        assert_array_equal(net.classes_, theirs.classes_)
        assert net.classes_.dtype == theirs.classes_.dtype
        assert net.predict(X).dtype == theirs.predict(X).dtype


def test_text_that_ends_with_a_nul_is_told_apart():
    y = np.array(["a", "a\0"], dtype=object)[FLAGS]
    net = small(MLPClassifier, max_iter=100, learning_rate_init=0.1).fit(FLAGS[:, None], y)
    assert net.predict([[0], [1]]).tolist() == ["a", "a\0"]


@pytest.mark.parametrize(
    "other", [["int64", "str"], ["category", "boolean"], ["Int64", "category"]]
)
def test_columns_of_a_frame_with_nothing_in_common(other):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    y = pd.DataFrame({"a": pd.Series(X[:, 0] > 0).map({True: "u", False: "v"}).astype("category")})
    for name in other:
        column = pd.Series((X[:, 1] > 0).astype(int))
        y[name] = (
            column.map({0: "x", 1: "y"}).astype("category")
            if name == "category"
            else (column.astype(name))
        )
    net = MLPClassifier(hidden_layer_sizes=(20,), solver="lbfgs", max_iter=300, random_state=0)
    net.fit(X, y)
    assert [len(classes) for classes in net.classes_] == [2, 2, 2]
    assert net.score(X, y) > 0.9
