"""The whole life among scikit-learn's pipelines, searches and meta-estimators."""

import copy
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
from estimator_cases import BOTH, by_class
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_selector
from sklearn.datasets import make_classification
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import balanced_accuracy_score, brier_score_loss
from sklearn.model_selection import (
    GridSearchCV,
    HalvingRandomSearchCV,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    validation_curve,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier, MultiOutputRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, StandardScaler

import skdnn
from skdnn import MLPClassifier, MLPRegressor
from skdnn.engine.activations import LeakyReLU

X, LABELS = make_classification(160, 5, n_informative=4, n_redundant=0, random_state=0)
X_TEST, LABELS_TEST = X[120:], LABELS[120:]
X, LABELS = X[:120], LABELS[:120]
THREE = np.digitize(X[:, 0], [-0.7, 0.7])
NUMBERS = X @ [1.0, -2.0, 0.0, 0.5, 3.0]


def net(cls, **parameters):
    """Return a small network whose training ends at `max_iter` without a warning."""
    defaults = {
        "hidden_layer_sizes": (10,), "max_iter": 20, "learning_rate": "cosine",
        "learning_rate_init": 0.03, "batch_size": 30, "random_state": 0,
    }  # fmt: skip
    return cls(**defaults | parameters)


y_for = by_class(LABELS, NUMBERS)


# Pipelines on data frames -----------------------------------------------------------------------


def houses(n=150):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "area": rng.uniform(30, 200, n),
            "rooms": rng.integers(1, 7, n),
            "town": rng.choice(["Ulm", "Jena", "Trier"], n),
            "note": rng.choice(["quiet garden", "noisy street", "quiet street"], n),
        },
        index=rng.permutation(n) + 500,
    )
    dear = (frame["town"] == "Jena") & (frame["area"] > 60) | frame["note"].str.contains("garden")
    return frame, dear.map({True: "dear", False: "cheap"})


def columns():
    return ColumnTransformer(
        [
            ("numbers", StandardScaler(), make_column_selector(dtype_include="number")),
            ("town", OneHotEncoder(), ["town"]),
            ("note", TfidfVectorizer(), "note"),
        ]
    )


def test_a_pipeline_on_numbers_and_texts():
    frame, y = houses()
    model = make_pipeline(columns(), net(MLPClassifier, max_iter=40)).fit(frame[:120], y[:120])
    assert model.score(frame[120:], y[120:]) > 0.8
    assert set(model.predict(frame)) == {"cheap", "dear"}
    assert_array_equal(model.predict(frame.iloc[::-1]), model.predict(frame)[::-1])
    assert_array_equal(model[-1].classes_, ["cheap", "dear"])


@pytest.mark.slow
def test_a_grid_over_nested_parameters_in_two_processes():
    frame, y = houses()
    pipeline = Pipeline([("columns", columns()), ("net", net(MLPClassifier, max_iter=10))])
    towns = {"columns__town": ["drop", OneHotEncoder()]}
    grid = [
        {**towns, "net__hidden_layer_sizes": [()]},
        {
            **towns,
            "net__activation": ["tanh", LeakyReLU(0.2)],
            "net__hidden_layer_sizes": [(8,), (8, 4)],
        },
    ]
    two, one = (GridSearchCV(pipeline, grid, cv=2, n_jobs=n).fit(frame, y) for n in (2, 1))
    for search in (two, one):
        assert len(search.cv_results_["params"]) == 10
        assert search.best_score_ > (y == "dear").mean()
    scores = (search.cv_results_["mean_test_score"] for search in (two, one))
    assert_array_equal(*scores)
    assert_array_equal(two.predict(frame), one.predict(frame))


def test_halving_over_the_epochs(cls):
    search = HalvingRandomSearchCV(
        net(cls),
        {"alpha": [1e-4, 1e-3, 1e-2, 1.0, 100.0], "dropout": [0.0, 0.2]},
        resource="max_iter",
        min_resources=2,
        max_resources=18,
        n_candidates=9,
        factor=3,
        cv=2,
        random_state=0,
    ).fit(X, y_for(cls))
    assert search.n_resources_ == [2, 6, 18]
    assert search.best_estimator_.n_iter_ <= search.best_params_["max_iter"] == 18
    best = search.cv_results_["mean_test_score"][search.cv_results_["iter"] == 2].max()
    assert search.best_score_ == best


def test_names_of_columns_go_through(cls):
    frame = pd.DataFrame(X, columns=list("abcde"))
    model = make_pipeline(StandardScaler().set_output(transform="pandas"), net(cls))
    model.fit(frame, y_for(cls))
    assert_array_equal(model[-1].feature_names_in_, list("abcde"))
    plain = make_pipeline(StandardScaler(), net(cls)).fit(X, y_for(cls))
    assert_allclose(model.predict(frame), plain.predict(X))
    with pytest.raises(ValueError, match="feature names should match"):
        model[-1].predict(frame[list("edcba")])


def test_set_output_of_a_whole_pipeline(cls):
    frame = pd.DataFrame(X, columns=list("abcde"))
    model = make_pipeline(
        StandardScaler(), PolynomialFeatures(2, include_bias=False, interaction_only=True), net(cls)
    ).set_output(transform="pandas")
    model.fit(frame, y_for(cls))
    assert "a b" in model[-1].feature_names_in_
    assert model.score(frame, y_for(cls)) > 0.7


def test_training_goes_on_step_by_step_in_a_pipeline():
    """`partial_fit` of the last step is reached through the pipeline's steps."""
    scaler = StandardScaler().fit(X)
    model = net(MLPClassifier)
    for _ in range(20):
        model.partial_fit(scaler.transform(X), LABELS, classes=[0, 1])
    whole = make_pipeline(StandardScaler(), net(MLPClassifier)).fit(X, LABELS)
    assert_array_equal(model.predict(scaler.transform(X_TEST)), whole.predict(X_TEST))


# Meta-estimators --------------------------------------------------------------------------------


def test_calibration_mends_overconfidence():
    sure = net(MLPClassifier, hidden_layer_sizes=(100,), max_iter=100, alpha=0.0)
    calibrated = CalibratedClassifierCV(sure, cv=3).fit(X, LABELS)
    alone = clone(sure).fit(X, LABELS)
    losses = [
        brier_score_loss(LABELS_TEST, m.predict_proba(X_TEST)[:, 1]) for m in (calibrated, alone)
    ]
    assert losses[0] < losses[1] + 0.02
    assert_allclose(calibrated.predict_proba(X_TEST).sum(axis=1), 1.0)


def test_margins_are_calibrated_into_probabilities():
    y = X[:, 0] > 0
    P = (
        CalibratedClassifierCV(net(MLPClassifier, loss="hinge"), cv=3)
        .fit(X, y)
        .predict_proba(X)[:, 1]
    )
    assert P[y].mean() > P[~y].mean() + 0.3
    assert np.all((P >= 0) & (P <= 1))


def test_a_frozen_network_is_calibrated_as_it_is():
    model = net(MLPClassifier).fit(X, LABELS)
    before = model.coefs_[0].copy()
    calibrated = CalibratedClassifierCV(FrozenEstimator(model)).fit(X_TEST, LABELS_TEST)
    assert_array_equal(model.coefs_[0], before)
    order = np.argsort(model.decision_function(X_TEST))
    P = calibrated.predict_proba(X_TEST)[order, 1]
    assert np.all(np.diff(P) >= -1e-9) or np.all(np.diff(P) <= 1e-9)


def test_stacking_and_voting_classifiers():
    linear = make_pipeline(StandardScaler(), LogisticRegression())
    members = [("net", net(MLPClassifier)), ("linear", linear)]
    stack = StackingClassifier(members, cv=3).fit(X, THREE)
    assert stack.final_estimator_.n_features_in_ == 6  # probabilities of three classes from each
    assert stack.score(X, THREE) > 0.8
    vote = VotingClassifier(members, voting="soft", weights=[2, 1]).fit(X, THREE)
    fitted = vote.estimators_
    P = (2 * fitted[0].predict_proba(X) + fitted[1].predict_proba(X)) / 3
    assert_allclose(vote.predict_proba(X), P)
    on_top = StackingClassifier(members, final_estimator=net(MLPClassifier), cv=3).fit(X, THREE)
    assert on_top.score(X, THREE) > 0.8


def test_stacking_and_voting_regressors():
    members = [("net", net(MLPRegressor)), ("linear", Ridge())]
    stack = StackingRegressor(members, cv=3).fit(X, NUMBERS)
    assert stack.score(X, NUMBERS) > 0.99  # the linear one is exact
    vote = VotingRegressor(members).fit(X, NUMBERS)
    mean = np.mean([member.predict(X) for member in vote.estimators_], axis=0)
    assert_allclose(vote.predict(X), mean)


@pytest.mark.parametrize(
    "bagging, cls", [(BaggingClassifier, BOTH[0]), (BaggingRegressor, BOTH[1])]
)
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_bagging(bagging, cls, n_jobs):
    bag = bagging(net(cls), n_estimators=4, max_features=0.8, random_state=0, n_jobs=n_jobs)
    bag.fit(X, y_for(cls))
    assert bag.score(X, y_for(cls)) > 0.7
    assert len({member.coefs_[0].tobytes() for member in bag.estimators_}) == 4
    parts = [
        m.predict(X[:, f]) if cls is MLPRegressor else m.predict_proba(X[:, f])
        for m, f in zip(bag.estimators_, bag.estimators_features_, strict=True)
    ]
    whole = bag.predict(X) if cls is MLPRegressor else bag.predict_proba(X)
    assert_allclose(whole, np.mean(parts, axis=0), rtol=1e-6)


@pytest.mark.parametrize(
    "boost, cls", [(AdaBoostClassifier, BOTH[0]), (AdaBoostRegressor, BOTH[1])]
)
def test_boosting_hands_weights_over(boost, cls):
    model = boost(net(cls, max_iter=60, hidden_layer_sizes=(3,)), n_estimators=4, random_state=0)
    model.fit(X, y_for(cls))
    assert len({member.coefs_[0].tobytes() for member in model.estimators_}) > 1
    assert model.score(X, y_for(cls)) > 0.6


def test_one_network_a_class():
    rest = OneVsRestClassifier(net(MLPClassifier)).fit(X, THREE)
    assert len(rest.estimators_) == 3
    single = net(MLPClassifier).fit(X, (THREE == 2).astype(int))
    assert_array_equal(rest.estimators_[2].coefs_[0], single.coefs_[0])
    assert rest.score(X, THREE) > 0.8
    assert OneVsOneClassifier(net(MLPClassifier)).fit(X, THREE).score(X, THREE) > 0.8


def test_one_network_an_output():
    Y = np.c_[LABELS, THREE]
    several = MultiOutputClassifier(net(MLPClassifier)).fit(X, Y)
    one = net(MLPClassifier).fit(X, THREE)
    assert_array_equal(several.predict(X)[:, 1], one.predict(X))
    assert_array_equal(several.predict_proba(X)[1], one.predict_proba(X))
    chain = ClassifierChain(net(MLPClassifier)).fit(X, np.c_[LABELS, THREE > 0])
    assert chain.estimators_[1].n_features_in_ == 6
    numbers = MultiOutputRegressor(net(MLPRegressor)).fit(X, np.c_[NUMBERS, X[:, 0]])
    alone = net(MLPRegressor).fit(X, NUMBERS)
    assert_array_equal(numbers.predict(X)[:, 0], alone.predict(X))


def test_a_transformed_target():
    y = np.exp(NUMBERS)
    model = TransformedTargetRegressor(net(MLPRegressor), func=np.log, inverse_func=np.exp)
    inside = net(MLPRegressor).fit(X, NUMBERS)
    assert_allclose(model.fit(X, y).predict(X), np.exp(inside.predict(X)), rtol=1e-5)


def test_a_target_in_millions_needs_no_transformer():
    y = 2e6 * NUMBERS + 5e6
    outside = TransformedTargetRegressor(net(MLPRegressor), transformer=StandardScaler())
    with_it, without = outside.fit(X, y), net(MLPRegressor).fit(X, y)
    assert_allclose(without.predict(X), with_it.predict(X), rtol=1e-3, atol=2e3)


def test_a_tuned_threshold():
    y = (X[:, 0] > 1).astype(int)  # rare
    blurred = net(MLPClassifier, alpha=30.0)
    model = TunedThresholdClassifierCV(blurred, scoring="balanced_accuracy", cv=3).fit(X, y)
    tuned, plain = model.predict(X), clone(blurred).fit(X, y).predict(X)
    assert balanced_accuracy_score(y, tuned) >= balanced_accuracy_score(y, plain)
    positive = model.estimator_.predict_proba(X)[:, 1]
    assert_array_equal(tuned, (positive >= model.best_threshold_).astype(int))


# Validation and inspection ----------------------------------------------------------------------


def test_out_of_fold_probabilities():
    P = cross_val_predict(net(MLPClassifier), X, THREE, cv=3, method="predict_proba", n_jobs=2)
    assert P.shape == (120, 3)
    assert_allclose(P.sum(axis=1), 1.0)
    scores = cross_val_score(net(MLPClassifier), X, THREE, cv=3)
    assert (P.argmax(axis=1) == THREE).mean() == pytest.approx(scores.mean())


@pytest.mark.parametrize("method", ["decision_function", "predict_log_proba", "predict"])
def test_out_of_fold_predictions(method):
    one, two = (
        cross_val_predict(net(MLPClassifier), X, THREE, cv=3, method=method, n_jobs=n)
        for n in (None, 2)
    )
    assert_array_equal(one, two)


def test_several_scores_at_once(cls):
    scoring = (
        ["accuracy", "roc_auc", "neg_log_loss"] if cls is MLPClassifier else ["r2", "neg_max_error"]
    )
    result = cross_validate(net(cls), X, y_for(cls), scoring=scoring, return_estimator=True, cv=3)
    for name in scoring:
        assert np.isfinite(result[f"test_{name}"]).all()
    assert [m.n_iter_ for m in result["estimator"]] == [20] * 3


def test_permutation_importance_finds_the_columns_that_matter():
    y = 3 * X[:, 1]
    model = net(MLPRegressor, max_iter=60).fit(X, y)
    importance = permutation_importance(model, X, y, n_repeats=3, random_state=0, n_jobs=2)
    assert np.argmax(importance.importances_mean) == 1
    others = np.delete(importance.importances_mean, 1)
    assert np.all(others < 0.1 * importance.importances_mean[1])


@pytest.mark.parametrize("kind", ["average", "individual"])
def test_partial_dependence_of_a_linear_network_is_a_line(kind):
    y = 3 * X[:, 1] - X[:, 2]
    model = MLPRegressor(hidden_layer_sizes=(), solver="lbfgs", alpha=0.0, max_iter=500).fit(X, y)
    result = partial_dependence(model, X, [1], kind=kind, grid_resolution=10)
    slopes = np.diff(result[kind][0], axis=-1) / np.diff(result["grid_values"][0])
    assert_allclose(slopes, 3.0, rtol=1e-2)


def test_partial_dependence_of_a_classifier():
    model = net(MLPClassifier).fit(X, (X[:, 1] > 0).astype(int))
    curve = partial_dependence(model, X, [1], grid_resolution=10)["average"][0]
    assert curve[-1] > curve[0] + 0.5
    assert np.all(curve <= 1)
    assert np.all(curve >= 0)


def test_learning_and_validation_curves(cls):
    sizes, train, _ = learning_curve(net(cls), X, y_for(cls), train_sizes=[40, 80], cv=3, n_jobs=2)
    assert_array_equal(sizes, [40, 80])
    assert train.min() > 0.5
    train, _ = validation_curve(
        net(cls), X, y_for(cls), param_name="alpha", param_range=[0.0, 1e3], cv=3
    )
    assert train[0].mean() > train[1].mean()


def test_incremental_learning_curve():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # batch_size over the rows of an increment
        _, train, _ = learning_curve(
            net(MLPClassifier), X, LABELS, train_sizes=[40, 80], cv=3,
            exploit_incremental_learning=True,
        )  # fmt: skip
    assert np.isfinite(train).all()


# Cloning, showing, keeping ----------------------------------------------------------------------

SETTINGS = [
    {},
    {"activation": [LeakyReLU(0.3)], "dropout": [0.1], "class_weight": {0: 1.0, 1: 2.0}},
    {"solver": "lbfgs", "learning_rate": "constant", "learning_rate_init": 0.001}
    | {"batch_size": "auto", "alpha": 10.0, "max_iter": 2000, "activation": "tanh"},
    {"early_stopping": True, "scoring": "roc_auc", "batch_norm": True},
    {"warm_start": True, "max_norm": 3.0, "clip_norm": 1.0},
]


@pytest.mark.parametrize("parameters", SETTINGS)
def test_clone_is_unfitted_and_alike(parameters):
    model = net(MLPClassifier, **parameters).fit(X, LABELS)
    twin = clone(model)
    assert repr(twin.get_params()) == repr(model.get_params())
    assert not hasattr(twin, "n_iter_")
    assert_array_equal(twin.fit(X, LABELS).predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize("parameters", SETTINGS)
@pytest.mark.parametrize("how", ["joblib", "memory map", "deepcopy"])
@pytest.mark.filterwarnings("ignore:learning_rate='cosine' is at its end")
def test_copies_predict_alike_and_are_independent(parameters, how, tmp_path):
    model = net(MLPClassifier, **parameters).fit(X, LABELS)
    if how == "deepcopy":
        again = copy.deepcopy(model)
    else:
        joblib.dump(model, tmp_path / "model")
        again = joblib.load(tmp_path / "model", mmap_mode="r" if how == "memory map" else None)
    P = model.predict_proba(X)
    assert_array_equal(again.predict_proba(X), P)
    assert again.history_ == model.history_
    again.fit(X[:60], LABELS[:60])
    assert_array_equal(model.predict_proba(X), P)


def test_a_copy_learns_on_as_the_original_does(cls):
    more = {"classes": [0, 1]} if cls is MLPClassifier else {}
    model = net(cls, dropout=0.2).partial_fit(X, y_for(cls), **more)
    twin = copy.deepcopy(model)
    for m in (model, twin):
        m.partial_fit(X, y_for(cls))
    assert_array_equal(twin.coefs_[0], model.coefs_[0])


def test_repr_shows_what_was_changed(cls):
    model = cls(hidden_layer_sizes=(3,), activation=LeakyReLU(0.2), dropout=0.1)
    shown = repr(model)
    assert shown.replace("\n", "").replace(" ", "") == (
        f"{cls.__name__}(activation=LeakyReLU(slope=0.2),dropout=0.1,hidden_layer_sizes=(3,))"
    )
    rebuilt = eval(shown, {**vars(skdnn), "LeakyReLU": LeakyReLU})
    assert rebuilt.get_params() == model.get_params()


def test_html_shows_the_estimator(cls):
    model = make_pipeline(StandardScaler(), net(cls))
    before = model._repr_html_()
    assert cls.__name__ in before
    after = model.fit(X, y_for(cls))._repr_html_()
    assert "hidden_layer_sizes" in after
    assert "fitted" in after


def test_scikit_learn_knows_what_they_are():
    assert is_classifier(MLPClassifier())
    assert is_regressor(MLPRegressor())
    assert not is_classifier(MLPRegressor())


def test_parameters_can_be_set_and_read(cls):
    model = cls()
    for name, value in cls(alpha=0.5, dropout=0.25).get_params().items():
        model.set_params(**{name: value})
    assert (model.alpha, model.dropout) == (0.5, 0.25)
    with pytest.raises(ValueError, match="Invalid parameter 'neurons'"):
        model.set_params(neurons=3)
