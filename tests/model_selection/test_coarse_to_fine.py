"""The search in rounds: what it draws, keeps and survives."""

import pickle
import warnings

import joblib
import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import kstest, loguniform, randint, uniform
from search_cases import SPACE, Hill, X, Y, scores, search_for
from sklearn.base import clone
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import (
    GroupKFold,
    ParameterGrid,
    RandomizedSearchCV,
    ShuffleSplit,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

from skdnn import MLPClassifier
from skdnn.model_selection import CoarseToFineSearchCV, layers, search_space

unconverged = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
failing = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.FitFailedWarning",
    "ignore:One or more of the test scores are non-finite",
)


# Rounds -----------------------------------------------------------------------------------------


def test_the_first_round_is_a_random_search():
    search = search_for(n_rounds=1, n_iter=15, return_train_score=True).fit(X, Y)
    other = RandomizedSearchCV(
        Hill(), SPACE, n_iter=15, cv=2, random_state=0, return_train_score=True
    ).fit(X, Y)
    assert search.cv_results_["params"] == other.cv_results_["params"]
    assert search.cv_results_.keys() == {*other.cv_results_, "round"}
    for name, column in other.cv_results_.items():
        if "time" not in name:
            assert_array_equal(search.cv_results_[name], column)
    assert (search.best_index_, search.best_params_) == (other.best_index_, other.best_params_)
    assert search.rounds_ == [SPACE]


def test_rounds_close_in_on_the_best():
    search = search_for(n_rounds=4, n_iter=12).fit(X, Y)
    rounds = search.cv_results_["round"]
    assert rounds.dtype.kind == "i"
    assert_array_equal(rounds, np.repeat([1, 2, 3, 4], 12))
    for i, space in enumerate(search.rounds_):
        (slowest, fastest), (fewest, most) = space["rate"].support(), space["units"].support()
        assert_allclose(np.log(fastest / slowest), np.log(1e8) * 0.5**i)
        for candidate in np.array(search.cv_results_["params"])[rounds == i + 1]:
            assert slowest <= candidate["rate"] <= fastest
            assert fewest <= candidate["units"] <= most
            assert candidate["kind"] in space["kind"]
    medians = [np.median(scores(search)[rounds == i]) for i in (1, 2, 3, 4)]
    assert medians == sorted(medians)
    assert scores(search).max() > -0.1


def test_the_best_share_of_all_candidates_so_far_decides():
    search = search_for(n_rounds=3, n_iter=9, keep=0.2).fit(X, Y)
    for n, space in ((9, search.rounds_[1]), (18, search.rounds_[2])):
        order = np.argsort(-scores(search)[:n], kind="stable")[: -(-n // 5)]
        best = [search.cv_results_["params"][i] for i in order]
        assert set(space["kind"]) == {candidate["kind"] for candidate in best}
        low, high = space["rate"].support()
        assert low <= best[0]["rate"] <= high


def test_nothing_shrinks_where_nothing_is_to():
    space = {"rate": loguniform(1e-6, 1e2), "units": randint(1, 101)}
    search = search_for(space=space, n_rounds=4, n_iter=80, keep=1.0, shrink=1.0).fit(X, Y)
    later = search.cv_results_["round"] > 1
    rates = search.cv_results_["param_rate"][later].astype(float)
    assert kstest(rates, space["rate"].cdf).pvalue > 0.01
    units = search.cv_results_["param_units"][later].astype(int)
    assert_allclose(np.mean(units <= 50), 0.5, atol=0.08)
    assert units.min() < 5 < 95 < units.max()


def test_reproducible():
    a, b = (search_for(random_state=3).fit(X, Y) for _ in range(2))
    assert a.cv_results_["params"] == b.cv_results_["params"]
    c = search_for(random_state=4).fit(X, Y)
    assert a.cv_results_["params"][0] != c.cv_results_["params"][0]


@unconverged
@pytest.mark.filterwarnings("ignore:Got `batch_size`")
def test_jobs_make_no_difference():
    net = make_pipeline(StandardScaler(), MLPClassifier(max_iter=3, random_state=0))
    one, two = (
        search_for(net, search_space(net, size="large"), n_iter=5, n_rounds=2, n_jobs=n).fit(X, Y)
        for n in (1, 2)
    )
    assert one.cv_results_["params"] == two.cv_results_["params"]
    assert_array_equal(scores(one), scores(two))
    assert_array_equal(one.predict(X), two.predict(X))


@unconverged
def test_layers_are_searched():
    net = MLPClassifier(max_iter=2, random_state=0)
    space = {"hidden_layer_sizes": layers((1, 6), (2, 64))}
    search = search_for(net, space, n_iter=4).fit(X, Y)
    sizes = [space["hidden_layer_sizes"].support() for space in search.rounds_[1:]]
    widths = [np.log(largest[0] / smallest[0]) for smallest, largest in sizes]
    assert_allclose(widths, [np.log(32) / 2, np.log(32) / 4], atol=0.3)
    assert [largest[0] == smallest[0] for smallest, largest in sizes] == [False, False]


# Lists ------------------------------------------------------------------------------------------


def test_no_candidate_of_lists_is_evaluated_twice():
    space = {"rate": np.logspace(-4, 0, 5), "kind": ["a", "b"], "units": [10, 20, 30]}
    search = search_for(space=space, n_iter=6, n_rounds=9, keep=1.0).fit(X, Y)
    params = search.cv_results_["params"]
    assert len({tuple(candidate.values()) for candidate in params}) == len(params)
    kept = search.rounds_[-1]
    evaluated = [c for c in ParameterGrid(kept) if c in params]
    assert len(evaluated) == len(ParameterGrid(kept))  # it ended because nothing is left
    assert len(search.rounds_) < 9


def test_a_list_of_dicts():
    spaces = [{"rate": loguniform(1e-4, 1e2), "kind": ["a"]}, {"units": [1, 2], "kind": ["b", "c"]}]
    search = search_for(space=spaces, n_iter=12).fit(X, Y)
    other = RandomizedSearchCV(Hill(), spaces, n_iter=12, cv=2, random_state=0).fit(X, Y)
    assert search.cv_results_["params"][:12] == other.cv_results_["params"]
    assert search.rounds_[0] is spaces
    assert [set(space) for space in search.rounds_[-1]] == [{"rate", "kind"}]


def test_arrays_in_lists():
    def array_action(model):
        assert model.kind.shape == (2,)

    class Sums(Hill):
        def score(self, X, y):
            return self.kind.sum()

    space = {"kind": [np.array([1.0, i]) for i in range(8)]}
    search = search_for(Sums(action=array_action), space, n_iter=3, keep=0.5, refit=False)
    search.fit(X, Y)
    assert search.best_score_ == max(c["kind"].sum() for c in search.cv_results_["params"])


# Folds, weights, metrics ------------------------------------------------------------------------


def test_all_candidates_have_the_same_folds():
    seen = []

    class Looks(LogisticRegression):
        def fit(self, X, y):
            seen.append(X[:, 0].sum())
            return super().fit(X, y)

    space = {"C": loguniform(1e-2, 1e2)}
    search_for(Looks(), space, cv=ShuffleSplit(3), n_iter=4, refit=False).fit(X, Y)
    assert len(set(seen)) == 3
    assert_array_equal(np.reshape(seen, (12, 3)), [seen[:3]] * 12)


def test_groups_and_weights_are_passed_on():
    groups, weight = np.arange(60) % 3, np.where(Y, 1.0, 3.0)
    space = {"C": loguniform(1e-2, 1e2)}
    search = search_for(LogisticRegression(), space, cv=GroupKFold(3), n_iter=3, n_rounds=2)
    search.fit(X, Y, groups=groups, sample_weight=weight)
    best = LogisticRegression(**search.best_params_).fit(X, Y, sample_weight=weight)
    assert_allclose(search.best_estimator_.coef_, best.coef_)
    fold = groups == GroupKFold(3).split(X, Y, groups).__next__()[1][0] % 3
    model = clone(best).fit(X[~fold], Y[~fold], sample_weight=weight[~fold])
    assert_allclose(
        search.cv_results_["split0_test_score"][search.best_index_],
        model.score(X[fold], Y[fold], sample_weight=weight[fold]),
    )


def test_metadata_routing():
    weight = np.where(Y, 0.0, 1.0)
    with sklearn.config_context(enable_metadata_routing=True):
        model = LogisticRegression().set_fit_request(sample_weight=False)
        scorer = make_scorer(accuracy_score).set_score_request(sample_weight=True)
        space = {"C": loguniform(1e-2, 1e2)}
        search = search_for(model, space, scoring=scorer, n_iter=2, n_rounds=2)
        search.fit(X, Y, sample_weight=weight)
        plain = LogisticRegression(**search.best_params_).fit(X, Y)
        assert_allclose(search.best_estimator_.coef_, plain.coef_)
        assert_allclose(search.score(X, Y, sample_weight=weight), plain.score(X[Y == 0], Y[Y == 0]))


def both_metrics(model, X, y):
    return {"height": height(model, X, y), "depth": depth(model, X, y)}


def height(model, X, y):
    return model.score(X, y)


def depth(model, X, y):
    return -model.score(X, y)


@pytest.mark.parametrize("scoring", [both_metrics, {"height": height, "depth": depth}])
def test_with_several_metrics_refit_names_the_one_that_ranks(scoring):
    up = search_for(scoring=scoring, refit="height").fit(X, Y)
    assert up.cv_results_["params"] == search_for().fit(X, Y).cv_results_["params"]
    down = search_for(scoring=scoring, refit="depth").fit(X, Y)
    assert down.cv_results_["params"][:20] == up.cv_results_["params"][:20]
    assert down.cv_results_["mean_test_height"].mean() < up.cv_results_["mean_test_height"].mean()
    assert "c" in down.rounds_[-1]["kind"]
    assert "c" not in up.rounds_[-1]["kind"]


@pytest.mark.parametrize("refit", [False, True, "other", lambda results: 0])
@pytest.mark.parametrize("scoring", [both_metrics, ["accuracy", "balanced_accuracy"]])
def test_with_several_metrics_something_must_rank(scoring, refit):
    with pytest.raises(ValueError, match="With several metrics, refit must name the one"):
        search_for(scoring=scoring, refit=refit).fit(X, Y)


def test_a_callable_chooses_the_winner():
    search = search_for(refit=lambda results: int(np.argmin(results["mean_test_score"]))).fit(X, Y)
    usual = search_for().fit(X, Y)
    assert search.cv_results_["params"] == usual.cv_results_["params"]
    assert search.best_index_ == np.argmin(scores(usual))
    assert search.best_estimator_.rate == search.best_params_["rate"]


# Failures ---------------------------------------------------------------------------------------


def fail_where(condition):
    """Return an action that raises an error in the fits that a condition is true of."""

    def action(model):
        if condition(model):
            raise RuntimeError("out of luck")

    return action


@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_what_failed_is_in_the_table_and_never_among_the_best(n_jobs):
    fails = fail_where(lambda model: model.rate < 1 or model.kind == "a")
    with pytest.warns(FitFailedWarning, match="out of luck"), joblib.parallel_config("threading"):
        search = search_for(Hill(action=fails), n_iter=15, n_jobs=n_jobs).fit(X, Y)
    results = search.cv_results_
    failed = np.array([c["rate"] < 1 or c["kind"] == "a" for c in results["params"]])
    assert 5 < failed.sum() < 40
    assert_array_equal(np.isnan(scores(search)), failed)
    assert_array_equal(results["rank_test_score"][failed], results["rank_test_score"].max())
    assert_array_equal(results["round"], np.repeat([1, 2, 3], 15))
    assert search.best_score_ == np.nanmax(scores(search))
    unharmed = search_for(n_iter=15, n_rounds=1).fit(X, Y)
    assert results["params"][:15] == unharmed.cv_results_["params"]
    assert "a" not in search.rounds_[1]["kind"]


@pytest.mark.parametrize("n_bad", [1, 2])
def test_a_round_of_failures_shrinks_nothing(n_bad):
    n_fits = []

    def action(model):
        n_fits.append(1)
        if len(n_fits) <= 2 * 5 * n_bad:
            raise RuntimeError("out of luck")

    with pytest.warns(FitFailedWarning), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="One or more")
        search = search_for(Hill(action=action), n_iter=5, n_rounds=3).fit(X, Y)
    assert search.rounds_[: n_bad + 1] == [SPACE] * (n_bad + 1)
    assert_array_equal(np.isnan(scores(search)), search.cv_results_["round"] <= n_bad)
    assert_array_equal(search.cv_results_["round"], np.repeat([1, 2, 3], 5))


@failing
def test_where_all_fails_the_search_does():
    with pytest.raises(ValueError, match=r"fits failed(.|\n)*out of luck"):
        search_for(Hill(action=fail_where(lambda model: True)), n_iter=3).fit(X, Y)


def test_an_error_score_of_raise():
    with pytest.raises(RuntimeError, match="out of luck"):
        fails = fail_where(lambda model: model.rate < 1)
        search_for(Hill(action=fails), error_score="raise").fit(X, Y)


@pytest.mark.parametrize("scoring", [both_metrics, ["accuracy", "balanced_accuracy"]])
def test_failures_under_several_metrics(scoring):
    fails = fail_where(lambda model: model.rate < 1)
    refit = "height" if callable(scoring) else "accuracy"
    search = search_for(
        Hill(action=fails), scoring=scoring, refit=refit, error_score=-99, return_train_score=True
    )
    with pytest.warns(FitFailedWarning, match="Scores are set to -99"):
        search.fit(X, Y)
    failed = [candidate["rate"] < 1 for candidate in search.cv_results_["params"]]
    for set_ in ("test", "train"):
        assert_array_equal(search.cv_results_[f"mean_{set_}_{refit}"] == -99, failed)


def test_an_unknown_parameter_is_an_error():
    with pytest.raises(ValueError, match="Invalid parameter 'speed'"):
        search_for(space={"speed": uniform()}).fit(X, Y)


@pytest.mark.slow
@unconverged
@failing
def test_many_candidates_over_all_learning_rates():
    net = MLPClassifier((4,), solver="sgd", max_iter=2, batch_size=10, random_state=0)
    space = {"learning_rate_init": loguniform(1e-6, 10), "momentum": uniform(0.5, 0.5),
             "batch_norm": [False, True], "beta_1": [0.9] * 99 + [-1.0]}  # fmt: skip
    search = search_for(net, space, n_iter=50, n_rounds=4, cv=5, shrink=0.8)
    search.fit(1e5 * X, Y)
    assert len(scores(search)) == 200
    assert np.isnan(scores(search)).any()
    assert search.best_score_ > 0.7
    best = clone(net).set_params(**search.best_params_).fit(1e5 * X, Y)
    assert_array_equal(search.predict(1e5 * X), best.predict(1e5 * X))


# Conventions ------------------------------------------------------------------------------------


def test_parameters():
    search = search_for(n_rounds=2, shrink=0.7)
    assert clone(search).get_params(deep=False).keys() == search.get_params(deep=False).keys()
    assert clone(search).fit(X, Y).best_params_ == search.fit(X, Y).best_params_
    search.set_params(keep=0.5, estimator__rate=3.0)
    assert (search.keep, search.estimator.rate) == (0.5, 3.0)
    assert all(f"{name}=" in repr(search) for name in ("n_rounds", "shrink", "keep"))
    assert pickle.loads(pickle.dumps(search)).best_params_ == search.best_params_
    assert sorted(vars(search)) == sorted(
        [*search.get_params(deep=False), "best_estimator_", "best_index_", "best_params_",
         "best_score_", "cv_results_", "multimetric_", "n_splits_", "refit_time_", "rounds_",
         "scorer_", "_checked_cv_orig"]
    )  # fmt: skip


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"n_rounds": 0}, "'n_rounds' parameter .* must be an int in the range"),
        ({"n_iter": 2.0}, "'n_iter' parameter .* must be an int in the range"),
        ({"shrink": 0.0}, r"'shrink' parameter .* must be a float in the range \(0"),
        ({"keep": 1.5}, r"'keep' parameter .* must be a float in the range \(0"),
        ({"param_distributions": 3}, "'param_distributions' parameter .* must be an instance of"),
        ({"param_distributions": []}, "param_distributions has no candidates"),
        ({"param_distributions": {"rate": 3}}, "'rate' is not iterable or a distribution"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises((ValueError, TypeError), match=message):
        search_for().set_params(**parameters).fit(X, Y)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "estimator, space",
    [(Ridge(), {"alpha": loguniform(1e-2, 1e2)}), (LogisticRegression(), {"C": [0.1, 1.0, 10.0]})],
)
def test_conventions_of_scikit_learn(estimator, space):
    search = CoarseToFineSearchCV(estimator, space, n_rounds=2, n_iter=2, cv=2, random_state=0)
    other = RandomizedSearchCV(estimator, space, n_iter=3, cv=2, random_state=0)
    assert failed_checks(search) <= failed_checks(other)


def failed_checks(estimator):
    failed = set()
    for candidate, check in estimator_checks_generator(estimator, legacy=False):
        try:
            check(candidate)
        except Exception:
            failed.add(check.func.__name__)
    return failed
