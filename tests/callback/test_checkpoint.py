"""Checkpoints: what is read back goes on as if nothing had happened, whatever did happen."""

import os
import pickle
import stat
import subprocess
import sys
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from estimator_cases import Callback, by_class, small_network
from joblib import parallel_config
from numpy.testing import assert_array_equal, assert_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from skdnn import MLPClassifier, MLPRegressor, __version__, load_checkpoint, save_checkpoint
from skdnn.callback import Checkpoint
from skdnn.engine import threads
from skdnn.engine.optimizers import OPTIMIZERS
from skdnn.engine.schedules import SCHEDULES

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 5))
X_VAL = RNG.normal(size=(30, 5))
CLASSES = (X[:, 0] + 0.5 * RNG.normal(size=90) > 0).astype(int)
CLASSES_VAL = (X_VAL[:, 0] > 0).astype(int)
NUMBERS = 1e4 + 300 * np.tanh(X[:, 0]) + 100 * X[:, 1]
NUMBERS_VAL = 1e4 + 300 * np.tanh(X_VAL[:, 0])

MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # a busy disk takes long

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    """No power fails here; `test_the_disk_is_waited_for` has it undone."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def path():
    with TemporaryDirectory(dir=MEMORY) as folder:
        yield Path(folder) / "net.ckpt"


def small(cls, **parameters):
    scaled = {"normalize_y": True} if cls is MLPRegressor else {}
    return small_network(
        cls, **{"hidden_layer_sizes": (6,), "batch_size": 25} | scaled | parameters
    )


y_for = by_class(CLASSES, NUMBERS)


def validation_for(cls):
    return {"X_val": X_VAL, "y_val": CLASSES_VAL if cls is MLPClassifier else NUMBERS_VAL}


class CutShortError(Exception):
    """The end of the process, or as good as that."""


class Recorder(Callback):
    """A callback that calls a function at the end of every epoch, with the epoch's number."""

    def __init__(self, action):
        self.action, self.epochs = action, 0

    def setup(self, estimator, context):
        self.epochs_promised = context.max_subtasks

    def on_fit_task_end(self, estimator, context):
        if context.task_name == "epoch":
            self.epochs += 1
            return self.action(self.epochs)


def stop_after(k):
    """Return a callback that cuts the run short at the end of epoch k."""

    def action(epoch):
        if epoch == k:
            raise CutShortError

    return Recorder(action)


def cut_short(model, path, k, *args, **kwargs):
    """Fit for k epochs under a checkpoint, break off, and return what is in the file."""
    model.set_callbacks(Checkpoint(path), stop_after(k))
    with pytest.raises(CutShortError):
        model.fit(*args, **kwargs)
    return load_checkpoint(path)


def fitted_attributes(model):
    """Return all numbers that a fit leaves behind but for the seconds, as plain objects."""
    public = {name for name in vars(model) if name.endswith("_")} - {"history_"}
    facts = {name: getattr(model, name) for name in public}
    facts["history"] = {k: v for k, v in model.history_.items() if k != "seconds"}
    facts["values"] = model._network.parameters.values
    facts["predictions"] = model.predict(X)
    return facts


def assert_same(model, expected):
    """Equal bit for bit, nan being equal to nan."""
    facts, expected = fitted_attributes(model), fitted_attributes(expected)
    assert facts.keys() == expected.keys()
    for name, fact in facts.items():
        assert_equal(fact, expected[name], err_msg=name)


# The same numbers ---------------------------------------------------------------------------------

CASES = (
    [{"solver": solver} for solver in OPTIMIZERS]
    + [{"learning_rate": name, "solver": "sgd"} for name in SCHEDULES]
    + [
        {"warmup": 0.5, "learning_rate": "cosine"},
        {"early_stopping": True},
        {"early_stopping": True, "scoring": "loss", "n_iter_no_change": 1},
        {"early_stopping": True, "scoring": "neg_mean_squared_error", "tol": 1.0},
        {"learning_rate": "adaptive", "tol": 1e9, "n_iter_no_change": 1},
        {"learning_rate": "adaptive", "tol": 1e9, "n_iter_no_change": 1, "max_iter": 30},
        {"batch_norm": True, "dropout": 0.3, "input_dropout": 0.1, "hidden_layer_sizes": (6, 4)},
        {"batch_norm": True, "dropout": 0.3, "early_stopping": True},
        {"dtype": "float64", "weight_decay": 0.1, "clip_norm": 0.5, "max_norm": 1.0},
        {"shuffle": False, "activation": "tanh"},
        {"hidden_layer_sizes": ()},
        {"random_state": np.random.RandomState(3)},
    ]
)


@pytest.mark.slow
@pytest.mark.parametrize("parameters", CASES, ids=", ".join)
def test_a_run_cut_short_ends_like_one_that_was_not_with_warm_start(cls, parameters, path):
    y = y_for(cls)
    whole = clone(small(cls, warm_start=True, **parameters)).fit(X, y)
    n = whole.n_iter_
    for k in {1, n // 2 + 1, n}:
        resumed = cut_short(clone(small(cls, **parameters)), path, k, X, y)
        resumed.set_params(warm_start=True).fit(X, y)
        assert_same(resumed, whole)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".* is at its end")
        assert_same(resumed.fit(X, y), whole.fit(X, y))  # … and goes on alike


@pytest.mark.parametrize("parameters", [{}, {"early_stopping": True}, {"batch_norm": True}])
def test_with_validation_data_of_ones_own(cls, parameters, path):
    y, given = y_for(cls), validation_for(cls)
    whole = small(cls, **parameters).fit(X, y, **given)
    resumed = cut_short(small(cls, **parameters), path, 3, X, y, **given)
    assert_same(resumed.set_params(warm_start=True).fit(X, y, **given), whole)
    assert len(resumed.history_["validation_score"]) == 6


def test_with_weights(path):
    weight = RNG.integers(0, 3, size=90)
    model = small(MLPClassifier, class_weight="balanced")
    whole = clone(model).fit(X, CLASSES, weight)
    resumed = cut_short(model, path, 2, X, CLASSES, weight).set_params(warm_start=True)
    assert_same(resumed.fit(X, CLASSES, weight), whole)


@pytest.mark.parametrize(
    ("cls", "y"),
    [
        (MLPClassifier, np.column_stack([CLASSES, np.arange(90) % 3])),
        (MLPClassifier, np.column_stack([CLASSES, 1 - CLASSES])),
        (MLPClassifier, np.array(["a", "b", "c"])[np.arange(90) % 3]),
        (MLPRegressor, np.column_stack([NUMBERS, 1e-3 * X[:, 2]])),
    ],
    ids=["several columns of classes", "labels", "strings", "several columns of numbers"],
)
def test_other_targets(cls, y, path):
    whole = small(cls).fit(X, y)
    resumed = cut_short(small(cls), path, 2, X, y).set_params(warm_start=True).fit(X, y)
    assert_same(resumed, whole)


@pytest.mark.parametrize("parameters", [{}, {"early_stopping": True}, {"learning_rate": "cosine"}])
def test_a_warm_started_fit_cut_short(cls, parameters, path):
    y = y_for(cls)
    models = [small(cls, warm_start=True, max_iter=4, **parameters).fit(X, y) for _ in range(2)]
    for model in models:
        model.set_params(max_iter=9)
    whole, begun = models
    whole.fit(X, y)
    resumed = cut_short(begun, path, 3, X, y).fit(X, y)
    assert_same(resumed, whole)
    assert resumed.n_iter_ == len(resumed.loss_curve_) - 4 > 3


def test_cut_short_again_and_again(cls, path):
    y = y_for(cls)
    model = small(cls, warm_start=True, max_iter=12, dropout=0.2)
    whole = clone(model).fit(X, y)
    for k in (1, 5, 2, 3):
        model = cut_short(model, path, k, X, y)
    assert model.n_iter_ == 11
    left = Recorder(lambda epoch: None)
    assert_same(model.set_callbacks(left).fit(X, y), whole)
    assert left.epochs == left.epochs_promised == 1  # a progress bar is that long


@pytest.mark.parametrize("parameters", [{}, {"dropout": 0.2, "learning_rate": "cosine"}])
def test_partial_fit_goes_on_an_epoch_a_call(cls, parameters, path):
    y = y_for(cls)
    whole = small(cls, **parameters).fit(X, y)
    resumed = cut_short(small(cls, **parameters), path, 2, X, y)
    for done in range(3, 7):
        assert resumed.partial_fit(X, y).n_iter_ == done
    assert_same(resumed, whole)
    resumed.set_params(learning_rate="constant")  # cosine is at its end
    assert resumed.partial_fit(X, y).n_iter_ == 1  # a call of its own


def test_fit_runs_what_partial_fit_has_left(cls, path):
    y = y_for(cls)
    whole = small(cls, dropout=0.2).fit(X, y)
    resumed = cut_short(small(cls, dropout=0.2), path, 2, X, y).partial_fit(X, y)
    save_checkpoint(resumed, path)
    for model in (resumed, load_checkpoint(path)):
        left = Recorder(lambda epoch: None)
        model.set_params(warm_start=True).set_callbacks(left).fit(X, y)
        assert left.epochs == left.epochs_promised == 3
        assert_same(model.set_callbacks(), whole)


def test_partial_fit_after_the_last_epoch_is_a_call_of_its_own(cls, path):
    begun = cut_short(small(cls), path, 4, X, y_for(cls)).set_params(max_iter=2)
    assert begun.partial_fit(X, y_for(cls)).n_iter_ == 1
    assert begun.set_params(warm_start=True)._epochs_left() == 2


def test_partial_fit_between_saved_calls(cls, path):
    y = y_for(cls)
    classes = {"classes": [0, 1]} if cls is MLPClassifier else {}
    straight, saved = (small(cls, dropout=0.2).partial_fit(X, y, **classes) for _ in range(2))
    for _ in range(3):
        save_checkpoint(saved, path)
        saved = load_checkpoint(path).partial_fit(X, y)
        straight.partial_fit(X, y)
    assert_same(saved, straight)


# How a run ends -----------------------------------------------------------------------------------


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("before", [1, 0])
def test_patience_ends_where_it_would_have_ended(cls, early_stopping, before, path):
    """The epoch that ends a run is written when the run is over, not as one to go on from."""
    y, parameters = y_for(cls), {"n_iter_no_change": 2, "tol": 1e9, "max_iter": 50}
    parameters["early_stopping"] = early_stopping
    whole = small(cls, **parameters).fit(X, y)
    assert 3 <= whole.n_iter_ < 50
    resumed = cut_short(small(cls, **parameters), path, whole.n_iter_ - before, X, y)
    assert resumed.n_iter_ == whole.n_iter_ - 1
    assert_same(resumed.set_params(warm_start=True).fit(X, y), whole)


@pytest.mark.parametrize("k", [1, 4, 10])
@pytest.mark.parametrize(
    ("rate", "kept"), [(1.7, "of epoch 2"), (2.2, "with which training began")]
)
def test_a_divergence_is_mended_with_what_was_before_the_cut(rate, kept, k, path):
    model = small(
        MLPRegressor, hidden_layer_sizes=(), solver="sgd", momentum=0, learning_rate_init=rate,
        batch_size=90, max_iter=12, n_iter_no_change=np.inf, init="zeros",
    )  # fmt: skip
    with pytest.warns(ConvergenceWarning, match=f"diverged in epoch [57]; the parameters {kept}"):
        whole = clone(model).fit(X, NUMBERS)
    resumed = cut_short(model, path, k, X, NUMBERS).set_params(warm_start=True)
    with pytest.warns(ConvergenceWarning, match=f"diverged in epoch [57]; the parameters {kept}"):
        resumed.fit(X, NUMBERS)
    assert_same(resumed, whole)


@pytest.mark.parametrize("warm_start", [False, True])
def test_a_finished_run_has_nothing_left_for_warm_start(cls, warm_start, path):
    y = y_for(cls)
    whole = small(cls, warm_start=True).fit(X, y)
    small(cls, warm_start=warm_start).set_callbacks(Checkpoint(path)).fit(X, y)
    finished = load_checkpoint(path)
    assert_same(finished, whole)
    assert_same(finished.set_params(warm_start=True).fit(X, y), whole.fit(X, y))
    assert len(whole.loss_curve_) == 12


def test_a_run_ended_on_purpose_has_nothing_left_for_warm_start(cls, path):
    model = small(cls).set_callbacks(Checkpoint(path), Recorder(lambda epoch: epoch == 2))
    model.fit(X, y_for(cls))
    ended = load_checkpoint(path).set_params(warm_start=True)
    assert ended.n_iter_ == 2
    assert ended.fit(X, y_for(cls)).n_iter_ == 6
    assert len(ended.loss_curve_) == 8


def test_the_script_of_the_docs_runs_what_ctrl_c_has_left(path, monkeypatch):
    page = Path(__file__).parents[2] / "docs" / "resuming.md"
    script = page.read_text("utf-8").split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(path.parent)
    fit = MLPClassifier.fit

    def interrupt(epoch):
        if epoch == 3:
            raise KeyboardInterrupt

    def interrupted(net, X, y):
        return fit(net.set_callbacks(*net._skl_callbacks, Recorder(interrupt)), X, y)

    with monkeypatch.context() as patch:
        patch.setattr(MLPClassifier, "fit", interrupted)
        with pytest.raises(KeyboardInterrupt):
            exec(script, {"X": X, "y": CLASSES})
    assert load_checkpoint(path).n_iter_ == 1  # the next would have been written after 60 seconds
    exec(script, {"X": X, "y": CLASSES})
    whole = MLPClassifier(max_iter=1000, random_state=0).fit(X, CLASSES)
    assert_same(load_checkpoint(path), whole)


def test_without_warm_start_a_fit_begins_anew(cls, path):
    whole = small(cls).fit(X, y_for(cls))
    begun = cut_short(small(cls), path, 3, X, y_for(cls))
    with pytest.warns(UserWarning, match="cut short after 3 epochs is dropped.*warm_start=True"):
        begun.fit(X, y_for(cls))
    assert_same(begun, whole)
    assert_same(begun.fit(X, y_for(cls)), whole)  # without a word: that had come to its end


def test_fewer_epochs_than_are_done_are_none(cls, path):
    begun = cut_short(small(cls), path, 4, X, y_for(cls)).set_params(warm_start=True, max_iter=2)
    assert_same(begun.fit(X, y_for(cls)), load_checkpoint(path).set_params(max_iter=2))


def test_the_warning_tells_how_many_epochs_are_done(cls, path):
    begun = cut_short(small(cls), path, 5, X, y_for(cls)).set_params(warm_start=True, max_iter=3)
    with pytest.warns(ConvergenceWarning, match=r"iterations \(3\) exceeded before, by 5, and"):
        begun.fit(X, y_for(cls))
    begun = load_checkpoint(path).set_params(warm_start=True)
    with pytest.warns(ConvergenceWarning, match=r"iterations \(6\) reached and"):
        begun.fit(X, y_for(cls))


@pytest.mark.parametrize("max_iter", [3, 5])
def test_lbfgs_with_no_epoch_left(cls, max_iter, path):
    y, parameters = y_for(cls), {"solver": "lbfgs", "batch_size": "auto", "max_iter": 20}
    begun = cut_short(small(cls, **parameters), path, 5, X, y)
    begun.set_params(warm_start=True, max_iter=max_iter).set_callbacks(Checkpoint(path))
    with pytest.warns(ConvergenceWarning, match=f"5 iteration.*max_iter={max_iter} leaves none"):
        begun.fit(X, y)
    expected = small(cls, **parameters | {"max_iter": 5}).fit(X, y)
    assert_same(begun, expected)
    assert_same(load_checkpoint(path), expected)


def test_lbfgs_goes_on_from_its_parameters(cls, path):
    y, parameters = y_for(cls), {"solver": "lbfgs", "batch_size": "auto", "max_iter": 12}
    whole = small(cls, **parameters).fit(X, y)
    begun = cut_short(small(cls, **parameters), path, 5, X, y)
    assert begun.loss_curve_ == whole.loss_curve_[:5]
    resumed = begun.set_params(warm_start=True).fit(X, y)
    assert resumed.n_iter_ == len(resumed.loss_curve_) == 12
    assert resumed.loss_ < begun.loss_curve_[4]


def test_a_failed_partial_fit_is_not_taken_for_a_run_cut_short(monkeypatch):
    model = small(MLPRegressor, warm_start=True).fit(X, NUMBERS)
    model.set_params(learning_rate_init=1e30)
    model._run.best.values = None
    with pytest.raises(ValueError, match="non-finite"):
        model.partial_fit(X, NUMBERS)
    assert model._epochs_left() == 6


# What is in the file ------------------------------------------------------------------------------


@pytest.mark.parametrize("parameters", [{}, {"early_stopping": True}, {"solver": "lbfgs"}], ids=str)
def test_an_epoch_is_written_as_a_fit_that_ended_there(cls, parameters, path):
    parameters = {"batch_size": "auto"} | parameters
    begun = cut_short(small(cls, **parameters), path, 3, X, y_for(cls))
    assert_same(begun, small(cls, **parameters | {"max_iter": 3}).fit(X, y_for(cls)))


def test_all_attributes_but_callbacks_are_those_of_a_fit(cls, path):
    expected = vars(small(cls, warm_start=True).fit(X, y_for(cls))).keys()
    pipeline = make_pipeline(StandardScaler(), small(cls, warm_start=True))
    assert vars(cut_short(pipeline[-1], path, 3, X, y_for(cls))).keys() == expected
    pipeline[-1].set_callbacks(Checkpoint(path), stop_after(2))
    with pytest.raises(CutShortError):
        pipeline.fit(X, y_for(cls))
    assert vars(load_checkpoint(path)).keys() == expected


def test_a_file_is_no_larger_than_its_vectors(path):
    """Those are the parameters, the best, those of the start, and the two moments of adam."""
    model = small(MLPClassifier, hidden_layer_sizes=(300, 300), batch_size="auto")
    many = np.tile(X, (200, 1))
    begun = cut_short(model, path, 2, many, np.tile(CLASSES, 200))
    assert path.stat().st_size < 5 * begun._network.parameters.values.nbytes + 10_000
    assert np.shares_memory(begun.coefs_[0], begun._run.trainer.network.parameters.values)


def test_threads_are_not_in_the_file(cls, path, monkeypatch):
    monkeypatch.setattr(threads, "MIN_PARALLEL_WORK", 0)
    with threadpool_limits(2, user_api="blas"):
        whole = small(cls, dropout=0.2).fit(X, y_for(cls))
        resumed = cut_short(small(cls, dropout=0.2), path, 3, X, y_for(cls))
        assert resumed._run.trainer.workers is None
        assert_same(resumed.set_params(warm_start=True).fit(X, y_for(cls)), whole)


def test_it_is_written_at_the_interval_and_at_the_end(cls, path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    seen = []

    def look(epoch):
        now[0] += 1.0
        seen.append(load_checkpoint(path).n_iter_)

    model = small(cls).set_callbacks(Checkpoint(path, interval=3), Recorder(look))
    for _ in range(2):  # the clock of the second fit is its own
        seen.clear()
        model.fit(X, y_for(cls))
        assert seen == [1, 1, 1, 4, 4, 4]
        assert load_checkpoint(path).n_iter_ == 6


def test_a_pipeline_and_a_search_write_their_mlp(cls, path):
    net = small(cls).set_callbacks(Checkpoint(path))
    model = make_pipeline(StandardScaler(), net).fit(X, y_for(cls))
    loaded = load_checkpoint(path)
    assert_array_equal(loaded.predict(model[0].transform(X)), model.predict(X))
    with parallel_config(backend="threading"):  # two write to the same file at a time
        search = GridSearchCV(net, {"alpha": [0.1, 1.0]}, cv=2, n_jobs=2).fit(X, y_for(cls))
    assert_same(load_checkpoint(path), search.best_estimator_)  # the last of the fits
    assert [file.name for file in path.parent.iterdir()] == ["net.ckpt"]


def test_an_estimator_is_saved_without_its_callbacks(cls, path):
    net = small(cls).set_callbacks(Checkpoint(path, 60), Recorder(lambda epoch: None))
    save_checkpoint(net, path)
    assert vars(load_checkpoint(path)).keys() == vars(small(cls)).keys()
    assert len(net._skl_callbacks) == 2
    save_checkpoint({"net": small(cls), "n_done": 3}, path)
    assert load_checkpoint(path)["n_done"] == 3


def test_any_estimator_can_be_saved(path):
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, CLASSES)
    save_checkpoint(model, path)
    assert_array_equal(load_checkpoint(path).predict_proba(X), model.predict_proba(X))


# Files that cannot be read, or written ------------------------------------------------------------


def test_no_file(path):
    with pytest.raises(FileNotFoundError, match=r"net\.ckpt"):
        load_checkpoint(path)


def test_a_file_of_something_else(path):
    for content in (b"", b"skdnn", b"\x80\x05" * 500, b"# Title\n", pickle.dumps(1)):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"net\.ckpt' is not a checkpoint"):
            load_checkpoint(path)


def test_a_truncated_file(cls, path):
    save_checkpoint(small(cls).fit(X, y_for(cls)), path)
    whole = path.read_bytes()
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"net\.ckpt'"):
            load_checkpoint(path)


def test_a_file_of_another_version(cls, path):
    save_checkpoint(small(cls), path)
    other = path.read_bytes().replace(__version__.encode(), b"17.0", 1)
    path.write_bytes(other)
    with pytest.warns(UserWarning, match=rf"written by skdnn 17\.0, and this is {__version__}"):
        assert load_checkpoint(path).get_params() == small(cls).get_params()


class Unpicklable:
    def __reduce__(self):
        raise KeyboardInterrupt


def no_space(*names, **options):
    raise OSError("No space left on device")


@pytest.mark.parametrize("step", [None, "fsync", "replace"])
def test_what_cannot_be_written_leaves_the_folder_as_it_was(path, step, monkeypatch):
    save_checkpoint(1, path)
    if step is not None:
        monkeypatch.setattr(os, step, no_space)
    with pytest.raises(OSError if step else KeyboardInterrupt):
        save_checkpoint(2 if step else [np.zeros(10**6), Unpicklable()], path)
    assert [file.name for file in path.parent.iterdir()] == ["net.ckpt"]
    assert load_checkpoint(path) == 1


def test_a_full_disk_does_not_end_the_fit(cls, path, monkeypatch):
    whole = small(cls).fit(X, y_for(cls))
    seen, undisturbed = [], os.replace

    def look(epoch):
        seen.append(load_checkpoint(path).n_iter_)
        monkeypatch.setattr(os, "replace", no_space if epoch in (2, 6) else undisturbed)

    model = small(cls).set_callbacks(Checkpoint(path, 1e-9), Recorder(look))
    with pytest.warns(UserWarning, match=r"net\.ckpt' could not be .*No space left") as caught:
        assert_same(model.fit(X, y_for(cls)), whole)
    assert seen == [1, 2, 2, 4, 5, 5]
    assert load_checkpoint(path).n_iter_ == 5  # the last good one
    assert sum("could not be written" in str(warning.message) for warning in caught) == 2
    assert [file.name for file in path.parent.iterdir()] == ["net.ckpt"]


def test_the_last_epoch_is_written_once(cls, path, monkeypatch):
    names, replace = [], os.replace
    monkeypatch.setattr(os, "replace", lambda *pair: (names.append(pair[1]), replace(*pair)))
    small(cls).set_callbacks(Checkpoint(path)).fit(X, y_for(cls))
    assert names == [path.resolve()] * 6


def test_a_file_keeps_its_mode_and_its_link(path):
    link = path.with_name("link.ckpt")
    link.symlink_to(path.name)
    save_checkpoint(1, link)
    path.chmod(0o640)
    save_checkpoint(2, link)
    assert link.is_symlink()
    assert load_checkpoint(path) == load_checkpoint(link) == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_long_name_and_the_home_folder(path, monkeypatch):
    monkeypatch.setenv("HOME", str(path.parent))
    monkeypatch.setenv("USERPROFILE", str(path.parent))
    name = "n" * 250
    model = small(MLPRegressor).set_callbacks(Checkpoint(f"~/{name}")).fit(X, NUMBERS)
    assert_same(load_checkpoint(f"~/{name}"), model)
    assert [file.name for file in path.parent.iterdir()] == [name]


def test_the_disk_is_waited_for(path, monkeypatch):
    """The content is there before the name, and the name before the call is over."""
    calls, replace = [], os.replace

    def fsync(descriptor):
        calls.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", lambda *names: (calls.append("name"), replace(*names)))
    save_checkpoint(1, path)
    assert calls == ["file", "name", "folder"]


@pytest.mark.parametrize("interval", [-1, np.inf, np.nan, "1", None])
def test_bad_intervals(interval, path):
    with pytest.raises(ValueError, match="interval must be a number of seconds"):
        Checkpoint(path, interval=interval)


def test_a_folder_that_does_not_exist_is_refused_before_any_work(cls, tmp_path):
    model = small(cls).set_callbacks(Checkpoint(tmp_path / "nowhere" / "net.ckpt"))
    with pytest.raises(FileNotFoundError, match=r"The folder of path='.*net\.ckpt'"):
        model.fit(X, y_for(cls))
    assert not hasattr(model, "n_features_in_")


def test_a_path_that_cannot_be_written_is_refused_before_any_work(cls, path, monkeypatch):
    model = small(cls).set_callbacks(Checkpoint(f"{path.parent}/"))
    with pytest.raises(IsADirectoryError, match=r"^path=.* is a folder"):
        model.fit(X, y_for(cls))
    monkeypatch.setattr(Path, "touch", no_space)
    model.set_callbacks(Checkpoint(path))
    with pytest.raises(OSError, match=r"^path='.*net\.ckpt' cannot be written: No space"):
        model.fit(X, y_for(cls))
    assert not hasattr(model, "n_features_in_")


def test_what_no_pickle_holds_is_refused_before_any_work(cls, path):
    class Local(cls):
        pass

    model = small(cls, learning_rate=lambda progress: 1.0)
    for culprit, refused in {"learning_rate": model, "class": small(Local)}.items():
        with pytest.raises(TypeError, match=f"because {culprit}=.* cannot be pickled"):
            refused.set_callbacks(Checkpoint(path)).fit(X, y_for(cls))
        assert not hasattr(refused, "n_features_in_")
    assert not list(path.parent.iterdir())


def test_it_shows_what_it_was_given():
    assert repr(Checkpoint("~/net.ckpt", 60)) == "Checkpoint(path='~/net.ckpt', interval=60)"
    assert repr(Checkpoint(Path("a"))) == "Checkpoint(path='a', interval=0.0)"


def test_it_is_set_on_an_mlp(path):
    pipeline = make_pipeline(StandardScaler(), small(MLPClassifier))
    with pytest.raises(TypeError, match="set it on them, not on Pipeline"):
        pipeline.set_callbacks(Checkpoint(path)).fit(X, CLASSES)


# Killed -------------------------------------------------------------------------------------------

KILLED = """
import os, random, signal, sys, time
from pathlib import Path
import numpy as np
from sklearn.base import clone
from skdnn import MLPClassifier, load_checkpoint
from skdnn.callback import Checkpoint

os.fsync = lambda descriptor: None  # a process that is killed leaves its writes to the system
rng = np.random.default_rng(0)
X = rng.normal(size=(60, 4))
y = X[:, 0] > 0
parameters = dict(hidden_layer_sizes=(5,), dropout=0.2, learning_rate="cosine", warm_start=True)
new = MLPClassifier(max_iter=300, random_state=0, n_iter_no_change=1000, **parameters)
path = Path(sys.argv[1])

def begin():
    child = os.fork()  # all modules are there: a run of its own begins at once
    if child == 0:
        net = load_checkpoint(path) if path.exists() else new
        net.set_callbacks(Checkpoint(path)).fit(X, y)
        os._exit(0)
    return child

def check(child):
    "Return whether the run was killed; whatever is in the folder then can be read."
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) in (0, -signal.SIGKILL), status
    if path.exists():
        load_checkpoint(path).predict(X)
    return status != 0

random.seed(0)
whole, kills, chains, within = clone(new).fit(X, y), 0, 0, 0
while kills < 50:
    killed = True
    while killed:
        child = begin()
        time.sleep(random.uniform(0.0, 0.04 * 1.02**kills))  # so that it ends on any machine
        os.kill(child, signal.SIGKILL)
        killed = check(child)
        kills += killed
        within += any(path.parent.glob("*.tmp"))
        for left in path.parent.glob("*.tmp"):
            left.unlink()
        done = path.exists() and load_checkpoint(path)
        if done and done.n_iter_ == new.max_iter and not done._run.call.is_unfinished:
            break  # killed after its end
    for W, expected in zip(done.coefs_, whole.coefs_, strict=True):
        assert np.array_equal(W, expected)
    assert done.loss_curve_ == whole.loss_curve_
    assert done.best_loss_ == whole.best_loss_ and done.t_ == whole.t_
    path.unlink()
    chains += 1
print(kills, chains, within)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="starts its runs by forking")
def test_killed_at_any_moment(path):
    run = subprocess.run([sys.executable, "-c", KILLED, path], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    kills, chains, within = map(int, run.stdout.split())
    assert kills >= 50
    assert chains >= 1
    assert within >= 1  # some in the middle of writing
