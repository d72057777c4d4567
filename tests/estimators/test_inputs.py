"""Every container and dtype of X and y gives the model that plain float32 arrays give."""

from functools import partial

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from estimator_cases import EQUIVARIANT, PROBABILISTIC, by_class, losses_of, small_network, values
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import softmax
from sklearn.exceptions import DataConversionWarning
from sklearn.metrics import r2_score
from sklearn.multioutput import MultiOutputClassifier

from skdnn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
WHOLE = RNG.integers(-4, 5, size=(60, 4))  # exact in every numeric dtype
X = WHOLE.astype(np.float32)
LABELS = (WHOLE[:, 0] > 0).astype(int) + (WHOLE[:, 1] > 1)
NUMBERS = WHOLE @ [1.0, -2.0, 0.5, 0.0]

small = partial(small_network, hidden_layer_sizes=(5,), max_iter=4)

y_for = by_class(LABELS, NUMBERS)


@pytest.fixture
def reference(cls):
    return small(cls).fit(X, y_for(cls))


# Numpy ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "dtype", [np.int8, np.int16, np.int32, np.int64, np.float16, np.float32, np.float64, ">f8"]
)
def test_every_dtype_gives_the_same_model(cls, reference, dtype):
    model = small(cls).fit(WHOLE.astype(dtype), y_for(cls))
    assert_array_equal(values(model), values(reference))
    assert_array_equal(model.predict(WHOLE.astype(dtype)), reference.predict(WHOLE))


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint64])
def test_booleans_and_unsigned_numbers(cls, dtype):
    positive = (WHOLE > 0).astype(dtype)
    model = small(cls).fit(positive, y_for(cls))
    reference = small(cls).fit(positive.astype(np.float32), y_for(cls))
    assert_array_equal(values(model), values(reference))
    assert_array_equal(model.predict(positive), reference.predict(positive.astype(float)))


def in_every_order():
    wide = np.zeros((60, 8), np.float32)
    wide[:, ::2] = X
    tall = np.zeros((180, 4))
    tall[::3] = X
    return {
        "Fortran": np.asfortranarray(X),
        "columns of a wider array": wide[:, ::2],
        "rows of a taller array": tall[::3],
        "negative strides": X[::-1, ::-1].copy()[::-1, ::-1],
        "transposed": X.T.copy().T,
        "float64, Fortran": np.asfortranarray(X.astype(float)),
    }


@pytest.mark.parametrize("ordered", in_every_order().values(), ids=in_every_order())
def test_every_memory_order_gives_the_same_model(cls, reference, ordered):
    model = small(cls).fit(ordered, y_for(cls))
    assert_array_equal(values(model), values(reference))
    assert_array_equal(model.predict(ordered), reference.predict(X.astype(ordered.dtype)))
    bit_by_bit = small(cls)
    more = {"classes": [0, 1, 2]} if cls is MLPClassifier else {}
    for _ in range(4):
        bit_by_bit.partial_fit(ordered, y_for(cls), **more)
    assert_array_equal(values(bit_by_bit), values(reference))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("parameters", [{}, {"solver": "lbfgs"}, {"input_dropout": 0.3}])
def test_read_only_memory_maps(cls, tmp_path, order, dtype, parameters):
    y = np.asarray(y_for(cls))
    weight = np.linspace(0.5, 1.5, 60)
    parts = [np.asarray(X, dtype, order=order), y, weight]
    joblib.dump(parts, tmp_path / "data")
    maps = joblib.load(tmp_path / "data", mmap_mode="r")
    assert all(isinstance(a, np.memmap) and not a.flags.writeable for a in maps)
    model = small(cls, **parameters).fit(*maps)
    assert_array_equal(values(model), values(small(cls, **parameters).fit(*parts)))
    assert_array_equal(model.predict(maps[0]), model.predict(parts[0]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"solver": "lbfgs"},
        {"shuffle": False},
        {"input_dropout": 0.5, "dropout": 0.5, "batch_norm": True},
        {"hidden_layer_sizes": ()},
        {"early_stopping": True},
        {"dtype": "float64"},
    ],
)
def test_nothing_that_was_handed_in_is_changed(cls, dtype, parameters):
    given = [X.astype(dtype), y_for(cls).copy(), np.linspace(0.0, 2.0, 60)]
    copies = [a.copy() for a in given]
    model = small(cls, **parameters).fit(*given)
    model.predict(given[0])
    model.score(*given)
    for array, copy in zip(given, copies, strict=True):
        assert_array_equal(array, copy)


def test_nothing_in_a_sparse_matrix_is_changed(cls):
    given = sparse.csr_array(X)
    model = small(cls, input_dropout=0.5).fit(given, y_for(cls))
    model.predict(given)
    assert_array_equal(given.toarray(), X)


# A column of subnormal numbers alone has lost digits, and is refused.
NUMBERS_OF_32_BITS = st.floats(-100, 100, width=32, allow_subnormal=False)


@given(
    hnp.arrays(np.float32, (12, 3), elements=NUMBERS_OF_32_BITS),
    st.sampled_from(["C", "F"]),
    st.sampled_from([np.float32, np.float64, ">f4", "<f8"]),
)
@settings(deadline=None, max_examples=25, derandomize=True, database=None)
def test_any_numbers_in_any_layout(A, order, dtype):
    y = np.arange(12) % 2
    plain = small(MLPClassifier, max_iter=2).fit(A, y)
    other = small(MLPClassifier, max_iter=2).fit(np.asarray(A, dtype, order=order), y)
    assert_array_equal(values(other), values(plain))


def test_the_dtype_of_predictions_follows_the_input(cls, reference):
    method = reference.predict if cls is MLPRegressor else reference.decision_function
    assert method(X).dtype == np.float32
    assert method(X.astype(float)).dtype == np.float64
    assert method(WHOLE).dtype == np.float64
    assert_allclose(method(X), method(WHOLE), rtol=1e-6)


# Sparse -----------------------------------------------------------------------------------------

FORMATS = {
    "csr_array": sparse.csr_array,
    "csr_matrix": sparse.csr_matrix,
    "csc_array": sparse.csc_array,
    "csc_matrix": sparse.csc_matrix,
    "coo_array": sparse.coo_array,
    "lil_matrix": sparse.lil_matrix,
}


@pytest.fixture
def never_dense(monkeypatch):
    """Let every attempt to make a sparse matrix dense fail."""

    def refuse(*args, **kwargs):
        raise AssertionError("made dense")

    for kind in (sparse.csr_array, sparse.csr_matrix, sparse.csc_array, sparse.csc_matrix):
        for method in ("toarray", "todense", "__array__"):
            monkeypatch.setattr(kind, method, refuse, raising=False)


@pytest.mark.slow
@pytest.mark.parametrize("convert", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"batch_norm": True, "dtype": "float64"},
        {"solver": "lbfgs"},
        {"early_stopping": True, "batch_size": 20},
        {"hidden_layer_sizes": ()},
        {"dtype": "float64", "dropout": 0.2},
    ],
)
def test_sparse_equals_dense(cls, never_dense, convert, parameters):
    Z = convert(X)
    model = small(cls, **parameters).fit(Z, y_for(cls), sample_weight=np.linspace(0, 1, 60))
    dense = small(cls, **parameters).fit(X, y_for(cls), sample_weight=np.linspace(0, 1, 60))
    method = "predict" if cls is MLPRegressor else "predict_proba"
    assert_allclose(getattr(model, method)(Z), getattr(dense, method)(X), rtol=2e-4, atol=2e-5)


def test_sparse_bit_by_bit(cls, never_dense):
    more = {"classes": [0, 1, 2]} if cls is MLPClassifier else {}
    model = small(cls)
    for _ in range(4):
        model.partial_fit(sparse.csr_array(X), y_for(cls), **more)
    whole = small(cls).fit(sparse.csr_array(X), y_for(cls))
    assert_array_equal(values(model), values(whole))


def test_sparse_input_dropout_regularises(cls, never_dense):
    Z = sparse.csr_array(X)
    plain = small(cls, max_iter=40).fit(Z, y_for(cls))
    dropped = small(cls, max_iter=40, input_dropout=0.5).fit(Z, y_for(cls))
    assert dropped.loss_ > plain.loss_
    assert_allclose(dropped.predict(Z), dropped.predict(X), rtol=1e-4, atol=1e-5)


def test_sparse_validation_rows(cls, never_dense):
    y = y_for(cls)
    model = small(cls).fit(sparse.csr_array(X), y, X_val=sparse.csc_array(X[:20]), y_val=y[:20])
    dense = small(cls).fit(X, y, X_val=X[:20], y_val=y[:20])
    for name in ("validation_loss", "validation_score"):
        assert_allclose(model.history_[name], dense.history_[name], rtol=1e-4)


def test_wide_sparse_input_needs_no_dense_memory():
    wide = sparse.random_array(
        (50, 200_000), density=1e-4, random_state=1, dtype=np.float32
    ).tocsr()
    y = np.arange(50) % 2
    model = small(MLPClassifier, hidden_layer_sizes=(2,), max_iter=2).fit(wide, y)
    assert_allclose(model.predict_proba(wide).sum(axis=1), 1.0)


# Data frames and lists --------------------------------------------------------------------------

COLUMNS = ["a", "b", "c", "d"]


def frame(dtype=None, index=None):
    return pd.DataFrame(WHOLE, columns=COLUMNS, index=index).astype(dtype or "int64")


SHUFFLED = RNG.permutation(60) + 1000
FRAMES = {
    "int": frame(),
    "float32": frame("float32"),
    "nullable Int64": frame("Int64"),
    "nullable Float64": frame("Float64"),
    "nullable Int8": frame("Int8"),
    "mixed": frame({"a": "Int64", "b": "float32", "c": "Float64", "d": "int16"}),
    "pyarrow": frame("int64[pyarrow]"),
    "object": frame("object"),
    "shuffled index": frame(index=SHUFFLED),
    "text index": frame(index=[f"row {i}" for i in range(60)]),
    "repeated index": frame(index=np.zeros(60)),
    "polars": pl.DataFrame(WHOLE, schema=COLUMNS),
    "polars float32": pl.DataFrame(X, schema=COLUMNS),
    "list": WHOLE.tolist(),
    "list of arrays": list(WHOLE),
    "tuple": tuple(map(tuple, WHOLE)),
}


@pytest.mark.parametrize("data", FRAMES.values(), ids=FRAMES)
def test_frames_and_lists_give_the_same_model(cls, reference, data):
    model = small(cls).fit(data, y_for(cls))
    assert_array_equal(values(model), values(reference))
    assert_array_equal(model.predict(data), reference.predict(WHOLE))
    if not isinstance(data, list | tuple):
        assert_array_equal(model.feature_names_in_, COLUMNS)
    assert model.n_features_in_ == 4


@pytest.mark.parametrize("dtype", ["bool", "boolean", "bool[pyarrow]"])
@pytest.mark.parametrize("columns", [["a"], COLUMNS])
def test_boolean_columns(cls, dtype, columns):
    flags = pd.DataFrame(WHOLE > 0, columns=COLUMNS)
    numbers = flags.astype("float32")
    flags = flags.astype(dict.fromkeys(columns, dtype))
    model, plain = (small(cls).fit(Z, y_for(cls)) for Z in (flags, numbers))
    assert_array_equal(values(model), values(plain))
    assert_array_equal(model.predict(flags), plain.predict(numbers.astype(float)))


@pytest.mark.parametrize("missing", ["Int64", "Float64", "boolean"])
def test_a_missing_value_in_a_nullable_column_is_found(cls, missing):
    Z = pd.DataFrame((WHOLE > 0).astype(int), columns=COLUMNS).astype({"b": missing})
    Z.loc[3, "b"] = pd.NA
    with pytest.raises(ValueError, match="X contains NaN"):
        small(cls).fit(Z, y_for(cls))


def test_names_that_are_no_text_are_not_kept(cls):
    model = small(cls).fit(pd.DataFrame(WHOLE), y_for(cls))
    assert not hasattr(model, "feature_names_in_")


# Class labels -----------------------------------------------------------------------------------

NAMES = np.array(["amber", "blue", "cyan"])
LABEL_KINDS = {
    "text": (NAMES[LABELS], NAMES),
    "object": (NAMES[LABELS].astype(object), NAMES),
    "list": (NAMES[LABELS].tolist(), NAMES),
    "floats": (LABELS.astype(float), [0.0, 1.0, 2.0]),
    "int8": (LABELS.astype(np.int8), [0, 1, 2]),
    "negative": (LABELS - 1, [-1, 0, 1]),
    "Series": (pd.Series(NAMES[LABELS], index=SHUFFLED), NAMES),
    "categorical": (pd.Series(pd.Categorical(NAMES[LABELS])), NAMES),
    "ordered categorical": (
        pd.Series(pd.Categorical(NAMES[LABELS], categories=NAMES[::-1], ordered=True)),
        NAMES,
    ),
    "string dtype": (pd.Series(NAMES[LABELS], dtype="string"), NAMES),
    "nullable": (pd.Series(LABELS, dtype="Int64"), [0, 1, 2]),
    "polars": (pl.Series(NAMES[LABELS]), NAMES),
    "polars int": (pl.Series(LABELS), [0, 1, 2]),
}


@pytest.mark.parametrize("y, classes", LABEL_KINDS.values(), ids=LABEL_KINDS)
@pytest.mark.parametrize("parameters", [{}, {"early_stopping": True}, {"class_weight": "balanced"}])
def test_every_kind_of_label(y, classes, parameters):
    model = small(MLPClassifier, **parameters).fit(X, y)
    plain = small(MLPClassifier, **parameters).fit(X, LABELS)
    assert_array_equal(model.classes_, classes)
    assert_array_equal(values(model), values(plain))
    assert_array_equal(model.predict(X), np.asarray(classes)[plain.predict(X)])
    assert model.score(X, np.asarray(y)) == plain.score(X, LABELS)


FLAGS = LABELS > 0
BINARY_KINDS = {
    "bool": (FLAGS, [False, True]),
    "nullable": (pd.Series(FLAGS, dtype="boolean"), [False, True]),
    "Series": (pd.Series(FLAGS, index=SHUFFLED), [False, True]),
    "text": (np.where(FLAGS, "yes", "no"), ["no", "yes"]),
    "minus and plus one": (np.where(FLAGS, 1, -1), [-1, 1]),
    "polars": (pl.Series(FLAGS), [False, True]),
}


@pytest.mark.parametrize("y, classes", BINARY_KINDS.values(), ids=BINARY_KINDS)
def test_every_kind_of_two_labels(y, classes):
    model = small(MLPClassifier).fit(X, y)
    plain = small(MLPClassifier).fit(X, FLAGS.astype(int))
    assert_array_equal(model.classes_, classes)
    assert_array_equal(values(model), values(plain))
    assert_array_equal(model.predict(X), np.asarray(classes)[plain.predict(X)])
    assert_array_equal(model.predict_proba(X)[:, 1] > 0.5, plain.predict(X) == 1)


NUMBER_KINDS = {
    "list": NUMBERS.tolist(),
    "float32": NUMBERS.astype(np.float32),  # halves are exact
    "Series": pd.Series(NUMBERS, index=SHUFFLED),
    "nullable": pd.Series(NUMBERS, dtype="Float64"),
    "object": NUMBERS.astype(object),
    "polars": pl.Series(NUMBERS),
}


@pytest.mark.parametrize("y", NUMBER_KINDS.values(), ids=NUMBER_KINDS)
def test_every_kind_of_number_to_predict(y):
    model, plain = small(MLPRegressor).fit(X, y), small(MLPRegressor).fit(X, NUMBERS)
    assert_array_equal(values(model), values(plain))
    assert model.score(X, y) == pytest.approx(plain.score(X, NUMBERS), rel=1e-6)


def test_whole_numbers_and_booleans_to_predict():
    for y in (WHOLE[:, 0], FLAGS):
        model, plain = (small(MLPRegressor).fit(X, z) for z in (y, y.astype(float)))
        assert_array_equal(values(model), values(plain))


@pytest.mark.parametrize("convert", [np.asarray, pd.DataFrame])
def test_a_column_of_y_is_flattened_with_a_warning(cls, reference, convert):
    column = convert(np.asarray(y_for(cls))[:, None])
    with pytest.warns(DataConversionWarning, match="A column-vector y was passed"):
        model = small(cls).fit(X, column)
    assert_array_equal(values(model), values(reference))
    assert model.predict(X).shape == (60,)


@pytest.mark.parametrize("kind", ["Series", "list", "int"])
def test_every_kind_of_weight(cls, kind):
    weight = RNG.integers(1, 4, size=60)
    given = {"Series": pd.Series(weight, index=SHUFFLED), "list": weight.tolist(), "int": weight}
    model = small(cls).fit(X, y_for(cls), sample_weight=given[kind])
    plain = small(cls).fit(X, y_for(cls), sample_weight=weight.astype(float))
    assert_array_equal(values(model), values(plain))


# Tasks ------------------------------------------------------------------------------------------

CODES = np.c_[LABELS, (WHOLE[:, 2] > 0) * 2, WHOLE[:, 3] % 4]
TEXTS = np.c_[NAMES[LABELS], np.where(WHOLE[:, 2] > 0, "left", "right")]
INDICATOR = (WHOLE[:, :3] > 0).astype(int)

long = pytest.mark.parametrize("loss", losses_of(MLPClassifier))


def learned(loss, Y, **parameters):
    parameters = {
        "hidden_layer_sizes": (30,),
        "learning_rate_init": 0.02,
        "loss": loss,
    } | parameters
    return small(MLPClassifier, max_iter=150, learning_rate="cosine", **parameters).fit(X, Y)


@long
@pytest.mark.parametrize("y", [FLAGS, LABELS], ids=["binary", "multiclass"])
def test_one_label(loss, y):
    model = learned(loss, y)
    D = model.decision_function(X)
    assert D.shape == ((60,) if y is FLAGS else (60, 3))
    best = D > 0 if y is FLAGS else D.argmax(axis=1)
    assert_array_equal(model.predict(X), model.classes_[best.astype(int)])
    assert model.score(X, y) > 0.9
    assert model.n_outputs_ == (1 if y is FLAGS else 3)


@pytest.mark.parametrize("loss", PROBABILISTIC)
@pytest.mark.parametrize("y", [FLAGS, LABELS], ids=["binary", "multiclass"])
def test_probabilities_of_one_label(loss, y):
    model = learned(loss, y)
    D, P = model.decision_function(X.astype(float)), model.predict_proba(X)
    scores = np.c_[np.zeros(60), D] if y is FLAGS else D
    assert_allclose(P, softmax(scores, axis=1), rtol=1e-6)
    assert_allclose(np.exp(model.predict_log_proba(X)), P)
    assert_array_equal(model.predict(X), model.classes_[P.argmax(axis=1)])


@long
@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_matrix, sparse.csc_array])
def test_several_labels(loss, convert):
    model = learned(loss, convert(INDICATOR))
    predicted = model.predict(X)
    assert sparse.issparse(predicted) == (convert is not np.asarray)
    if sparse.issparse(predicted):
        predicted = predicted.toarray()
    assert_array_equal(predicted, learned(loss, INDICATOR).predict(X))
    assert_array_equal(predicted, model.decision_function(X) > 0)
    assert_array_equal(model.classes_, [0, 1, 2])
    exact = np.all(predicted == INDICATOR, axis=1).mean()
    assert exact > 0.9
    assert model.score(X, INDICATOR) == pytest.approx(exact)
    if loss in PROBABILISTIC:
        P = model.predict_proba(X)
        assert P.shape == (60, 3)
        assert_array_equal(P > 0.5, predicted)


@long
@pytest.mark.parametrize("Y", [CODES, TEXTS], ids=["codes", "texts"])
@pytest.mark.parametrize("convert", [np.asarray, pd.DataFrame])
def test_several_outputs_of_several_classes(loss, Y, convert):
    model = learned(loss, convert(Y))
    predicted = model.predict(X)
    assert [c.tolist() for c in model.classes_] == [np.unique(y_j).tolist() for y_j in Y.T]
    assert predicted.shape == Y.shape
    D = model.decision_function(X)
    for j, (classes, D_j) in enumerate(zip(model.classes_, D, strict=True)):
        assert D_j.shape == (60, len(classes))
        assert_array_equal(predicted[:, j], classes[D_j.argmax(axis=1)])
    exact = np.all(predicted == Y, axis=1).mean()
    assert exact > 0.8
    assert model.score(X, Y) == pytest.approx(exact)
    assert model.score(X, Y, np.arange(60)) == pytest.approx(
        np.average(np.all(predicted == Y, axis=1), weights=np.arange(60))
    )


@pytest.mark.parametrize("loss", PROBABILISTIC)
@pytest.mark.parametrize("Y", [CODES, TEXTS], ids=["codes", "texts"])
def test_probabilities_of_several_outputs_are_lists_as_in_scikit_learn(loss, Y):
    model = learned(loss, Y)
    separate = MultiOutputClassifier(small(MLPClassifier)).fit(X, Y)
    P = model.predict_proba(X)
    assert isinstance(P, list)
    assert [P_j.shape for P_j in P] == [Q_j.shape for Q_j in separate.predict_proba(X)]
    for classes, P_j, log_P_j, predicted in zip(
        model.classes_, P, model.predict_log_proba(X), model.predict(X).T, strict=True
    ):
        assert_allclose(P_j.sum(axis=1), 1.0)
        assert_allclose(np.exp(log_P_j), P_j)
        assert_array_equal(classes[P_j.argmax(axis=1)], predicted)


@long
def test_several_outputs_bit_by_bit(loss):
    classes = [np.unique(y_j) for y_j in CODES.T]
    model = small(MLPClassifier, loss=loss)
    for _ in range(4):
        model.partial_fit(X, CODES, classes=classes)
    assert_array_equal(values(model), values(small(MLPClassifier, loss=loss).fit(X, CODES)))


def test_one_output_of_several_is_a_softmax_of_its_own():
    """The gradient of the sum is the sum of the gradients: twice the same column, twice as fast."""
    twice = small(MLPClassifier, hidden_layer_sizes=(), solver="lbfgs", alpha=2.0, max_iter=500)
    single = small(MLPClassifier, hidden_layer_sizes=(), solver="lbfgs", alpha=2.0, max_iter=500)
    P = twice.fit(X, np.c_[LABELS, LABELS]).predict_proba(X)
    assert_allclose(P[0], single.fit(X, LABELS).predict_proba(X), atol=1e-3)
    assert_allclose(P[0], P[1], atol=1e-3)


def test_outputs_with_shared_weights_keep_the_scale_of_one():
    Y = np.c_[NUMBERS, 1e6 * WHOLE[:, 1] ** 2, 1e-6 * WHOLE[:, 0]]
    model = small(
        MLPRegressor, hidden_layer_sizes=(30,), solver="lbfgs", max_iter=300, activation="tanh"
    ).fit(X, Y)
    assert model.predict(X).shape == Y.shape
    assert min(r2_score(Y, model.predict(X), multioutput="raw_values")) > 0.99
    assert model.n_outputs_ == 3


@pytest.mark.parametrize("loss", EQUIVARIANT)
def test_several_numbers_in_a_frame(loss):
    Y = np.c_[NUMBERS, WHOLE[:, 3]].astype(float)
    model = small(MLPRegressor, loss=loss).fit(X, pd.DataFrame(Y, index=SHUFFLED))
    assert_array_equal(values(model), values(small(MLPRegressor, loss=loss).fit(X, Y)))


# The scale of y ---------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("loss", EQUIVARIANT)
@pytest.mark.parametrize("scale, shift", [(1e6, 0.0), (1e6, 5e6), (1e-6, 0.0), (1.0, 100.0)])
@pytest.mark.parametrize("parameters", [{}, {"solver": "lbfgs"}, {"early_stopping": True}])
def test_the_scale_of_y_makes_no_difference(loss, scale, shift, parameters):
    parameters = {"loss": loss, "max_iter": 60, "learning_rate_init": 0.01, **parameters}
    if parameters.get("solver") == "lbfgs":
        del parameters["learning_rate_init"]
    plain = small(MLPRegressor, dtype="float64", **parameters).fit(X, NUMBERS)
    scaled = small(MLPRegressor, dtype="float64", **parameters)
    scaled.fit(X, scale * NUMBERS + shift)
    expected = scale * plain.predict(WHOLE) + shift
    assert_allclose(scaled.predict(WHOLE), expected, rtol=1e-4, atol=1e-4 * scale)
    r2 = scaled.score(X, scale * NUMBERS + shift)
    assert r2 == pytest.approx(plain.score(X, NUMBERS), abs=1e-4)


def test_the_coefficients_are_a_plain_network():
    y = 3e6 * np.tanh(NUMBERS / 4) + 7e6
    model = small(
        MLPRegressor, hidden_layer_sizes=(8, 6), activation="tanh", max_iter=200, tol=0.0,
        learning_rate_init=0.02, learning_rate="cosine",
    ).fit(X, y)  # fmt: skip
    hidden = WHOLE
    for W, b in zip(model.coefs_[:-1], model.intercepts_[:-1], strict=True):
        hidden = np.tanh(hidden @ W + b)
    by_hand = hidden @ model.coefs_[-1] + model.intercepts_[-1]
    assert_allclose(model.predict(WHOLE), by_hand.ravel(), rtol=1e-5)
    assert model.score(X, y) > 0.95


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("warm_start", [False, True])
def test_the_scale_stays_folded_when_training_goes_on(warm_start):
    y = 1e6 * NUMBERS + 3e6
    model = small(
        MLPRegressor,
        max_iter=30,
        warm_start=warm_start,
        learning_rate="constant",
        learning_rate_init=0.02,
    )
    before = model.fit(X, y).score(X, y)
    for _ in range(3):
        model.fit(X, y) if warm_start else model.partial_fit(X, y)
    assert model.score(X, y) > before
    hidden = np.maximum(WHOLE @ model.coefs_[0] + model.intercepts_[0], 0)
    assert_allclose(
        model.predict(WHOLE),
        (hidden @ model.coefs_[1] + model.intercepts_[1]).ravel(),
        rtol=1e-4,
        atol=10,
    )


@pytest.mark.parametrize("constant", [0.0, 5.0, -3e6, 1e-3])
@pytest.mark.parametrize("loss", EQUIVARIANT)
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_constant_y_is_learned(constant, loss, solver):
    more = {} if solver == "lbfgs" else {"learning_rate_init": 0.05, "learning_rate": "cosine"}
    more |= {} if solver == "lbfgs" else {"n_iter_no_change": np.inf, "dtype": "float64"}
    more["max_iter"] = 200
    model = small(MLPRegressor, loss=loss, solver=solver, **more)
    model.fit(X, np.full(60, constant))
    assert_allclose(model.predict(X), constant, atol=0.3)


def test_a_constant_y_has_no_spread_to_blur():
    model = small(MLPRegressor, max_iter=100, learning_rate_init=0.05).fit(X, np.full(60, 4e6))
    assert_allclose(model.predict(X), 4e6, rtol=1e-6)


@pytest.mark.parametrize("loss", sorted({*losses_of(MLPRegressor)} - {*EQUIVARIANT}))
@pytest.mark.parametrize("normalize_y", [True, False])
def test_deviances_leave_y_as_it_is_with_normalize_y(loss, normalize_y):
    y = np.exp(0.2 * NUMBERS)
    model = small(MLPRegressor, loss=loss, normalize_y=normalize_y).fit(X, y)
    plain = small(MLPRegressor, loss=loss).fit(X, y)
    assert_array_equal(values(model), values(plain))
    assert np.all(model.predict(X) > 0)


# Shapes at the edge -----------------------------------------------------------------------------


def test_one_column():
    x = np.linspace(-1, 1, 80)[:, None]
    model = small(
        MLPRegressor, hidden_layer_sizes=(20,), activation="tanh", solver="lbfgs", max_iter=500
    ).fit(x, np.sin(3 * x[:, 0]))
    assert_allclose(model.predict(x), np.sin(3 * x[:, 0]), atol=0.05)
    assert small(MLPClassifier).fit(x, x[:, 0] > 0).n_features_in_ == 1


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_more_columns_than_rows_can_be_learned_by_heart(cls, solver):
    wide = RNG.normal(size=(12, 50))
    y = np.arange(12) % 3 if cls is MLPClassifier else RNG.normal(size=12)
    rate = {} if solver == "lbfgs" else {"learning_rate_init": 0.02}
    size = {"hidden_layer_sizes": (20,), "max_iter": 300, "tol": 1e-7}
    model = small(cls, solver=solver, **size, **rate).fit(wide, y)
    assert model.score(wide, y) > 0.99


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_one_row(solver):
    rate = {} if solver == "lbfgs" else {"learning_rate_init": 0.05}
    model = small(MLPRegressor, solver=solver, max_iter=100, **rate).fit(X[:1], [4.0])
    assert_allclose(model.predict(X[:1]), 4.0, rtol=0.05)
    classifier = small(MLPClassifier).fit(X, LABELS)
    assert_array_equal(classifier.predict(X[:1]), classifier.predict(X)[:1])


def test_the_last_batch_may_be_one_row_with_batch_norm(cls):
    model = small(cls, batch_size=59).fit(X, y_for(cls))
    assert np.isfinite(values(model)).all()
    model = small(cls, batch_size=59, batch_norm=True).fit(X, y_for(cls))
    assert np.isfinite(values(model)).all()


@given(st.integers(1, 30), st.integers(1, 12), st.integers(1, 40), st.integers(1, 3))
@settings(deadline=None, max_examples=25, derandomize=True, database=None)
def test_any_shape_fits_and_predicts_row_by_row(n, n_in, batch_size, k):
    rng = np.random.default_rng(n)
    A, Y = rng.normal(size=(n, n_in)), rng.normal(size=(n, k))
    model = small(MLPRegressor, max_iter=2, batch_size=min(n, batch_size))
    predicted = model.fit(A, Y.ravel() if k == 1 else Y).predict(A)
    assert predicted.shape == ((n,) if k == 1 else (n, k))
    one_by_one = np.concatenate([model.predict(row[None]) for row in A])
    assert_allclose(one_by_one, predicted, rtol=1e-4, atol=1e-5)
