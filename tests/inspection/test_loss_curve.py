"""The curves that are drawn are those of the history."""

import subprocess
import sys

import numpy as np
import pytest
import sklearn.neural_network
from drawn import assert_texts_are_apart, legend_texts, plt
from numpy.testing import assert_array_equal
from sklearn.datasets import make_classification
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdnn import MLPClassifier, MLPRegressor
from skdnn.inspection import LossCurveDisplay

X, Y = make_classification(120, 4, n_informative=3, n_redundant=0, random_state=0)


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def net(cls=MLPClassifier, **parameters):
    defaults = {
        "hidden_layer_sizes": (8,), "max_iter": 12, "learning_rate": "cosine", "random_state": 0
    }  # fmt: skip
    return cls(**defaults | parameters)


PLAIN = net().fit(X, Y)
STOPPED = net(early_stopping=True, n_iter_no_change=3, learning_rate_init=0.02).fit(X, Y)
VALIDATED = net().fit(X[30:], Y[30:], X_val=X[:30], y_val=Y[:30])
FITTED = {
    "plain": PLAIN,
    "stopped": STOPPED,
    "validated": VALIDATED,
    "regressor": net(MLPRegressor, early_stopping=True, scoring="loss").fit(X, Y),
    "lbfgs": MLPClassifier((), solver="lbfgs", alpha=1.0, random_state=0).fit(X, Y),
}


def assert_draws(line, values):
    assert_array_equal(line.get_xdata(), np.arange(1, len(values) + 1))
    assert_array_equal(line.get_ydata(), values)


# Curves -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FITTED)
def test_lines_are_the_history(name):
    estimator = FITTED[name]
    history = estimator.history_
    display = LossCurveDisplay.from_estimator(estimator)
    keys = [key for key in ("loss", "validation_loss") if key in history]
    assert len(display.lines_) == len(keys) == (2 if "validation_loss" in history else 1)
    for line, key in zip(display.lines_, keys, strict=True):
        assert_draws(line, history[key])
    if "validation_score" in history:
        (line,) = display.score_lines_
        assert_draws(line, history["validation_score"])
    else:
        assert display.score_lines_ == []
        assert display.score_ax_ is None
    assert display.ax_.get_ylabel() == "loss"


@pytest.mark.parametrize("name", FITTED)
def test_the_best_epoch_is_marked_on_the_curve_that_decided(name):
    estimator = FITTED[name]
    display = LossCurveDisplay.from_estimator(estimator)
    (mark,) = display.best_
    (line,) = display.score_lines_ if estimator.early_stopping else display.lines_[:1]
    assert mark.axes is line.axes
    assert mark.get_color() == line.get_color()
    (epoch,), (value,) = mark.get_data()
    assert epoch == estimator.best_iter_
    assert value == line.get_ydata()[epoch - 1]
    best = max if estimator.early_stopping else min
    assert value == best(line.get_ydata())


def test_without_a_best_epoch_there_is_no_mark():
    histories = {"a": {"loss": [3.0, 2.0]}, "b": {"loss": [2.0, 1.0]}}
    display = LossCurveDisplay(histories=histories, best_iters={"a": 0}).plot()
    assert display.best_ == []
    assert legend_texts(display.ax_) == ["a", "b", "training"]
    assert LossCurveDisplay(histories=histories).plot().best_ == []


def test_a_colour_an_estimator_a_style_a_set_of_rows():
    display = LossCurveDisplay.from_estimators({"one": STOPPED, "two": PLAIN, "three": VALIDATED})
    styles = [line.get_linestyle() for line in display.lines_]
    assert styles == ["-", "--", "-", "-", "--"]
    colors = [line.get_color() for line in display.lines_]
    assert colors[0] == colors[1] == display.score_lines_[0].get_color()
    assert colors[3] == colors[4] == display.score_lines_[1].get_color()
    assert len(set(colors)) == 3


def test_line_kw():
    display = LossCurveDisplay.from_estimator(STOPPED, line_kw={"color": "red", "linewidth": 3})
    for line in display.lines_ + display.score_lines_:
        assert line.get_color() == "red"
        assert line.get_linewidth() == 3


@pytest.mark.parametrize("log, scale", [(True, "log"), (False, "linear")])
def test_scale_of_the_losses(log, scale):
    display = LossCurveDisplay.from_estimator(STOPPED, log=log)
    assert display.ax_.get_yscale() == scale
    assert display.score_ax_.get_yscale() == "linear"


def test_a_second_display_leaves_the_scale_as_it_is():
    first = LossCurveDisplay.from_estimator(PLAIN, log=True)
    LossCurveDisplay.from_estimator(STOPPED, ax=first.ax_)
    assert first.ax_.get_yscale() == "log"
    LossCurveDisplay.from_estimator(STOPPED, ax=first.ax_, log=False)
    assert first.ax_.get_yscale() == "linear"


@pytest.mark.parametrize("line_kw", [{"linestyle": "--"}, {"ls": "--"}, {"ls": ":", "c": "red"}])
def test_the_legend_keeps_all_keys_whatever_the_style(line_kw):
    display = LossCurveDisplay.from_estimator(STOPPED, line_kw=line_kw)
    keys = ["training", "validation", "best epoch"]
    assert legend_texts(display.ax_) == ["MLPClassifier", *keys]
    style = line_kw.get("ls", "--")
    handles = display.ax_.get_legend().legend_handles
    assert [handle.get_linestyle() for handle in handles] == [style] * 3 + ["None"]
    assert {line.get_linestyle() for line in display.lines_ + display.score_lines_} == {style}
    assert handles[0].get_color() == display.lines_[1].get_color()


def test_training_that_goes_on_does_not_change_what_was_drawn():
    estimator = net().partial_fit(X, Y, classes=[0, 1])
    display = LossCurveDisplay.from_estimator(estimator)
    estimator.partial_fit(X, Y)
    display.plot()
    assert_draws(display.lines_[0], estimator.loss_curve_[:1])
    assert len(estimator.loss_curve_) == 2


def test_a_diverged_training_is_drawn_as_far_as_it_went():
    histories = {"wild": {"loss": [1.0, 5.0, np.inf], "validation_loss": [1.1, 6.0, np.nan]}}
    display = LossCurveDisplay(histories=histories, best_iters={"wild": 1}).plot(log=True)
    display.figure_.canvas.draw()
    low, high = display.ax_.get_ylim()
    assert 0 < low < 1.0 < 6.0 < high < 20.0


# Legend and axes --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "estimators, texts",
    [
        ({"net": PLAIN}, ["net", "training", "best epoch"]),
        ({"net": VALIDATED}, ["net", "training", "validation", "best epoch"]),
        ([PLAIN], ["MLPClassifier 1", "training", "best epoch"]),
        (iter([PLAIN]), ["MLPClassifier 1", "training", "best epoch"]),
        (
            [PLAIN, FITTED["regressor"]],
            ["MLPClassifier 1", "MLPRegressor 2", "training", "validation", "best epoch"],
        ),
    ],
)
def test_legend(estimators, texts):
    assert legend_texts(LossCurveDisplay.from_estimators(estimators).ax_) == texts


@pytest.mark.parametrize("name, text", [(None, "MLPClassifier"), ("mine", "mine")])
def test_name(name, text):
    display = LossCurveDisplay.from_estimator(PLAIN, name=name)
    assert legend_texts(display.ax_)[0] == text
    assert list(display.histories) == [text]


def test_scores_are_below_the_losses_on_the_same_epochs():
    display = LossCurveDisplay.from_estimator(STOPPED)
    display.figure_.canvas.draw()
    above, below = display.ax_.get_window_extent(), display.score_ax_.get_window_extent()
    assert below.y1 < above.y0
    assert below.x0 == above.x0 and below.x1 == above.x1
    display.ax_.set_xlim(3, 7)
    assert display.score_ax_.get_xlim() == (3, 7)
    assert display.score_ax_.get_xlabel() == "epoch"
    assert display.ax_.get_xlabel() == ""
    assert display.score_ax_.get_ylabel() == "validation score"


def test_without_scores_the_epochs_are_at_the_losses():
    assert LossCurveDisplay.from_estimator(PLAIN).ax_.get_xlabel() == "epoch"


def test_epochs_are_whole():
    display = LossCurveDisplay(histories={"short": {"loss": [2.0, 1.0]}}).plot()
    assert all(tick == int(tick) for tick in display.ax_.get_xticks())


@pytest.mark.slow
@pytest.mark.parametrize("layout", [None, "tight", "constrained"])
def test_both_panels_stay_in_the_box_of_the_given_axes(layout, monkeypatch):
    figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout=layout)
    display = LossCurveDisplay.from_estimator(STOPPED, ax=axes[0])
    LossCurveDisplay.from_estimator(VALIDATED, ax=axes[1]).ax_.set_title("validated")
    assert display.ax_ is axes[0]
    assert display.figure_ is figure
    assert_texts_are_apart(figure, monkeypatch)
    box = axes[0].get_position(original=True).transformed(figure.transFigure)
    for panel in (display.ax_, display.score_ax_):
        extent = panel.get_window_extent()
        assert box.x0 - 1 <= extent.x0 < extent.x1 <= box.x1 + 1
        assert box.y0 - 1 <= extent.y0 < extent.y1 <= box.y1 + 1


def test_axes_without_a_grid():
    ax = plt.figure().add_axes((0.2, 0.2, 0.6, 0.6))
    display = LossCurveDisplay.from_estimator(STOPPED, ax=ax)
    display.figure_.canvas.draw()
    assert display.score_ax_.get_window_extent().y0 == pytest.approx(0.2 * 480, abs=2)


@pytest.mark.parametrize(
    "first, second", [(STOPPED, VALIDATED), (PLAIN, STOPPED), (STOPPED, PLAIN)]
)
def test_one_display_over_another(first, second):
    one = LossCurveDisplay.from_estimator(first, name="first")
    two = LossCurveDisplay.from_estimator(second, name="second", ax=one.ax_)
    both = LossCurveDisplay.from_estimators({"first": first, "second": second})
    assert legend_texts(one.ax_) == legend_texts(both.ax_)
    assert len(one.ax_.child_axes) == 1
    assert one.ax_.get_xlabel() == ""
    assert two.score_ax_.get_xlabel() == "epoch"
    for line, expected in zip(one.lines_ + two.lines_, both.lines_, strict=True):
        assert_array_equal(line.get_data(), expected.get_data())
        assert line.get_color() == expected.get_color()


def test_plot_again():
    display = LossCurveDisplay.from_estimator(STOPPED)
    before = display.ax_
    assert display.plot() is display
    assert display.ax_ is not before
    assert len(display.lines_) == len(display.ax_.lines) == 2


# Estimators -------------------------------------------------------------------------------------


def test_pipelines_and_searches_are_opened():
    pipeline = make_pipeline(StandardScaler(), net(early_stopping=True)).fit(X, Y)
    search = GridSearchCV(net(), {"alpha": [0.1, 1.0]}, cv=2).fit(X, Y)
    inside = GridSearchCV(pipeline, {"mlpclassifier__alpha": [0.1]}, cv=2).fit(X, Y)
    around = make_pipeline(StandardScaler(), search).fit(X, Y)
    for model, fitted in [
        (pipeline, pipeline[-1]),
        (search, search.best_estimator_),
        (inside, inside.best_estimator_[-1]),
        (around, around[-1].best_estimator_),
    ]:
        display = LossCurveDisplay.from_estimator(model)
        assert display.histories == {"MLPClassifier": fitted.history_}
        assert display.best_iters == {"MLPClassifier": fitted.best_iter_}
        assert_draws(display.lines_[0], fitted.loss_curve_)


@pytest.mark.parametrize(
    "model",
    [
        net(),
        make_pipeline(StandardScaler(), net()),
        GridSearchCV(net(), {"alpha": [0.1]}),
        GridSearchCV(make_pipeline(StandardScaler(), net()), {"mlpclassifier__alpha": [0.1]}),
    ],
)
def test_an_unfitted_estimator(model):
    for show in (
        LossCurveDisplay.from_estimator,
        lambda model: LossCurveDisplay.from_estimators([model]),
    ):
        with pytest.raises(NotFittedError, match=r"not fitted|call fit"):
            show(model)
    assert not plt.get_fignums()


@pytest.mark.parametrize(
    "model",
    [
        sklearn.neural_network.MLPClassifier(solver="lbfgs", hidden_layer_sizes=()),
        make_pipeline(StandardScaler(), LogisticRegression()),
        GridSearchCV(LogisticRegression(), {"C": [0.1]}),
    ],
    ids=lambda model: type(model).__name__,
)
def test_another_estimator(model):
    with pytest.raises(TypeError, match=r"MLPClassifier or MLPRegressor of skdnn.*Got"):
        LossCurveDisplay.from_estimator(model.fit(X, Y))


def test_no_estimator():
    with pytest.raises(TypeError, match=r"estimator must be .* Got 'adam' instead"):
        LossCurveDisplay.from_estimators(["adam"])


def test_a_search_without_its_best_estimator():
    search = GridSearchCV(net(), {"alpha": [0.1]}, cv=2, refit=False).fit(X, Y)
    with pytest.raises(NotFittedError, match=r"GridSearchCV has no best_estimator_.*refit=True"):
        LossCurveDisplay.from_estimator(search)


# matplotlib -------------------------------------------------------------------------------------


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"LossCurveDisplay.*pip install \"skdnn\[plot\]\""):
        LossCurveDisplay.from_estimator(PLAIN)


@pytest.mark.slow
def test_matplotlib_is_imported_only_to_draw():
    code = "import sys, skdnn.inspection; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
