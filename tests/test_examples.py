"""The examples run, and show what they say they show."""

import importlib.util
import re
from pathlib import Path

import matplotlib.image
import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


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


def test_gradient_flow(tmp_path, capsys):
    path = tmp_path / "small.png"
    load("plot_gradient_flow").main(["--epochs", "5", "--out", str(path)])
    printed = capsys.readouterr().out
    scores = dict(re.findall(r"^  (.+?) +(0\.\d{3})$", printed, re.M))
    learning = {"sigmoid, batch norm", "tanh", "ReLU, He weights"}
    assert {name for name, score in scores.items() if float(score) > 0.5} == learning
    assert {name for name, score in scores.items() if float(score) < 0.2} == {
        "sigmoid",
        "ReLU, small weights",
    }
    image = matplotlib.image.imread(path)
    middle = image.shape[1] // 2
    assert is_drawn_on(image[:, :middle])
    assert is_drawn_on(image[:, middle:])


def test_network(tmp_path, capsys):
    load("plot_network").main(["--out", str(tmp_path)])
    printed = capsys.readouterr().out
    assert re.search(r"^Hidden 1 +64 .* 1,024 +128$", printed, re.M)
    for name in ("network", "healthy", "dead"):
        assert str(tmp_path / f"{name}.png") in printed
        assert is_drawn_on(matplotlib.image.imread(tmp_path / f"{name}.png"))
