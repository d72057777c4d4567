"""What scikit-learn asks of every transformer."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import check_estimator

from skdnn.preprocessing import PiecewiseLinearEncoder, RobustSmoothClipScaler, TabularEncoder

TRANSFORMERS = [
    RobustSmoothClipScaler(),
    RobustSmoothClipScaler(limit=np.inf, dtype="float32"),
    PiecewiseLinearEncoder(),
    PiecewiseLinearEncoder(n_bins=4, keep_raw=True),
    PiecewiseLinearEncoder(strategy="tree", min_samples_leaf=1),
    TabularEncoder(),
    TabularEncoder(numeric="passthrough", dtype="float64"),
    TabularEncoder(high_cardinality="target", random_state=0),
]
UNDER_TEST = pytest.mark.parametrize("estimator", TRANSFORMERS, ids=str)
DTYPE = "the dtype of the output is what `dtype` says, not that of X"
EXPECTED_FAILURES = {
    "RobustSmoothClipScaler(dtype='float32', limit=inf)": {
        "check_transformer_preserve_dtypes": DTYPE
    },
}
SCIKIT_LEARNS_OTHERS = (  # those that its own suite runs on its own transformers
    "check_dataframe_column_names_consistency",
    "check_get_feature_names_out_error",
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_set_output_transform_polars",
    "check_global_output_transform_pandas",
    "check_global_set_output_transform_polars",
    "check_inplace_ensure_writeable",
    "check_all_zero_sample_weights_error",
)
BY_NAME = "check_dataframe_column_names_consistency"


def table(n=60):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(n, 3))
    X[::7, 1] = np.nan
    return X, (X[:, 0] > 0).astype(int)


@pytest.mark.slow
@UNDER_TEST
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_check_estimator(estimator):
    expected = EXPECTED_FAILURES.get(str(estimator), {})
    found = check_estimator(estimator, expected_failed_checks=expected, on_skip=None)
    failed = {check["check_name"] for check in found if check["status"] == "xfail"}
    assert failed == set(expected)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names")
@pytest.mark.parametrize("check", SCIKIT_LEARNS_OTHERS)
@UNDER_TEST
def test_other_checks(estimator, check):
    if isinstance(estimator, TabularEncoder) and check == BY_NAME:
        with pytest.raises(AssertionError, match="transform did not raise"):  # it reorders
            getattr(estimator_checks, check)(str(estimator), estimator)
    else:
        getattr(estimator_checks, check)(type(estimator).__name__, estimator)


@UNDER_TEST
def test_pickle_and_clone_give_the_same(estimator):
    X, y = table()
    fitted = clone(estimator).fit(X, y)
    again = pickle.loads(pickle.dumps(fitted))
    assert_array_equal(again.transform(X), fitted.transform(X))
    assert clone(fitted).get_params() == estimator.get_params()


@UNDER_TEST
def test_no_training_data_in_a_pickle(estimator):
    X, y = table(20_000)
    assert len(pickle.dumps(clone(estimator).fit(X, y))) < 5000


@UNDER_TEST
def test_weights_of_whole_numbers_repeat_rows(estimator, rng):
    if estimator.get_params().get("strategy") == "tree":
        pytest.skip("`min_samples_leaf` counts rows, not weights")
    X, y = table()
    weight = rng.integers(0, 4, len(X))
    weighted = clone(estimator).fit(X, y, sample_weight=weight)
    repeated = clone(estimator).fit(X.repeat(weight, axis=0), y.repeat(weight))
    assert_allclose(weighted.transform(X), repeated.transform(X), atol=1e-12)
    tenth = clone(estimator).fit(X, y, sample_weight=weight / 10)
    assert_allclose(weighted.transform(X), tenth.transform(X), atol=1e-12)


@UNDER_TEST
def test_weights_go_through_a_pipeline_that_routes(estimator):
    X, y = table()
    X = np.nan_to_num(X)
    weight = np.linspace(0, 1, len(X))
    with config_context(enable_metadata_routing=True):
        step = clone(estimator).set_fit_request(sample_weight=True)
        if hasattr(step, "set_fit_transform_request"):
            step.set_fit_transform_request(sample_weight=True)
        last = LogisticRegression().set_fit_request(sample_weight=True)
        pipeline = make_pipeline(step, last).fit(X, y, sample_weight=weight)
    alone = clone(estimator).fit(X, y, sample_weight=weight)
    assert_array_equal(pipeline[0].transform(X), alone.transform(X))


@UNDER_TEST
def test_in_a_pipeline(estimator):
    X, y = table()
    assert cross_val_score(make_pipeline(estimator, LogisticRegression()), X[:, :1], y).min() > 0.8


@UNDER_TEST
@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinity_is_refused_by_the_name_of_its_column(estimator, value):
    X, y = table()
    frame = pd.DataFrame(X.copy(), columns=["a", "b", "c"])
    fitted = clone(estimator).fit(frame, y)
    frame.loc[5, "b"] = value
    for method in (fitted.transform, lambda X: clone(estimator).fit(X, y)):
        with pytest.raises(ValueError, match=r"Column 'b' of input X: it contains infinity"):
            method(frame)
    X[5, 2] = value
    with pytest.raises(ValueError, match=r"Column 2 of input X: it contains infinity"):
        clone(estimator).fit(X, y)


@UNDER_TEST
def test_columns_lacking_or_new_are_named(estimator):
    X, y = table()
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    fitted = clone(estimator).fit(frame, y)
    with pytest.raises(ValueError, match=r"missing:\n- b"):
        fitted.transform(frame[["a", "c"]])
    with pytest.raises(ValueError, match=r"unseen at fit time:\n- new"):
        fitted.transform(frame.assign(new=1.0))
    with pytest.raises(ValueError, match="X has 2 features, but"):
        clone(estimator).fit(X, y).transform(X[:, :2])


@UNDER_TEST
def test_columns_without_anything_to_learn(estimator):
    X, y = table()
    rounding = np.where(np.arange(len(X)) % 2, 1.0, np.nextafter(1.0, 2.0))
    useless = [np.full(len(X), np.nan), np.full(len(X), 5.0), rounding]
    fitted = clone(estimator).fit(np.column_stack([X, X[:, 0], *useless]), y)
    out = fitted.transform(np.column_stack([X, X[:, 0], *useless]))
    if isinstance(estimator, TabularEncoder):
        assert_array_equal(fitted.feature_indices_, [0, 1, 1, 2, 3])
        assert_array_equal(out[:, 4], out[:, 0])
    elif not estimator.get_params().get("keep_raw"):
        assert_array_equal(np.nan_to_num(out[:, -3:]), 0.0)
        of = getattr(fitted, "feature_indices_", np.arange(7))
        assert_array_equal(out[:, of == 3], out[:, of == 0])


INVALID = [
    (RobustSmoothClipScaler(limit=0), "'limit' parameter .* must be a number > 0"),
    (RobustSmoothClipScaler(limit="3"), "'limit'"),
    (RobustSmoothClipScaler(dtype="int8"), "'dtype' .* 'float32', 'float64' or None"),
    (RobustSmoothClipScaler(dtype="nothing"), "'dtype'"),
    (PiecewiseLinearEncoder(n_bins=1), "'n_bins' .* an integer >= 2. Got 1"),
    (PiecewiseLinearEncoder(n_bins=2.5), "'n_bins'"),
    (PiecewiseLinearEncoder(strategy="kmeans"), "'strategy' .* 'quantile' or 'tree'"),
    (PiecewiseLinearEncoder(min_samples_leaf=0), "'min_samples_leaf'"),
    (PiecewiseLinearEncoder(target_type="numbers"), "'target_type'"),
    (TabularEncoder(numeric="minmax"), "'numeric' .* 'robust' or 'passthrough'"),
    (TabularEncoder(max_onehot=-1), "'max_onehot'"),
    (TabularEncoder(high_cardinality="hash"), "'high_cardinality' .* 'code' or 'target'"),
    (TabularEncoder(min_range=1.0), "'min_range'"),
    (TabularEncoder(target_type="number"), "'target_type'"),
    (TabularEncoder(categorical_features="all"), "categorical_features must be 'from_dtype'"),
    (TabularEncoder(categorical_features=1), "categorical_features must be 'from_dtype'"),
    (TabularEncoder(categorical_features=[0.5]), "categorical_features must be 'from_dtype'"),
    (TabularEncoder(categorical_features=[True]), r"mask must have shape \(3,\)"),
    (TabularEncoder(categorical_features=[3]), r"indices must be in \[0, 2\]"),
    (TabularEncoder(categorical_features=["a"]), "has 'a', which is no column"),
    (TabularEncoder(dtype="float16"), "'dtype'"),
]


@pytest.mark.parametrize(("estimator", "message"), INVALID, ids=str)
def test_invalid_parameters_are_named(estimator, message):
    with pytest.raises(ValueError, match=message):
        estimator.fit(*table())


WEIGHTS = {
    "must not be negative": [-1.0] + [1.0] * 59,
    "contains NaN": [np.nan] + [1.0] * 59,
    "inconsistent numbers": [1.0] * 59,
    "one weight a row": np.ones((60, 1)),
}


@UNDER_TEST
@pytest.mark.parametrize("message", WEIGHTS)
def test_weights_that_are_none(estimator, message):
    X, y = table()
    with pytest.raises(ValueError, match=message):
        clone(estimator).fit(X, y, sample_weight=WEIGHTS[message])


@UNDER_TEST
def test_one_row(estimator):
    X, y = table()
    out = clone(estimator).fit(X[:1], y[:1]).transform(X[:2])
    assert len(out) == 2


@pytest.mark.parametrize(
    ("encoder", "names"),
    [
        (PiecewiseLinearEncoder(4, min_samples_leaf=3), "min_samples_leaf"),
        (PiecewiseLinearEncoder(4, target_type="regression"), "target_type"),
        (
            PiecewiseLinearEncoder(min_samples_leaf=3, target_type="regression"),
            "min_s.*, target_type",
        ),
        (TabularEncoder(target_type="binary"), "target_type"),
    ],
)
def test_parameters_without_effect_are_named(encoder, names):
    with pytest.warns(UserWarning, match=f"^{names}: no effect with "):
        encoder.fit(np.arange(12.0)[:, None])


@pytest.mark.parametrize(
    "encoder",
    [
        PiecewiseLinearEncoder(4, strategy="tree", min_samples_leaf=3, target_type="regression"),
        TabularEncoder(high_cardinality="target", cv=3, target_type="continuous"),
        TabularEncoder(random_state=0, cv=3),
    ],
)
def test_parameters_with_effect_are_not_warned_of(encoder):
    encoder.fit(np.arange(12.0)[:, None], np.arange(12.0))  # a warning is an error here
