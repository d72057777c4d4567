"""The code of the README and of every page of the documentation runs; its commands can be given."""

import ast
import importlib.util
import itertools
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
import skops.io
from dask.distributed import Client, LocalCluster
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import RandomizedSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdnn import MLPClassifier
from skdnn.engine.activations import ACTIVATIONS
from skdnn.engine.losses import REGRESSION_LOSSES
from skdnn.engine.optimizers import OPTIMIZERS
from skdnn.engine.schedules import SCHEDULES

ROOT = Path(__file__).parents[1]
PAGES = {
    page.name: page.read_text("utf-8") for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
}
TABLES = [page.read_text("utf-8") for page in ROOT.glob("benchmarks/*.md")]


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


# What a page supposes to be there before one of its blocks, by number ----------------------------


def before_pictures(names):
    """The pictures of the README are of two fitted networks and of a search."""
    X, y, net = (names[name] for name in ("X", "y", "net"))
    pipeline = make_pipeline(StandardScaler(), MLPClassifier((4,), dropout=0.1, max_iter=9))
    space = {"learning_rate_init": [0.001, 0.01], "alpha": [0.1, 1.0]}
    search = RandomizedSearchCV(MLPClassifier((4,), max_iter=3), space, n_iter=3, cv=2)
    net.fit(X, y), pipeline.fit(X, y)
    return {"pipeline": pipeline, "search": search.fit(StandardScaler().fit_transform(X), y)}


def before_resuming(names):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4))
    return {"X": X, "y": (X[:, 0] > 0).astype(int)}


def before_skops(names):
    """A file holds no callbacks but those of types that are trusted."""
    return {"net": names["net"].set_callbacks()}


def before_setting(names):
    """Weights as they might come from a file."""
    sizes = [4, 7, 5, 1]
    coefs = [np.zeros(shape) for shape in itertools.pairwise(sizes)]
    intercepts = [np.zeros(n) for n in sizes[1:]]
    net = MLPClassifier((7, 5))
    return {"net": net, "coefs": coefs, "intercepts": intercepts, "W": coefs[0] + 1}


def before_dask(names):
    X, y = load_breast_cancer(return_X_y=True)
    return {"X": X, "y": y, "search": names["search"].set_params(n_iter=2, cv=2)}


def before_chunks(names):
    X, y = before_resuming(names).values()
    scaler = StandardScaler().fit(X)
    chunks = lambda start: [(X[i : i + 5], y[i : i + 5]) for i in range(5 * start, 60, 5)]  # noqa: E731
    return {"path": Path("state"), "net": MLPClassifier(), "scaler": scaler, "chunks": chunks}


def before_trusting(names):
    """A file that somebody else has written."""
    X, y = before_resuming(names).values()
    skops.io.dump(MLPClassifier((4,), max_iter=3).fit(X, y), "net.skops")
    return {}


BEFORE = {
    ("SECURITY.md", 0): before_trusting,
    ("README.md", 1): before_pictures,
    ("resuming.md", 0): before_resuming,
    ("resuming.md", 1): before_skops,
    ("resuming.md", 2): before_setting,
    ("scaling.md", 1): before_dask,
    ("scaling.md", 4): before_chunks,
}


def imported(code):
    """Return the packages that a block imports."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module.split(".")[0]


@pytest.fixture
def local_dask(monkeypatch):
    """A cluster in this process, whatever address a client is given."""
    with LocalCluster(1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster:
        monkeypatch.setattr("dask.distributed.Client", lambda address: Client(cluster))
        yield


@pytest.fixture
def same_tables():
    """Take out of the engine's tables what a page registers in them."""
    tables = ACTIVATIONS, OPTIMIZERS, REGRESSION_LOSSES, SCHEDULES
    before = [dict(table) for table in tables]
    yield
    for table, entries in zip(tables, before, strict=True):
        table.clear()
        table.update(entries)


@pytest.mark.slow
@pytest.mark.usefixtures("same_tables")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("page", [page for page, text in PAGES.items() if blocks(text, "python")])
def test_snippets_run_one_after_the_other(page, request, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if "dask" in PAGES[page]:
        request.getfixturevalue("local_dask")
    names = {}
    for number, snippet in enumerate(blocks(PAGES[page], "python")):
        names |= BEFORE.get((page, number), lambda names: {})(names)
        if all(importlib.util.find_spec(package) for package in imported(snippet)):
            exec(compile(snippet, f"{page}, block {number}", "exec"), names)
        for line, said in re.findall(r"print\((.*)\)  # (.*)$", snippet, re.M):
            capsys.readouterr()
            exec(f"print({line})", names)
            assert said in capsys.readouterr().out


def test_the_snippets_left_out_are_those_of_other_clusters():
    packages = {
        package
        for text in PAGES.values()
        for code in blocks(text, "python")
        for package in imported(code)
    }
    missing = {package for package in packages if importlib.util.find_spec(package) is None}
    assert missing <= {"ray", "joblibspark"}


# Commands -----------------------------------------------------------------------------------------

EVERYTHING = "\n".join([*PAGES.values(), *TABLES])
SCRIPTS = sorted(
    set(re.findall(r"python3? ((?:benchmarks|examples)/\w+\.py)([^`&\n]*)", EVERYTHING))
)


@pytest.mark.parametrize("script, arguments", SCRIPTS)
def test_the_scripts_of_commands_have_these_options(script, arguments):
    code = (ROOT / script).read_text("utf-8")
    for option in re.findall(r"--[\w-]+", arguments):
        assert f'"{option}"' in code


def test_there_are_such_commands():
    assert {script.split("/")[0] for script, _ in SCRIPTS} == {"benchmarks", "examples"}


def test_what_commands_install_is_declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    named = re.findall(r"pip install [^\n]*?(?:\.|skdnn)\[([\w,]+)\]", EVERYTHING)
    assert named
    extras = {extra for group in named for extra in group.split(",")}
    assert extras <= project["optional-dependencies"].keys()


def test_the_tests_that_contributing_names_are_there():
    files = {path.stem: path for path in ROOT.glob("tests/**/test_*.py")}
    for folder, name in re.findall(
        r"`(?:(tests/[\w/]*)/)?(test_\w+)(?:\.py)?`", PAGES["CONTRIBUTING.md"]
    ):
        assert files[name].parent == ROOT / (folder or "tests/estimators"), name
