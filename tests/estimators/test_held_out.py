"""Validation data of one's own: errors name them, and other units than those of X are noticed."""

import warnings
from functools import partial

import numpy as np
import pandas as pd
import pytest
import sklearn
from estimator_cases import small_network
from scipy import sparse
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

from skdnn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
LABELS = np.arange(60) % 3
FRAME = pd.DataFrame(X, columns=list("abcd"))

small = partial(small_network, hidden_layer_sizes=(4,), max_iter=1)


# Errors -----------------------------------------------------------------------------------------


def with_value(value, A=X):
    A = A.astype(float)
    A.flat[5] = value
    return A


BAD = {
    "columns": ({"X_val": X[:, :3]}, "X_val has 3 features"),
    "NaN": ({"X_val": with_value(np.nan)}, "Input X_val contains NaN"),
    "infinity": ({"X_val": with_value(np.inf)}, "Input X_val contains infinity"),
    "too large": ({"X_val": with_value(1e39)}, "Input X_val contains infinity or a value too"),
    "sparse NaN": ({"X_val": sparse.csr_array(with_value(np.nan))}, "X_val contains NaN"),
    "one dimension": ({"X_val": X[0]}, "X_val.*Expected 2D array"),
    "no rows": ({"X_val": X[:0], "y_val": LABELS[:0]}, "X_val"),
    "text": ({"X_val": np.full((60, 4), "red")}, "X_val"),
    "names": ({"X_val": FRAME.rename(columns={"b": "beta"})}, "X_val.*feature names"),
    "rows": ({"X_val": X[:50]}, "y_val: Found input variables with inconsistent"),
    "y": ({"y_val": with_value(np.nan, LABELS)}, "Input y_val contains NaN"),
    "y of two columns": ({"y_val": np.c_[LABELS, LABELS]}, "`?y_val`? "),
    "weights": ({"sample_weight_val": np.ones(59)}, "sample_weight_val"),
    "negative weights": ({"sample_weight_val": with_value(-1, LABELS)}, "`sample_weight_val`"),
    "NaN weights": ({"sample_weight_val": with_value(np.nan, LABELS)}, "sample_weight_val"),
}


@pytest.mark.slow
@pytest.mark.parametrize("change, words", BAD.values(), ids=BAD)
@pytest.mark.parametrize("early_stopping", [False, True])
def test_errors_name_the_validation_data(cls, change, words, early_stopping):
    named = isinstance(change.get("X_val", FRAME), pd.DataFrame)
    data = FRAME if named else X
    given = {"X_val": data, "y_val": LABELS, "sample_weight_val": np.ones(60)} | change
    model = small(cls, early_stopping=early_stopping)
    with pytest.raises(ValueError, match=f"(?s){words}") as caught:
        model.fit(data, LABELS, **given)
    assert not hasattr(model, "coefs_")
    for own in ("X", "y", "sample_weight"):
        assert own not in str(caught.value).replace("`", " ").split()


def test_missing_names_are_those_of_x_val(cls):
    with pytest.warns(UserWarning, match="^X_val does not have valid feature names, but MLP") as w:
        model = small(cls).fit(FRAME, LABELS, X_val=X, y_val=LABELS)
    assert len([one for one in w if "feature names" in str(one.message)]) == 1
    expected = small(cls).fit(FRAME, LABELS, X_val=FRAME, y_val=LABELS)
    assert model.history_["validation_loss"] == expected.history_["validation_loss"]
    assert list(model.feature_names_in_) == list("abcd")


def test_unknown_labels_are_those_of_y_val():
    with pytest.raises(ValueError, match="`y_val` has classes not in"):
        small(MLPClassifier).fit(X, LABELS, X_val=X, y_val=LABELS + 1)


@pytest.mark.parametrize("change", [{"X": with_value(np.nan)}, {"y": with_value(np.nan, LABELS)}])
def test_errors_of_the_training_data_still_name_them(cls, change):
    with pytest.raises(ValueError, match=r"Input (X|y) contains NaN"):
        small(cls).fit(**{"X": X, "y": LABELS} | change, X_val=X, y_val=LABELS)


# Units ------------------------------------------------------------------------------------------

TABLES = {
    "iris": load_iris, "wine": load_wine, "cancer": load_breast_cancer, "digits": load_digits,
    "diabetes": lambda return_X_y: load_diabetes(return_X_y=return_X_y, scaled=False),
}  # fmt: skip
SCALERS = [
    StandardScaler(), MinMaxScaler(), RobustScaler(), MaxAbsScaler(),
    QuantileTransformer(n_quantiles=50), make_pipeline(StandardScaler(), PCA()),
]  # fmt: skip
UNITS = "X_val seems to be in other units than X"


def split(table):
    X, y = TABLES[table](return_X_y=True)
    return train_test_split(X, y > np.median(y) - 0.5, test_size=0.3, random_state=0)


@pytest.mark.parametrize("scaler", SCALERS, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("table", TABLES)
def test_raw_columns_beside_scaled_ones_are_noticed(table, scaler):
    X, V, y, y_val = split(table)
    pipeline = Pipeline([("scale", scaler), ("net", small(MLPClassifier))])
    with pytest.warns(UserWarning, match=UNITS + r".*transform_input=\[\"X_val\"\]"):
        pipeline.fit(X, y, net__X_val=V, net__y_val=y_val)


@pytest.mark.slow
@pytest.mark.parametrize("scaler", SCALERS, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("n", [2, 5, 20, None])
def test_the_same_units_are_no_matter(table, scaler, n):
    X, V, y, y_val = split(table)
    scaler.fit(X)
    for f in (scaler.transform, lambda A: A):
        small(MLPRegressor).fit(f(X), y, X_val=f(V)[:n], y_val=y_val[:n])  # warnings are errors


def test_scaled_columns_beside_raw_ones_are_noticed():
    X, V, y, y_val = split("wine")
    with pytest.warns(UserWarning, match=UNITS):
        small(MLPClassifier).fit(X, y, X_val=StandardScaler().fit(X).transform(V), y_val=y_val)


@pytest.mark.parametrize("factor", [100.0, 1e-3])
def test_sparse_counts_beside_scaled_ones_are_noticed(factor):
    counts = sparse.random_array(
        (200, 30), density=0.1, format="csr", random_state=np.random.default_rng(0)
    )
    y = np.arange(200) % 2
    with pytest.warns(UserWarning, match=UNITS):
        small(MLPClassifier).fit(counts, y, X_val=factor * counts[:50], y_val=y[:50])
    small(MLPClassifier).fit(counts, y, X_val=3 * counts[:50], y_val=y[:50])


def test_one_column_in_thousands_among_categories():
    """Most columns are zeros and ones in either case."""
    codes = OneHotEncoder(sparse_output=False).fit_transform(RNG.integers(0, 12, (300, 2)))
    income = 4e4 * np.exp(RNG.normal(size=(300, 1)))
    raw, y = np.c_[codes, income], np.arange(300) % 2
    scaled = np.c_[codes, StandardScaler().fit_transform(income)]
    with pytest.warns(UserWarning, match=f"{UNITS}: 1 of 1 columns"):
        small(MLPClassifier).fit(scaled[:200], y[:200], X_val=raw[200:], y_val=y[200:])
    small(MLPClassifier).fit(scaled[:200], y[:200], X_val=scaled[200:], y_val=y[200:])


SHAPES = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "skewed": lambda rng, shape: np.exp(2 * rng.normal(size=shape)),
    "heavy tails": lambda rng, shape: rng.standard_t(1.5, shape),
    "categories": lambda rng, shape: np.eye(shape[1])[rng.integers(0, shape[1], shape[0])],
    "mostly zero": lambda rng, shape: rng.poisson(0.1, shape) * rng.normal(size=shape),
    "counts": lambda rng, shape: rng.poisson(0.5, shape).astype(float),
    "large rows": lambda rng, shape: rng.normal(size=shape) * rng.lognormal(size=(shape[0], 1)),
    "constant": lambda rng, shape: np.full(shape, 3.0),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("n_columns", [1, 2, 12])
@pytest.mark.parametrize("as_sparse", [False, True])
def test_no_false_alarm(kind, n_columns, as_sparse):
    rng = np.random.default_rng(1)
    for n, m in ((30, 1), (30, 3), (200, 8), (200, 40), (1000, 300)):
        X, V = (SHAPES[kind](rng, (k, n_columns)) for k in (n, m))
        if as_sparse:
            X, V = sparse.csr_array(X), sparse.csr_array(V)
        small(MLPRegressor, scoring="loss").fit(X, np.arange(n), X_val=V, y_val=np.arange(m))


SHIFTS = {
    "all columns by two standard deviations": lambda V: V + 2,
    "all columns three times as wide": lambda V: 3 * V,
    "one of four columns far away": lambda V: V + np.array([20, 0, 0, 0]),
    "one of four columns ten times as wide": lambda V: V * [20, 1, 1, 1],
    "a column that is constant now": lambda V: V * [0, 1, 1, 1],
}


@pytest.mark.parametrize("shift", SHIFTS.values(), ids=SHIFTS)
def test_a_shift_of_a_real_kind_is_none_of_units(shift):
    X, V = RNG.normal(size=(300, 4)), RNG.normal(size=(100, 4))
    small(MLPRegressor).fit(X, X[:, 0], X_val=shift(V), y_val=V[:, 0])


def test_time_goes_on():
    """A column that grows with time, split in time."""
    t = np.arange(1000)
    X = np.c_[t, np.sin(t / 7), np.cumsum(np.random.default_rng(0).normal(0.1, 1, 1000))]
    X = (X - X[:700].mean(axis=0)) / X[:700].std(axis=0)
    small(MLPRegressor).fit(X[:700], X[:700, 1], X_val=X[700:], y_val=X[700:, 1])


def test_transform_input_is_what_to_do():
    X, V, y, y_val = split("wine")
    with sklearn.config_context(enable_metadata_routing=True):
        net = small(MLPClassifier, max_iter=30).set_fit_request(X_val=True, y_val=True)
        pipeline = make_pipeline(StandardScaler(), net, transform_input=["X_val"])
        pipeline.fit(X, y, X_val=V, y_val=y_val)
    assert pipeline[-1].history_["validation_score"][-1] == pipeline.score(V, y_val)


def test_a_frame_and_weights(cls):
    X, V, y, y_val = (np.asarray(A, dtype=float) for A in split("wine"))
    scaled = StandardScaler().fit_transform(X)
    weight = np.ones(len(y))
    weight[::3] = 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*Maximum iterations")
        small(cls).fit(X, y, weight, X_val=pd.DataFrame(V).to_numpy(), y_val=y_val)
    with pytest.warns(UserWarning, match=UNITS):
        small(cls).fit(scaled, y, weight, X_val=V, y_val=y_val)
