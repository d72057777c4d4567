"""The examples run, and show what they say they show."""

import importlib.util
import re
import signal
import subprocess
import sys
from itertools import islice
from pathlib import Path

import matplotlib.image
import numpy as np
import pyarrow.parquet as pq
import pytest

from skdnn import load_checkpoint

EXAMPLES = Path(__file__).parents[1] / "examples"

# Runs an example, and sends it a signal at the beginning of a call of a method.
KILLED = """
import os, runpy, sys
from itertools import count
from pkgutil import resolve_name

_, path, number, inside, call = sys.argv[:5]
owner, _, name = inside.rpartition(".")
owner, calls = resolve_name(owner), count(1)
method = getattr(owner, name)

def killing(*args, **kwargs):
    if next(calls) == int(call):
        os.kill(os.getpid(), int(number))
    return method(*args, **kwargs)

setattr(owner, name, killing)
sys.argv[:] = [path, *sys.argv[5:]]
runpy.run_path(path, run_name="__main__")
"""


def load(name):
    """Return an example as a module."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def is_drawn_on(image):
    """Whether the picture has lines in it, and colours besides black, grey and white."""
    rgb = image[..., :3]
    dark = rgb.max(axis=-1) < 0.3
    coloured = rgb.max(axis=-1) - rgb.min(axis=-1) > 0.3
    return dark.sum() > 1000 and coloured.sum() > 500


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory):
    """The module, and the picture that it drew of a small search."""
    return load("quickstart"), tmp_path_factory.mktemp("quickstart") / "small.png"


@pytest.mark.slow
def test_quickstart(quickstart, capsys):
    module, path = quickstart
    module.main(["--n-iter", "3", "--out", str(path)])
    printed = capsys.readouterr().out

    table = printed.split("ROC AUC on the test rows")[1]
    aucs = re.findall(r"^  (\S*MLPClassifier|HistGradient\w+), .* (0\.\d{3})$", table, re.M)
    assert [name for name, _ in aucs] == [
        "skdnn.MLPClassifier",
        "sklearn.neural_network.MLPClassifier",
        "HistGradientBoostingClassifier",
    ]
    assert all(0.6 < float(value) < 0.8 for _, value in aucs)

    assert str(path) in printed
    image = matplotlib.image.imread(path)
    height, width = image.shape[:2]
    assert height > 500
    assert width > 1.5 * height
    assert is_drawn_on(image[:, : width // 2])
    assert is_drawn_on(image[:, width // 2 :])


@pytest.mark.slow
def test_training_and_search(tmp_path, capsys):
    load("plot_training_and_search").main(["--out", str(tmp_path)])
    printed = capsys.readouterr().out
    losses = re.findall(r"validation loss (\d\.\d+), in the end (\d\.\d+)", printed)
    (lowest, last), *_ = [tuple(map(float, pair)) for pair in losses]
    assert len(losses) == 3
    assert last > 1.2 * lowest  # the plain network, by heart
    scores = [float(score) for score in re.findall(r"cross-validation (0\.\d{3})", printed)]
    assert len(scores) == 2
    assert all(score > 0.9 for score in scores)
    for name in ("training.png", "search.png"):
        assert str(tmp_path / name) in printed
        image = matplotlib.image.imread(tmp_path / name)
        height, width = image.shape[:2]
        assert width > 1.2 * height > 800
        assert is_drawn_on(image[:, : width // 2])
        assert is_drawn_on(image[:, width // 2 :])


def test_quickstart_leaves_out_what_is_known_only_after_the_call(quickstart):
    X, y = quickstart[0].load_data()
    assert X.shape == (4521, 15)
    assert not {"duration", "y"} & set(X)
    assert set(y) == {"yes", "no"}


@pytest.mark.slow
def test_gradient_flow(tmp_path, capsys):
    path = tmp_path / "gradient_flow.png"
    load("plot_gradient_flow").main(["--epochs", "5", "--out", str(tmp_path)])
    printed = capsys.readouterr().out
    scores = dict(re.findall(r"^  (.+?) +(0\.\d{3})$", printed, re.M))
    learning = {"sigmoid, batch norm", "tanh", "ReLU, He weights"}
    assert {name for name, score in scores.items() if float(score) > 0.5} == learning
    assert {name for name, score in scores.items() if float(score) < 0.2} == {
        "sigmoid",
        "ReLU, small weights",
    }
    assert str(path) in printed
    image = matplotlib.image.imread(path)
    middle = image.shape[1] // 2
    assert is_drawn_on(image[:, :middle])
    assert is_drawn_on(image[:, middle:])


@pytest.mark.slow
def test_network(tmp_path, capsys):
    load("plot_network").main(["--out", str(tmp_path)])
    printed = capsys.readouterr().out
    assert re.search(r"^Hidden 1 +64 .* 1,024 +128$", printed, re.M)
    for name in ("network", "healthy", "dead"):
        assert str(tmp_path / f"{name}.png") in printed
        assert is_drawn_on(matplotlib.image.imread(tmp_path / f"{name}.png"))


@pytest.mark.parametrize("name", ["plot_gradient_flow", "plot_network", "plot_training_and_search"])
def test_pictures_go_beside_the_example_or_to_a_folder_that_exists(name, tmp_path, capsys):
    module = load(name)
    assert module.parse_arguments([]).out == EXAMPLES
    with pytest.raises(SystemExit):
        module.main(["--out", str(tmp_path / "missing")])
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "there is no folder" in printed.err


def run(name, *arguments, killed_by=None, inside=None, call=0):
    """Run an example in a process of its own, where warnings are errors; return what it printed.

    It may be killed by a signal, at the beginning of a call of a method of `inside`.
    """
    path = EXAMPLES / f"{name}.py"
    command = [sys.executable, "-W", "error", path]
    if killed_by is not None:
        command[3:] = ["-c", KILLED, path, str(int(killed_by)), inside, str(call)]
    result = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=120)
    assert result.stderr == ""
    assert result.returncode == (-signal.SIGKILL if killed_by == signal.SIGKILL else 0)
    return result.stdout


@pytest.mark.slow
def test_search_on_dask():
    printed = run("search_on_dask", "--rows", "500", "--n-iter", "2")
    assert printed.startswith("2 Dask workers, 2 threads\n")
    assert re.findall(r"^Search, (.*): 12 fits", printed, re.M) == ["random", "coarse to fine"]
    assert len(re.findall(r"s: equal, bit for bit$", printed, re.M)) == 2


@pytest.mark.slow
def test_out_of_core_goes_on_where_it_was_killed(tmp_path):
    arguments = ["--rows", "60000", "--folder"]
    whole, parts = str(tmp_path / "whole"), str(tmp_path / "parts")
    writing = {"inside": "pyarrow.parquet:ParquetWriter.write_table", "call": 30}
    training = {"inside": "skdnn:MLPClassifier.partial_fit"}

    expected = run("out_of_core", *arguments, whole)
    run("out_of_core", *arguments, parts, killed_by=signal.SIGKILL, **writing)
    run("out_of_core", *arguments, parts, killed_by=signal.SIGKILL, **training, call=127)
    printed = run("out_of_core", *arguments, parts, killed_by=signal.SIGTERM, **training, call=13)
    assert "Resuming after chunk 120 of 196" in printed
    assert printed.endswith("Stopped after chunk 133 of 196; start it again to resume.\n")
    printed = run("out_of_core", *arguments, parts)
    assert "Resuming after chunk 133 of 196" in printed
    assert accuracies(printed) == accuracies(expected)
    assert re.search(r"^Peak memory: \d+ MB$", printed, re.M)

    a, b = (load_checkpoint(next(Path(folder).glob("*.ckpt"))) for folder in (whole, parts))
    assert a.net.loss_curve_ == b.net.loss_curve_
    for A, B in zip(a.net.coefs_, b.net.coefs_, strict=True):
        np.testing.assert_array_equal(A, B)
    np.testing.assert_array_equal(a.linear.coef_, b.linear.coef_)


def accuracies(printed):
    """Return the table of accuracies on the rows held out, after a look at it."""
    table = printed.split("Accuracy on 1,200 held-out rows\n")[1].split("\n\n")[0]
    net, linear, attainable = (float(line.split()[-1]) for line in table.splitlines())
    assert linear + 0.1 < net < attainable
    return table


def test_out_of_core_shuffles_all_rows_within_little_memory(tmp_path):
    module, n_rows, n_groups = load("out_of_core"), 2000, 100
    module.write_data(tmp_path / "data.parquet", n_rows, seed=0)
    file = pq.ParquetFile(tmp_path / "data.parquet")
    groups = range(n_groups - module.HELD_OUT_GROUPS)
    X, _ = module.read(file, groups)
    held = []
    read = module.read
    module.read = lambda file, some: held.append(len(some)) or read(file, some)

    chunks = list(islice(module.shuffled_chunks(file, groups, seed=1), 2 * len(groups)))
    first, second = (np.vstack([rows for rows, _ in chunks[i : i + 98]]) for i in (0, 98))
    for epoch in first, second:
        np.testing.assert_array_equal(np.sort(epoch[:, 0]), np.sort(X[:, 0]))
    assert np.mean(first == second) < 0.1
    assert abs(np.corrcoef(first[:, 0], X[:, 0])[0, 1]) < 0.1
    assert max(held) == module.BUFFER_GROUPS
    for start in 0, 1, 21, 97, 98, 150:
        later = module.shuffled_chunks(file, groups, seed=1, start=start)
        for (A, y), (B, z) in zip(chunks[start:], later, strict=False):
            np.testing.assert_array_equal(A, B)
            np.testing.assert_array_equal(y, z)


def test_out_of_core_has_a_bar_on_a_terminal(monkeypatch, capsys):
    module = load("out_of_core")
    for is_terminal in False, True:
        monkeypatch.setattr(sys.stdout, "isatty", lambda is_terminal=is_terminal: is_terminal)
        with module.progress_bar(8) as show:
            show(2, "loss 0.5")
        printed = capsys.readouterr().out
        assert "25%" in printed and "loss 0.5" in printed
        assert ("━" in printed) == is_terminal
