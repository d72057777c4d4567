"""The progress bar: one line a task that runs, with the numbers that the fits themselves report."""

import io
import re
import sys
from functools import partial

import pytest
from estimator_cases import LABELS, Callback, X, small_network, y_for
from sklearn.base import clone
from sklearn.model_selection import (
    GridSearchCV,
    ParameterSampler,
    RandomizedSearchCV,
    StratifiedKFold,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdnn import MLPClassifier, load_checkpoint
from skdnn.callback import Checkpoint, ProgressBar, progress

rich_console = pytest.importorskip("rich.console")

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

small = partial(small_network, max_iter=4)


def numbers_of(model, k=-1):
    """Return what is to be shown after an epoch of a fit."""
    text = f"loss {model.loss_curve_[k]:.4g}"
    if model.early_stopping:
        text += f", score {model.validation_scores_[k]:.4g}"
    return text


class EndOfEpochError(Exception):
    """The end of the process, or as good as that."""


class EndOfEpoch(Callback):
    """A callback that cuts a fit short."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_fit_task_end(self, estimator, context):
        if context.task_id == self.epoch - 1:
            raise EndOfEpochError


@pytest.fixture
def screens(monkeypatch):
    """Return a list that gets the lines on the screen after every event, 100 characters wide."""
    seen, monitor = [], progress.ProgressMonitor

    class Watched(monitor):
        def _on_task_begin(self, task_info):
            super()._on_task_begin(task_info)
            seen.append(lines_of(self.progress_ctx))

        def _on_task_end(self, task_info):
            super()._on_task_end(task_info)
            seen.append(lines_of(self.progress_ctx))

    monkeypatch.setattr(progress, "ProgressMonitor", Watched)
    return seen


def lines_of(display, width=100):
    console = rich_console.Console(file=io.StringIO(), width=width)
    console.print(display.get_renderable())
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def name_in(line):
    """Return what stands before the bar, which is blank at 0 %."""
    return re.split(r" *([━╸]| \d+% )", line)[0]


@pytest.mark.parametrize("parameters", [{}, {"early_stopping": True}, {"solver": "lbfgs"}], ids=str)
def test_a_fit_shows_its_numbers_after_every_epoch(cls, parameters, screens):
    model = small(cls, **parameters).set_callbacks(ProgressBar()).fit(X, y_for(cls))
    begin, *epochs, end = screens
    assert [len(lines) for lines in screens] == [1] * 6
    assert {name_in(line) for (line,) in screens} == {f"{cls.__name__} - fit"}
    assert "loss" not in begin[0]
    for k, (line,) in enumerate(epochs):
        assert f" {25 * (k + 1)}% " in line
        assert line.endswith(" " + numbers_of(model, k))
    assert end[0].endswith(numbers_of(model))


def test_what_is_left_on_the_screen(cls, capsys):
    model = small(cls, early_stopping=True).set_callbacks(ProgressBar()).fit(X, y_for(cls))
    (line,) = capsys.readouterr().out.splitlines()
    assert name_in(line) == f"{cls.__name__} - fit"
    assert "100% 0:00:0" in line
    assert line.rstrip().endswith(numbers_of(model))


def test_a_score_of_an_earlier_fit_is_not_shown(cls, screens):
    model = small(cls, early_stopping=True, warm_start=True).fit(X, y_for(cls))
    model.set_params(early_stopping=False).set_callbacks(ProgressBar()).fit(X, y_for(cls))
    assert screens[-1][0].endswith(numbers_of(model))


@pytest.mark.slow
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_search_shows_the_fits_that_run(n_jobs, screens):
    """Two lines of the search, and one a fit that runs, or has run and is not followed yet."""
    net, grid = small(MLPClassifier), {"alpha": [0.1, 10.0, 100.0]}
    search = RandomizedSearchCV(net, grid, n_iter=2, cv=3, n_jobs=n_jobs, random_state=0)
    search.set_callbacks(ProgressBar()).fit(X, LABELS)
    assert 3 <= max(map(len, screens)) <= 2 + n_jobs
    last = {name_in(line): line for lines in screens for line in lines}  # that is shown of each
    assert all("100% 0:" in line for line in last.values())
    assert last.pop("RandomizedSearchCV - fit")
    assert last.pop("  RandomizedSearchCV - search #0")
    assert last.pop("  MLPClassifier - fit #1").endswith(numbers_of(search.best_estimator_))
    folds = list(StratifiedKFold(3).split(X, LABELS))
    for i, candidate in enumerate(ParameterSampler(grid, 2, random_state=0)):
        for j, (train, _) in enumerate(folds):
            model = clone(net).set_params(**candidate).fit(X[train], LABELS[train])
            line = last.pop(f"    MLPClassifier - fit #{3 * i + j}")
            assert line.endswith(numbers_of(model))
    assert not last


@pytest.mark.parametrize("depth", [0, 1, 2, None])
def test_how_deep_it_goes(depth, screens):
    net = make_pipeline(StandardScaler(), small(MLPClassifier))
    search = GridSearchCV(net, {"mlpclassifier__alpha": [0.1, 1.0]}, cv=2)
    search.set_callbacks(ProgressBar(depth)).fit(X, LABELS)
    names = {name_in(line) for lines in screens for line in lines}
    pipelines = {"    Pipeline - fit #0", "  Pipeline - fit #1"}
    nets = {"      MLPClassifier - fit #1", "    MLPClassifier - fit #1"}
    assert (pipelines <= names) == (depth != 0)
    assert (nets <= names) == (depth in (2, None))
    assert max(map(len, screens)) == 2 + (depth != 0) + (depth in (2, None))
    assert any("loss" in line for line in screens[-1]) == (depth in (2, None))


def test_a_narrow_screen_shortens_the_bars_alone(monkeypatch):
    shown = []

    class Watched(progress.ProgressMonitor):
        def _on_task_end(self, task_info):
            super()._on_task_end(task_info)
            shown.extend(lines_of(self.progress_ctx, width=62))

    monkeypatch.setattr(progress, "ProgressMonitor", Watched)
    model = small(MLPClassifier, early_stopping=True).set_callbacks(ProgressBar())
    model.fit(X, LABELS)
    assert len(shown) == 5
    assert shown[-1].endswith(numbers_of(model))


def test_the_bar_of_a_fit_that_goes_on_is_as_long_as_what_is_left(cls, tmp_path, screens):
    model = small(cls, max_iter=8).set_callbacks(Checkpoint(tmp_path / "net"), EndOfEpoch(6))
    with pytest.raises(EndOfEpochError):
        model.fit(X, y_for(cls))
    model = load_checkpoint(tmp_path / "net").set_params(warm_start=True)
    model.set_callbacks(ProgressBar()).fit(X, y_for(cls))
    assert [re.search(r"\d+%", line)[0] for (line,) in screens] == ["0%", "50%", "100%", "100%"]


def test_without_rich(monkeypatch):
    monkeypatch.setitem(sys.modules, "rich", None)
    with pytest.raises(
        ImportError, match=r'ProgressBar needs rich: pip install "skdnn\[progress\]"'
    ):
        ProgressBar()


@pytest.mark.parametrize("depth", [-1, 1.5, "all"])
def test_bad_depths(depth):
    with pytest.raises(ValueError, match="'max_propagation_depth'"):
        ProgressBar(depth)
