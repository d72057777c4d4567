"""The package installs without a C compiler, and then runs on the definitions of its kernels."""

import importlib.util
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import skdnn

ROOT = Path(skdnn.__file__).parents[1]
NEEDED = ("setuptools", "Cython", "pip")
TRAIN = """
import numpy as np
from skdnn import MLPClassifier
from skdnn.engine import kernels
rng = np.random.default_rng(0)
X = rng.normal(size=(200, 4))
y = X[:, 0] > 0
model = MLPClassifier((8,), batch_norm=True, learning_rate_init=0.02, random_state=0).fit(X, y)
assert model.score(X, y) > 0.8, model.score(X, y)
print(kernels.__file__, kernels.IMPLEMENTATION)
"""


def run(command, **environment):
    return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Return a folder with the package as it installs where the compiler always fails."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing or not (ROOT / "setup.py").exists():
        pytest.skip(f"building the package needs its source and {', '.join(missing)}")
    if int(version("setuptools").split(".")[0]) < 77:
        pytest.skip("building the package needs setuptools 77")
    source = tmp_path_factory.mktemp("source") / "skdnn"
    built = shutil.ignore_patterns("*.so", "*.pyd", "_compiled.c", "__pycache__")
    shutil.copytree(ROOT / "skdnn", source / "skdnn", ignore=built)
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    target = tmp_path_factory.mktemp("site")
    install = ["install", "--no-deps", "--no-build-isolation", "--no-index", "--target"]
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *install]
    done = run([*command, str(target), str(source)], CC="false", CXX="false")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (target / "skdnn" / "__init__.py").exists()
    return target


def train(site, choice):
    """Train a little network with the installed package, away from the source tree."""
    command = [sys.executable, "-c", f"import os\nos.chdir({str(site)!r})\n{TRAIN}"]
    return run(command, PYTHONPATH=str(site), SKDNN_KERNELS=choice)


@pytest.mark.slow
def test_trains_on_the_definitions(site):
    for choice in ("auto", "numpy"):
        done = train(site, choice)
        assert done.returncode == 0, done.stderr
        place = site / "skdnn" / "engine" / "kernels" / "__init__.py"
        assert done.stdout.split() == [str(place), "numpy"]


@pytest.mark.slow
def test_asking_for_compiled_kernels_fails(site):
    done = train(site, "compiled")
    assert done.returncode != 0
    last = done.stderr.splitlines()[-1]
    assert "ModuleNotFoundError" in last
    assert "skdnn.engine.kernels._compiled" in last


@pytest.mark.slow
@pytest.mark.parametrize("choice", ["fast", "Numpy", ""])
def test_the_choices_are_named(choice):
    done = run([sys.executable, "-c", "import skdnn.engine.kernels"], SKDNN_KERNELS=choice)
    assert done.returncode != 0
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ImportError: SKDNN_KERNELS must be one of")
    assert all(name in last for name in ("auto", "compiled", "numpy", repr(choice)))
