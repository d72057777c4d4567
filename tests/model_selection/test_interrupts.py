"""The search as its callbacks see it, and where it is interrupted."""

import io
import os
import signal
import subprocess
import sys
import textwrap
import threading
from contextlib import redirect_stdout

import numpy as np
import pytest
from estimator_cases import Callback, interrupt
from numpy.testing import assert_array_equal
from scipy.stats import loguniform
from search_cases import Hill, X, Y, scores, search_for
from sklearn.callback import ProgressBar
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdnn import MLPClassifier
from skdnn.model_selection import search_space

unconverged = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


# Callbacks --------------------------------------------------------------------------------------


class Recorder(Callback):
    """A callback that notes the tasks, and does what it is told at the end of one."""

    def __init__(self, name=None, number=None, action=None, depth=None):
        self.max_propagation_depth = depth
        self.name, self.number, self.action, self.begun, self.ended = name, number, action, [], []

    def teardown(self, estimator, context):
        self.ended.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.begun.append(context.task_name)

    def on_fit_task_end(self, estimator, context):
        self.ended.append(context.task_name)
        done = self.ended.count(self.name)
        return self.action() if context.task_name == self.name and done == self.number else False


def test_rounds_are_tasks_with_their_fits_below():
    contexts = []

    class Keeper(Recorder):
        def on_fit_task_begin(self, estimator, context):
            contexts.append(context)

    search_for(n_iter=5, cv=3).set_callbacks(Keeper(depth=0)).fit(X, Y)
    root, search, *others = contexts
    rounds = [context for context in others if context.task_name == "round"]
    assert (root.task_name, root.max_subtasks) == ("fit", 2)
    assert (search.task_name, search.max_subtasks) == ("search", 3)
    assert [context.parent for context in rounds] == [search] * 3
    for context in rounds:
        fits = [other for other in others if other.parent is context]
        assert [fit.task_id for fit in fits] == list(range(15))
        assert {fit.task_name for fit in fits} == {"candidate-split-evaluation"}
        assert context.max_subtasks == 15


@unconverged
@pytest.mark.filterwarnings("ignore:Got `batch_size`")
def test_a_progress_bar_shows_the_rounds():
    net = make_pipeline(StandardScaler(), MLPClassifier(max_iter=2, random_state=0))
    search = search_for(net, search_space(net), n_iter=2, n_rounds=2).set_callbacks(ProgressBar())
    with redirect_stdout(io.StringIO()) as printed:
        search.fit(X, Y)
    for task in ("search #0", "round #0", "round #1", "refit-with-best-params"):
        assert task in printed.getvalue()


def test_a_callback_may_stop_the_search_after_a_round():
    recorder = Recorder("round", 2, lambda: True, depth=0)
    search = search_for(n_rounds=5, n_iter=4).set_callbacks(recorder).fit(X, Y)
    assert_array_equal(search.cv_results_["round"], [1] * 4 + [2] * 4)
    assert len(search.rounds_) == 2
    assert recorder.ended[-4:] == ["search", "refit-with-best-params", "fit", "teardown"]


# Ctrl-C -----------------------------------------------------------------------------------------


def in_fit(number, action):
    """Return an action that is done in the fit of that number, counted from 1."""
    fits = []

    def act(model):
        fits.append(1)
        if len(fits) == number:
            action()

    return act


def press_ctrl_c():
    signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("action", [interrupt, press_ctrl_c])
@pytest.mark.parametrize("k, n_kept", [(3, 1), (10, 4), (16, 7), (30, 14)])
def test_an_interrupt_ends_the_search_and_keeps_what_was_evaluated(k, n_kept, action):
    """Of 5 candidates × 2 folds a round."""
    search = search_for(Hill(action=in_fit(k, action)), n_iter=5)
    with pytest.warns(UserWarning, match=f"interrupted by user; the {n_kept} candidates") as record:
        search.fit(X, Y)
    assert len(record) == 1
    whole = search_for(n_iter=5).fit(X, Y)
    assert search.cv_results_["params"] == whole.cv_results_["params"][:n_kept]
    assert_array_equal(scores(search), scores(whole)[:n_kept])
    assert_array_equal(search.cv_results_["round"], whole.cv_results_["round"][:n_kept])
    assert search.best_index_ == np.argmax(scores(whole)[:n_kept])
    assert search.best_estimator_.rate == search.best_params_["rate"]
    assert len(search.rounds_) == -(-k // 10)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("action", [interrupt, press_ctrl_c])
@pytest.mark.parametrize("k", [1, 2])
def test_an_interrupt_before_anything_is_evaluated(k, action):
    search = search_for(Hill(action=in_fit(k, action)))
    with pytest.raises(KeyboardInterrupt):
        search.fit(X, Y)
    assert not hasattr(search, "cv_results_")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_other_handlers_of_the_signal_stay():
    seen = []
    before = signal.signal(signal.SIGINT, lambda *_: seen.append(1))
    try:
        search = search_for(Hill(action=in_fit(4, press_ctrl_c)), n_iter=3).fit(X, Y)
    finally:
        signal.signal(signal.SIGINT, before)
    assert (len(seen), len(scores(search))) == (1, 9)


def test_in_a_thread():
    searches = []
    thread = threading.Thread(target=lambda: searches.append(search_for(n_iter=3).fit(X, Y)))
    thread.start()
    thread.join()
    assert_array_equal(scores(searches[0]), scores(search_for(n_iter=3).fit(X, Y)))


class Greedy(Hill):
    """Takes a KeyboardInterrupt for its own, as scikit-learn's MLP does."""

    def fit(self, X, y, sample_weight=None):
        try:
            return super().fit(X, y)
        except KeyboardInterrupt:
            return self


def test_ctrl_c_passes_estimators_that_would_keep_it():
    search = search_for(Greedy(action=in_fit(7, press_ctrl_c)), n_iter=5)
    with pytest.warns(UserWarning, match="interrupted by user; the 3 candidates"):
        search.fit(X, Y)
    greedy = GridSearchCV(Greedy(action=in_fit(7, press_ctrl_c)), {"rate": [1, 2, 3, 4]}, cv=2)
    assert len(scores(greedy.fit(X, Y))) == 4  # so it would be without


@unconverged
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("nested", [False, True])
def test_a_network_in_a_search_lets_an_interrupt_pass(nested, solver):
    """In the second epoch of the fourth of the fits, of which each candidate has two."""
    net = MLPClassifier((4,), solver=solver, max_iter=3, random_state=0)
    model = make_pipeline(StandardScaler(), net) if nested else net
    space = {"mlpclassifier__alpha" if nested else "alpha": loguniform(1e-3, 1)}
    recorder = Recorder("epoch", 3 * 3 + 2, interrupt)
    search = search_for(model, space, n_iter=3).set_callbacks(recorder)
    with pytest.warns(UserWarning, match="Search interrupted by user; the 1 candidates") as record:
        search.fit(X, Y)
    assert len([w for w in record if w.category is not ConvergenceWarning]) == 1

    grid = GridSearchCV(model, {name: [1, 2, 3] for name in space}, cv=2)
    with pytest.raises(KeyboardInterrupt):
        grid.set_callbacks(Recorder("epoch", 3 * 3 + 2, interrupt)).fit(X, Y)


@unconverged
def test_an_interrupt_of_the_refit_keeps_the_search_and_what_the_network_has_learned():
    net = make_pipeline(StandardScaler(), MLPClassifier((4,), max_iter=3, random_state=0))
    space = {"mlpclassifier__alpha": loguniform(1e-3, 1)}
    recorder = Recorder("epoch", 3 * 2 * 2 + 2, interrupt)
    search = search_for(net, space, n_iter=2, n_rounds=1).set_callbacks(recorder)
    with pytest.raises(KeyboardInterrupt):
        search.fit(X, Y)
    assert search.best_estimator_[-1].n_iter_ == 2
    assert search.predict(X).shape == Y.shape
    assert len(scores(search)) == 2
    assert search.best_params_ == search.cv_results_["params"][np.argmax(scores(search))]


@unconverged
def test_an_interrupt_of_a_pipeline_keeps_what_the_network_has_learned():
    net = make_pipeline(StandardScaler(), MLPClassifier((4,), max_iter=9, random_state=0))
    with pytest.raises(KeyboardInterrupt):
        net.set_callbacks(Recorder("epoch", 4, interrupt)).fit(X, Y)
    assert net[-1].n_iter_ == 4
    assert net.score(X, Y) > 0.3


SCRIPT = """
    import os, sys, warnings
    import numpy as np
    from scipy.stats import loguniform
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.preprocessing import FunctionTransformer
    from skdnn import MLPRegressor
    from skdnn.model_selection import CoarseToFineSearchCV

    def identity(x):
        return x

    class Slow(MLPRegressor):
        def fit(self, X, y):
            os.write(1, b"fit\\n")
            return super().fit(X, y)

    if __name__ == "__main__":
        warnings.simplefilter("ignore")
        X = np.random.default_rng(0).normal(size=(2000, 5))
        model = TransformedTargetRegressor(
            Slow(hidden_layer_sizes=(16,), max_iter=8, tol=0, batch_size=20, random_state=0),
            func=identity,
            inverse_func=identity, check_inverse=False,
        )
        search = CoarseToFineSearchCV(
            model, {"regressor__alpha": loguniform(1e-3, 1)}, n_iter=40, cv=2, random_state=0,
            n_jobs=int(sys.argv[1]),
        )
        warnings.filterwarnings("always", message="Search interrupted")
        search.fit(X, X[:, 0])
        results = search.cv_results_
        print("kept", len(results["params"]), np.isfinite(results["mean_test_score"]).all(),
              search.predict(X).shape, flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("n_jobs, whole_group", [(1, False), (2, False), (2, True)])
def test_ctrl_c_in_a_terminal(tmp_path, n_jobs, whole_group):
    """A real signal: to the process alone, or to its workers too, as a terminal sends it."""
    script = tmp_path / "search.py"
    script.write_text(textwrap.dedent(SCRIPT))
    command = [sys.executable, str(script), str(n_jobs)]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    ) as process:
        n_group = 2 * (2 * n_jobs if n_jobs > 1 else 1)  # fits, of two folds each
        first = [process.stdout.readline() for _ in range(2 * n_group + 1)]
        send = os.killpg if whole_group else os.kill
        send(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert first == ["fit\n"] * len(first)
    assert process.returncode == 0, err
    kept = out.splitlines()[-1].split()
    assert kept[0] == "kept"
    assert 1 <= int(kept[1]) < 40
    assert kept[2] == "True"
    assert "Search interrupted by user" in err
