"""What is drawn of a search are its candidates and their scores."""

import sys
from dataclasses import dataclass
from types import SimpleNamespace

import matplotlib.colors
import numpy as np
import pandas as pd
import pytest
import scipy.stats
from drawn import assert_texts_are_apart, legend_texts, plt, tick_labels
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator
from sklearn.datasets import load_iris
from sklearn.exceptions import FitFailedWarning, NotFittedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    HalvingRandomSearchCV,
    RandomizedSearchCV,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skdnn import MLPClassifier
from skdnn.inspection import Hyperparameter, SearchDisplay
from skdnn.inspection.search import best_nearby

X, Y = np.arange(20.0).reshape(-1, 1), np.arange(20.0)


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


class Peak(BaseEstimator):
    """Takes no time to fit; the score is highest at alpha = 0.01, rate = 0.1, and for "b"."""

    def __init__(self, alpha=0.01, rate=0.1, kind="a", option=None, n=None):
        self.alpha = alpha
        self.rate = rate
        self.kind = kind
        self.option = option
        self.n = n

    def fit(self, X, y=None):
        if self.kind == "fails":
            raise RuntimeError("as it is to")
        self.fitted_ = True
        return self

    def score(self, X, y=None):
        distance = np.log10(self.alpha / 0.01) ** 2 + 4 * np.log10(self.rate / 0.1) ** 2
        return 1 - 0.01 * distance - 0.1 * (self.kind != "b")


def scores_and_costs(estimator, X, y):
    score = estimator.score(X)
    return {"good": score, "bad": -score}


ALPHAS, RATES = [1e-4, 1e-3, 1e-2, 1e-1], [0.01, 0.1, 1.0]


def grid_search(grid, estimator=None, **parameters):
    return GridSearchCV(estimator or Peak(), grid, cv=2, **parameters).fit(X, Y)


def random_search(distributions, n_iter=12, **parameters):
    return RandomizedSearchCV(
        Peak(), distributions, n_iter=n_iter, cv=2, random_state=0, **parameters
    ).fit(X, Y)


@pytest.fixture
def grid():
    return grid_search({"alpha": ALPHAS, "rate": RATES, "kind": ["a", "b"]})


@pytest.fixture
def random():
    return random_search(
        {"alpha": scipy.stats.loguniform(1e-4, 1), "rate": scipy.stats.uniform(0.1, 0.9)}, 40
    )


def table(search):
    """Return the results as a table of parameters and scores, made in another way."""
    results = pd.DataFrame(list(search.cv_results_["params"]))
    return results.assign(score=search.cv_results_["mean_test_score"])


def rows(*columns):
    return sorted(zip(*map(np.asarray, columns), strict=True))


# Two hyperparameters ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["grid", "random"])
def test_candidates_are_points_in_the_colours_of_their_scores(name, request):
    search = request.getfixturevalue(name)
    display = SearchDisplay.from_search(search, "alpha", "rate")
    (points,) = display.points_
    expected = table(search)
    found = rows(*points.get_offsets().T, points.get_array())
    assert_array_equal(found, rows(expected.alpha, expected.rate, expected.score))
    assert display.colorbar_.mappable is points
    assert display.colorbar_.ax.get_ylabel() == "mean test score"
    assert points.get_clim() == (expected.score.min(), expected.score.max())
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("alpha", "rate")
    assert display.failed_ is None


def test_of_several_candidates_in_one_place_the_best_is_on_top(grid):
    (points,) = SearchDisplay.from_search(grid, "alpha", "rate").points_
    assert np.all(np.diff(points.get_array()) >= 0)  # drawn in this order


@pytest.mark.parametrize("name", ["grid", "random"])
def test_the_best_candidate_is_marked(name, request):
    search = request.getfixturevalue(name)
    display = SearchDisplay.from_search(search, "alpha", "rate")
    best = search.best_params_
    assert_array_equal(display.best_.get_offsets(), [[best["alpha"], best["rate"]]])
    assert legend_texts(display.ax_) == ["candidates", f"best: {search.best_score_:.3g}"]


@pytest.mark.parametrize("name", ["grid", "random"])
def test_marginals_are_the_best_scores_by_value(name, request):
    search = request.getfixturevalue(name)
    display = SearchDisplay.from_search(search, "alpha", "rate")
    above, beside = display.marginal_axes_
    for marginal, parameter, turn in [(above, "alpha", 1), (beside, "rate", -1)]:
        best = table(search).groupby(parameter).score.max()
        dots, line = marginal.lines
        places, scores = dots.get_data()[::turn]
        assert_array_equal(places, best.index)
        assert_array_equal(scores, best)
        assert_array_equal(line.get_data()[::turn][0], best.index)
        assert_array_equal(line.get_data()[::turn][1], best_nearby(best.index, best)[2])
    assert display.lines_ == [above.lines[1], beside.lines[1]]


def test_marginals_share_the_axes_of_the_candidates_and_lie_outside(grid):
    display = SearchDisplay.from_search(grid, "alpha", "rate")
    above, beside = display.marginal_axes_
    display.figure_.canvas.draw()
    boxes = [a.get_window_extent() for a in (display.ax_, above, beside, display.colorbar_.ax)]
    main, top, right, colors = boxes
    assert main.y1 < top.y0
    assert main.x1 < right.x0 < right.x1 < colors.x0
    assert_allclose([main.x0, main.x1], [top.x0, top.x1])
    assert_allclose([main.y0, main.y1] * 2, [right.y0, right.y1, colors.y0, colors.y1])
    display.ax_.set(xlim=(1e-3, 1e-1), ylim=(0.05, 0.5))
    assert above.get_xlim() == (1e-3, 1e-1)
    assert beside.get_ylim() == (0.05, 0.5)
    assert above.get_xscale() == beside.get_yscale() == "log"


def test_without_marginals(grid):
    display = SearchDisplay.from_search(grid, "alpha", "rate", marginals=False)
    assert display.marginal_axes_ == display.lines_ == display.ax_.child_axes == []
    assert display.colorbar_.ax in display.figure_.axes


def test_keyword_arguments_reach_the_artists(grid):
    display = SearchDisplay.from_search(
        grid,
        "alpha",
        "rate",
        scatter_kw={"cmap": "magma", "vmin": 0.5, "vmax": 2.0, "s": 7},
        line_kw={"color": "red", "linewidth": 3},
    )
    (points,) = display.points_
    assert points.get_cmap().name == "magma"
    assert points.get_clim() == (0.5, 2.0)
    assert_array_equal(points.get_sizes(), [7])
    assert {(line.get_color(), line.get_linewidth()) for line in display.lines_} == {("red", 3)}


@pytest.mark.parametrize("line_kw", [{"c": "red", "lw": 3}, {"color": "red", "linewidth": 3}])
def test_keyword_arguments_by_any_of_their_names(grid, line_kw):
    points = {"linewidth": 2, "ec": "red"}
    display = SearchDisplay.from_search(grid, "alpha", "rate", scatter_kw=points, line_kw=line_kw)
    assert_array_equal(display.points_[0].get_linewidth(), [2])
    assert matplotlib.colors.to_hex(display.points_[0].get_edgecolor()[0]) == "#ff0000"
    assert {(line.get_color(), line.get_linewidth()) for line in display.lines_} == {("red", 3)}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["c", "color", "facecolor", "fc", "facecolors"])
def test_the_colour_of_the_points_is_free_where_it_is_not_the_score(grid, name):
    kw = {name: "red"}
    with pytest.raises(ValueError, match="scatter_kw must not set a colour"):
        SearchDisplay.from_search(grid, "alpha", "rate", scatter_kw=kw)
    assert not plt.get_fignums()
    display = SearchDisplay.from_search(grid, "alpha", scatter_kw=kw)
    assert matplotlib.colors.to_hex(display.points_[0].get_facecolor()[0]) == "#ff0000"


def test_names_of_the_margins(grid):
    above, beside = SearchDisplay.from_search(grid, "alpha", "rate").marginal_axes_
    assert above.get_ylabel() == beside.get_xlabel() == "best score"


def test_colours_and_margins_leave_far_outliers_out():
    alphas = np.logspace(-3, -1, 12)
    search = grid_search({"alpha": [1e-300, *alphas], "rate": [0.1, 0.2]})
    display = SearchDisplay.from_search(search, "alpha", "rate")
    scores = table(search).score
    low, high = scores.quantile([0.25, 0.75])
    vmin, vmax = display.points_[0].get_clim()
    assert (vmin, vmax) == (pytest.approx(low - 3 * (high - low)), scores.max())
    assert display.colorbar_.extend == "min"
    assert len(display.points_[0].get_offsets()) == 26
    above = display.marginal_axes_[0]
    assert_allclose(above.lines[0].get_xdata(), alphas)
    bottom, top = above.get_ylim()
    best = table(search).groupby("alpha").score.max().iloc[1:]
    assert vmin < bottom < best.min() < best.max() < top < 1.1


# One hyperparameter -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["grid", "random"])
def test_scores_over_one_hyperparameter(name, request):
    search = request.getfixturevalue(name)
    display = SearchDisplay.from_search(search, "alpha")
    (points,) = display.points_
    expected = table(search)
    assert_array_equal(rows(*points.get_offsets().T), rows(expected.alpha, expected.score))
    assert display.ax_.get_ylabel() == "mean test score"
    assert display.colorbar_ is None
    assert display.marginal_axes_ == []
    assert display.ax_.lines[0].get_zorder() < points.get_zorder()
    best = (search.best_params_["alpha"], search.best_score_)
    assert_array_equal(display.best_.get_offsets(), [best])
    assert legend_texts(display.ax_) == ["candidates", f"best: {best[1]:.3g}", "best nearby"]


def test_the_best_nearby_of_a_grid_is_the_best_by_value(grid):
    (line,) = SearchDisplay.from_search(grid, "alpha").lines_
    best = table(grid).groupby("alpha").score.max()
    assert_array_equal(line.get_xdata(), best.index)
    assert_array_equal(line.get_ydata(), best)


def test_the_best_nearby_is_an_envelope(random):
    display = SearchDisplay.from_search(random, "alpha")
    (line,) = display.lines_
    expected = table(random).sort_values("alpha").score
    running = expected.rolling(9, center=True, min_periods=1).max()  # of 40
    assert_array_equal(line.get_ydata(), running)


@given(st.lists(st.tuples(st.integers(0, 60), st.floats(-1, 1) | st.just(np.nan)), max_size=60))
def test_best_nearby(pairs):
    positions, scores = np.array(pairs, dtype=float).reshape(-1, 2).T
    places, best, nearby = best_nearby(positions, scores)
    expected = pd.Series(scores).dropna().groupby(positions[~np.isnan(scores)]).max()
    assert_array_equal(places, expected.index)
    assert_array_equal(best, expected)
    window = 2 * (len(places) // 10) + 1
    assert_array_equal(nearby, expected.rolling(window, center=True, min_periods=1).max())


# Scales -----------------------------------------------------------------------------------------


@dataclass
class Range:
    """A distribution of one's own."""

    low: float
    high: float
    log: bool

    def rvs(self, size=None, random_state=None):
        return random_state.uniform(self.low, self.high, size)


@pytest.mark.slow
@pytest.mark.parametrize(
    "distribution, scale",
    [
        (scipy.stats.loguniform(1e-4, 1), "log"),
        (scipy.stats.reciprocal(1e-4, 1), "log"),
        (scipy.stats.uniform(0.1, 1), "linear"),
        (scipy.stats.expon(0.1, 1), "linear"),
        (Range(0.1, 1, log=True), "log"),
        (Range(0.1, 1, log=False), "linear"),
        (np.logspace(-4, 0, 30), "log"),
        ([1, 2, 4, 8], "log"),
        ([0.001, 0.003, 0.01, 0.03, 0.1], "log"),
        ([0.5, 0.001], "log"),
        ([0.5, 0.1], "linear"),
        ([1, 2, 3, 4], "linear"),
        ([1, 3, 4], "linear"),
        (np.linspace(0.01, 10, 30), "linear"),
        ([0.1], "linear"),
    ],
    ids=range(15),
)
def test_scale_of_numbers(distribution, scale):
    values = len(distribution) if np.iterable(distribution) else 10
    search = random_search({"alpha": distribution, "rate": [0.1]}, n_iter=values)
    display = SearchDisplay.from_search(search, "alpha", "rate")
    assert display.ax_.get_xscale() == scale
    assert SearchDisplay.from_search(search, "rate", "alpha").ax_.get_yscale() == scale
    assert SearchDisplay.from_search(search, "alpha").ax_.get_xscale() == scale


def test_zero_is_on_no_logarithmic_axis():
    search = grid_search({"option": [0, 0.001, 0.01, 0.1, 1]})
    display = SearchDisplay.from_search(search, "option")
    assert display.ax_.get_xscale() == "linear"
    assert display.ax_.get_xlim()[0] < 0


def test_one_of_several_spaces_makes_it_logarithmic():
    spaces = [{"alpha": scipy.stats.loguniform(1e-4, 1)}, {"alpha": [0.5], "rate": [1.0]}]
    assert SearchDisplay.from_search(random_search(spaces), "alpha").ax_.get_xscale() == "log"


@pytest.mark.parametrize("other", [0.0, None])
def test_what_is_not_positive_is_on_no_logarithmic_axis(other):
    spaces = [{"option": scipy.stats.loguniform(1e-4, 1)}, {"option": [other]}]
    search = random_search(spaces, 10)
    assert other in [candidate["option"] for candidate in search.cv_results_["params"]]
    assert SearchDisplay.from_search(search, "option").ax_.get_xscale() == "linear"


@pytest.mark.parametrize("values, scale", [(ALPHAS, "log"), ([0.1, 0.2, 0.3], "linear")])
def test_a_search_that_keeps_no_space_is_judged_by_its_values(values, scale):
    search = grid_search({"alpha": values})
    del search.param_grid
    assert SearchDisplay.from_search(search, "alpha").ax_.get_xscale() == scale


def test_few_numbers_of_a_grid_get_the_ticks():
    search = grid_search({"alpha": [1, 2, 4], "rate": np.logspace(-4, 0, 30)})
    ax = SearchDisplay.from_search(search, "alpha", "rate").ax_
    assert tick_labels(ax.xaxis) == ["1", "2", "4"]
    assert_array_equal(ax.get_xticks(), [1, 2, 4])
    assert len(ax.get_xticks(minor=True)) == 0
    assert len(ax.get_yticks()) < 30
    drawn = random_search({"alpha": scipy.stats.loguniform(1e-4, 1)}, 4)
    ax = SearchDisplay.from_search(drawn, "alpha").ax_
    assert not set(ax.get_xticks()) & set(table(drawn).alpha)


# Categories -------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "values, labels",
    [
        (["sgd", "adam"], ["sgd", "adam"]),
        ([(100,), (32,), (64, 64), ()], ["(100,)", "(32,)", "(64, 64)", "()"]),
        ([[8], [4, 2]], ["[8]", "[4, 2]"]),
        ([True, False], ["True", "False"]),
        ([None, 0.5, 2], ["None", "0.5", "2"]),
        ([10, np.inf], ["10", "inf"]),
        ([np.tanh, abs], ["tanh", "abs"]),
        ([StandardScaler(), "passthrough"], ["StandardScaler()", "passthrough"]),
    ],
    ids=str,
)
def test_categories_are_in_the_order_of_the_grid(values, labels):
    search = random_search({"option": values, "alpha": scipy.stats.loguniform(1e-4, 1)}, 30)
    candidates = search.cv_results_["params"]
    for side, names in {"x": ("option", "alpha"), "y": ("alpha", "option")}.items():
        display = SearchDisplay.from_search(search, *names)
        axis = getattr(display.ax_, f"{side}axis")
        assert tick_labels(axis) == labels
        assert_array_equal(axis.get_ticklocs(), range(len(labels)))
        assert tuple(axis.get_view_interval()) == (-0.5, len(labels) - 0.5)
        alphas, places = display.points_[0].get_offsets().T[:: -1 if side == "x" else 1]
        where = {c["alpha"]: [v is c["option"] for v in values].index(True) for c in candidates}
        assert_array_equal(places, [where[alpha] for alpha in alphas])


def test_categories_that_were_not_drawn_get_no_place():
    search = random_search({"option": ["a", "b", "c"], "alpha": [0.1]}, 2)
    drawn = {candidate["option"] for candidate in search.cv_results_["params"]}
    labels = tick_labels(SearchDisplay.from_search(search, "option").ax_.xaxis)
    assert labels == sorted(drawn)


def test_best_by_category():
    search = grid_search({"kind": ["a", "b"], "option": [(8,), (4,)], "alpha": ALPHAS})
    display = SearchDisplay.from_search(search, "kind", "option")
    kinds, options = display.lines_
    results = table(search)
    assert_array_equal(kinds.get_ydata(), results.groupby("kind").score.max()[["a", "b"]])
    assert_array_equal(options.get_ydata(), [0, 1])
    assert_array_equal(options.get_xdata(), [results.score.max()] * 2)
    assert kinds.get_linestyle() == options.get_linestyle() == "None"
    alone = SearchDisplay.from_search(search, "kind")
    assert_array_equal(alone.lines_[0].get_ydata(), kinds.get_ydata())
    assert legend_texts(alone.ax_)[-1] == "best by value"


# Candidates that failed, or have no such hyperparameter -----------------------------------------


@pytest.fixture
def failing():
    with pytest.warns(FitFailedWarning), pytest.warns(UserWarning, match="non-finite"):
        return grid_search({"alpha": ALPHAS, "rate": RATES, "kind": ["a", "fails"]})


def test_failed_candidates_are_crosses(failing):
    display = SearchDisplay.from_search(failing, "alpha", "rate")
    assert_array_equal(
        rows(*display.failed_.get_data()), rows(np.repeat(ALPHAS, 3), np.tile(RATES, 4))
    )
    assert display.failed_.get_marker() == "x"
    assert display.failed_.get_color() == "grey"
    assert legend_texts(display.ax_)[-1] == "failed"
    display.figure_.canvas.draw()
    assert np.isfinite(display.points_[0].get_clim()).all()


def test_failed_candidates_are_at_the_bottom_of_the_scores(failing):
    display = SearchDisplay.from_search(failing, "alpha")
    assert_array_equal(sorted(display.failed_.get_xdata()), np.repeat(ALPHAS, 3))
    low, high = display.ax_.get_ylim()
    scores = table(failing).score
    assert scores.min() - 0.1 < low < scores.min() < scores.max() < high < 1.0
    pixels = display.failed_.get_transform().transform(display.failed_.get_xydata())
    heights = display.ax_.transAxes.inverted().transform(pixels)[:, 1]
    assert np.all((heights > 0) & (heights < 0.1))


def test_a_category_that_always_failed_has_a_place(failing):
    display = SearchDisplay.from_search(failing, "kind", "alpha")
    assert tick_labels(display.ax_.xaxis) == ["a", "fails"]
    assert_array_equal(display.lines_[0].get_xdata(), [0])


def test_all_failed():
    x = Hyperparameter("alpha", [1, 2])
    with pytest.raises(ValueError, match="All candidates failed"):
        SearchDisplay(x=x, scores=[np.nan, -np.inf]).plot()
    assert not plt.get_fignums()


def test_candidates_without_the_hyperparameter_are_left_out():
    search = grid_search([{"alpha": [0.1, 1.0], "option": ["p", "q"]}, {"alpha": ALPHAS, "n": [7]}])
    display = SearchDisplay.from_search(search, "alpha", "option")
    display.figure_.canvas.draw()
    visible = display.points_[0].get_offsets()
    visible = visible[~np.ma.getmaskarray(visible).any(axis=1)]
    assert rows(*visible.T) == [(0.1, 0), (0.1, 1), (1.0, 0), (1.0, 1)]
    assert tick_labels(display.ax_.yaxis) == ["p", "q"]
    assert search.best_params_ == {"alpha": 0.01, "n": 7}
    assert display.best_ is None
    assert SearchDisplay.from_search(search, "alpha", "n").best_ is not None


# Rounds -----------------------------------------------------------------------------------------


class InRounds(RandomizedSearchCV):
    """Stands for a search that goes from coarse to fine."""

    def fit(self, X, y=None, **parameters):
        super().fit(X, y, **parameters)
        self.cv_results_["round"] = np.arange(self.n_iter) // 5 + 1
        return self


@pytest.mark.parametrize("y", [None, "rate"])
def test_rounds_have_markers_of_their_own(y):
    space = {"alpha": scipy.stats.loguniform(1e-4, 1), "rate": scipy.stats.uniform(0.1, 0.9)}
    search = InRounds(Peak(), space, n_iter=15, cv=2, random_state=0).fit(X, Y)
    display = SearchDisplay.from_search(search, "alpha", y)
    alphas = table(search).alpha.to_numpy()
    assert len(display.points_) == 3
    for number, points in enumerate(display.points_):
        found = points.get_offsets()[:, 0]
        assert_array_equal(np.sort(found), np.sort(alphas[5 * number : 5 * number + 5]))
    assert len({points.get_paths()[0].vertices.tobytes() for points in display.points_}) == 3
    assert legend_texts(display.ax_)[:3] == ["round 1", "round 2", "round 3"]
    if y is not None:
        assert len({points.get_clim() for points in display.points_}) == 1
        handles = display.ax_.get_legend().legend_handles[:3]
        grey = matplotlib.colors.to_rgba("grey")
        display.figure_.canvas.draw()
        assert all(tuple(handle.get_facecolor()[0]) == grey for handle in handles)


def test_a_single_round_is_no_round():
    search = InRounds(Peak(), {"alpha": ALPHAS}, n_iter=4, cv=2).fit(X, Y)
    assert legend_texts(SearchDisplay.from_search(search, "alpha").ax_)[0] == "candidates"


@pytest.mark.parametrize("halving", [HalvingGridSearchCV, HalvingRandomSearchCV])
def test_iterations_of_successive_halving_are_rounds(halving):
    search = halving(
        Peak(), {"alpha": ALPHAS, "rate": RATES}, min_resources=5, cv=2, random_state=0
    ).fit(X, Y)
    display = SearchDisplay.from_search(search, "alpha", "rate")
    assert [len(points.get_offsets()) for points in display.points_] == search.n_candidates_
    assert legend_texts(display.ax_)[0] == "round 0"
    best = search.best_params_
    assert_array_equal(display.best_.get_offsets(), [[best["alpha"], best["rate"]]])


class Growing(Peak):
    """Scores fall with the rows: candidates of an early round look better than they are."""

    def fit(self, X, y=None):
        self.n_rows_ = len(X)
        return super().fit(X, y)

    def score(self, X, y=None):
        return super().score(X, y) - 0.5 * self.n_rows_


@pytest.mark.parametrize("y", [None, "rate"])
def test_only_scores_of_the_most_resources_are_compared(y):
    grid = {"alpha": ALPHAS, "rate": RATES}
    search = HalvingGridSearchCV(
        Growing(), grid, min_resources=5, factor=2, cv=2, random_state=0
    ).fit(X, Y)
    display = SearchDisplay.from_search(search, "alpha", y)
    results = table(search)[search.cv_results_["iter"] == search.n_iterations_ - 1]
    assert 1 < len(results) < len(search.cv_results_["params"])
    best = results.groupby("alpha").score.max()
    line = display.lines_[0]
    assert_array_equal(line.get_xdata(), best.index)
    assert_array_equal(line.get_ydata(), best_nearby(best.index, best)[2])
    assert sum(len(points.get_offsets()) for points in display.points_) == sum(search.n_candidates_)
    if y is None:
        assert display.best_.get_offsets()[0, 1] == line.get_ydata().max()
        assert legend_texts(display.ax_)[-1] == "best nearby, most resources"


def test_the_best_by_another_metric_is_of_the_last_round():
    search = HalvingGridSearchCV(
        Growing(), {"alpha": ALPHAS}, min_resources=5, factor=2, cv=2, random_state=0
    ).fit(X, Y)
    results = search.cv_results_
    results["mean_test_other"] = results["mean_test_score"]
    display = SearchDisplay.from_search(search, "alpha", metric="other")
    assert results["iter"][display.best_index] == search.n_iterations_ - 1


# Metrics ----------------------------------------------------------------------------------------


def several(refit):
    return grid_search({"alpha": ALPHAS}, scoring=scores_and_costs, refit=refit)


@pytest.mark.slow
@pytest.mark.parametrize(
    "refit, metric, shown, best",
    [
        ("good", None, "good", 0.01),
        ("bad", None, "bad", 0.0001),
        ("good", "bad", "bad", 0.0001),
        (False, "good", "good", 0.01),
        (lambda results: 3, "bad", "bad", 0.0001),
    ],
)
def test_metric(refit, metric, shown, best):
    search = several(refit)
    display = SearchDisplay.from_search(search, "alpha", metric=metric)
    assert_array_equal(display.scores, search.cv_results_[f"mean_test_{shown}"])
    assert display.ax_.get_ylabel() == f"mean test {shown}"
    assert display.best_.get_offsets()[0, 0] == best


def test_the_choice_of_the_search_is_marked():
    search = grid_search({"alpha": ALPHAS}, refit=lambda results: 3)
    assert SearchDisplay.from_search(search, "alpha").best_.get_offsets()[0, 0] == ALPHAS[3]


@pytest.mark.parametrize("refit", [False, lambda results: 0])
def test_several_metrics_and_none_named(refit):
    search = several(refit)
    with pytest.raises(ValueError, match=r"pass metric=, one of 'good', 'bad'\."):
        SearchDisplay.from_search(search, "alpha")
    del search.refit
    with pytest.raises(ValueError, match=r"pass metric="):
        SearchDisplay.from_search(search, "alpha")
    assert SearchDisplay.from_search(search, "alpha", metric="bad").best_index == 0


def test_wrong_metric():
    with pytest.raises(ValueError, match=r"metric must be one of 'good', 'bad'\. Got 'f'"):
        SearchDisplay.from_search(several("good"), "alpha", metric="f")


def test_results_are_all_that_is_needed(grid):
    results = SimpleNamespace(cv_results_=grid.cv_results_)
    found = SearchDisplay.from_search(results, "alpha", "rate").best_
    expected = SearchDisplay.from_search(grid, "alpha", "rate").best_
    assert_array_equal(found.get_offsets(), expected.get_offsets())


def test_a_single_metric_by_name():
    Z, labels = load_iris(return_X_y=True)
    net = MLPClassifier((4,), learning_rate="cosine", max_iter=3, random_state=0)
    space = {"mlpclassifier__alpha": ALPHAS, "mlpclassifier__hidden_layer_sizes": [(4,), (8, 4)]}
    search = GridSearchCV(
        make_pipeline(StandardScaler(), net), space, scoring="balanced_accuracy", cv=2
    ).fit(Z, labels)
    display = SearchDisplay.from_search(search, "alpha", "hidden_layer_sizes")
    assert display.colorbar_.ax.get_ylabel() == "mean test balanced_accuracy"
    assert_array_equal(
        np.sort(display.points_[0].get_array()), np.sort(search.cv_results_["mean_test_score"])
    )
    assert tick_labels(display.ax_.yaxis) == ["(4,)", "(8, 4)"]


# Names ------------------------------------------------------------------------------------------


@pytest.fixture
def nested():
    inner = Pipeline([("one", StandardScaler()), ("peak", Peak())])
    grid = {"peak__alpha": ALPHAS, "peak__rate": RATES, "one__with_mean": [True, False]}
    return grid_search(grid, inner)


@pytest.mark.parametrize("name", ["alpha", "peak__alpha"])
def test_names_without_the_step(nested, name):
    display = SearchDisplay.from_search(nested, name, "with_mean")
    assert display.ax_.get_xlabel() == name
    assert display.ax_.get_xscale() == "log"
    assert set(display.points_[0].get_offsets()[:, 0]) == set(ALPHAS)


@pytest.mark.parametrize("name", ["gamma", "lpha", "Alpha", "peak", 3, None])
def test_wrong_names(nested, name):
    choices = "'one__with_mean', 'peak__alpha', 'peak__rate'"
    with pytest.raises(ValueError, match=f"x must be one of {choices}. Got {name!r}"):
        SearchDisplay.from_search(nested, name)
    if name is not None:
        with pytest.raises(ValueError, match=f"y must be one of {choices}. Got {name!r}"):
            SearchDisplay.from_search(nested, "alpha", name)


def test_ambiguous_names():
    pipeline = Pipeline([("one", StandardScaler()), ("two", StandardScaler()), ("peak", Peak())])
    grid = {"one__with_mean": [True, False], "two__with_mean": [True], "peak__alpha": ALPHAS}
    search = grid_search(grid, pipeline)
    with pytest.raises(ValueError, match=r"x must be one of 'one__with_mean', 'two__with_mean'\. "):
        SearchDisplay.from_search(search, "with_mean")
    assert SearchDisplay.from_search(search, "two__with_mean").x.values == [True] * 8


def test_a_whole_name_comes_before_the_end_of_another():
    x = [{"n": i, "a__n": -i} for i in range(3)]
    search = grid_search({"alpha": ALPHAS[:3]})
    search.cv_results_["params"] = x
    assert SearchDisplay.from_search(search, "n").x.values == [0, 1, 2]


# Errors, layout, life ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "model", [GridSearchCV(Peak(), {}), LogisticRegression().fit(X[:2], [0, 1])]
)
def test_without_results(model):
    with pytest.raises(NotFittedError, match=f"{type(model).__name__} has no cv_results_"):
        SearchDisplay.from_search(model, "alpha")


def test_without_matplotlib_the_error_says_what_to_install(grid, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"SearchDisplay.*pip install \"skdnn\[plot\]\""):
        SearchDisplay.from_search(grid, "alpha")


@pytest.mark.slow
@pytest.mark.parametrize("names", [("alpha", "rate"), ("option", "alpha"), ("alpha",), ("option",)])
def test_texts_are_apart(names, monkeypatch):
    sizes = [(128, 64, 32), (256, 128, 64), (512, 256, 128), (64, 64, 64), (32,)]
    space = {
        "alpha": scipy.stats.loguniform(1e-4, 1),
        "rate": scipy.stats.loguniform(0.5, 2),
        "option": sizes,
    }
    search = random_search(space, 40)
    display = SearchDisplay.from_search(search, *names)
    display.ax_.set_title("A search")
    assert_texts_are_apart(display.figure_, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("layout", [None, "tight", "constrained"])
def test_side_by_side(layout, grid, random, monkeypatch):
    figure, axes = plt.subplots(1, 2, figsize=(14, 6), layout=layout)
    for ax, search in zip(axes, (grid, random), strict=True):
        display = SearchDisplay.from_search(search, "alpha", "rate", ax=ax)
        assert display.ax_ is ax
        assert display.figure_ is figure
        ax.set_title(type(search).__name__)
    assert_texts_are_apart(figure, monkeypatch)


def test_plot_again(grid):
    display = SearchDisplay.from_search(grid, "alpha", "rate")
    before = display.ax_
    assert display.plot(marginals=False) is display
    assert display.ax_ is not before
    assert len(display.points_) == 1


def test_ticks_of_a_grid_with_lists_in_it():
    sizes = Hyperparameter("sizes", [4, 8], log=True, grid=[4, 8, [4, 4]])
    assert sizes.ticks == {4: "4", 8: "8"}
    assert Hyperparameter("sizes", [4, 8], grid=[4, 8, [4, 4]]).ticks == {}


def test_many_sizes_of_layers_are_in_order_and_not_all_named():
    rng = np.random.default_rng(0)
    sizes = [
        (width,) * depth for width, depth in zip(range(1, 41), rng.integers(1, 4, 40), strict=True)
    ]
    axis = Hyperparameter("hidden_layer_sizes", [sizes[i] for i in rng.permutation(40)])
    assert axis.categories == [
        str(one) for depth in (1, 2, 3) for one in sizes if len(one) == depth
    ]
    assert 8 <= len(axis.ticks) <= 15
    assert all(axis.categories[place] == name for place, name in axis.ticks.items())
    _, ax = plt.subplots()
    axis.set_axis(ax, "x")
    assert ax.get_xlim() == (-0.5, 39.5)


def test_margins_do_not_repeat_the_numbers_of_an_axis_below_a_decade():
    rates = Hyperparameter("learning_rate_init", [0.012, 0.02, 0.05, 0.06], log=True)
    alphas = Hyperparameter("alpha", [2e-4, 3e-4, 6e-4, 7e-4], log=True)
    display = SearchDisplay(x=rates, y=alphas, scores=[0.1, 0.3, 0.2, 0.4]).plot()
    display.figure_.canvas.draw()
    above, beside = display.marginal_axes_
    assert above.get_xticklabels(which="both") == beside.get_yticklabels(which="both") == []
    assert any(label.get_text() for label in display.ax_.get_xticklabels(which="both"))
