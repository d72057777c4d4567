"""What `show_versions` prints for a report of a problem."""

import importlib.util
import os
import platform
import subprocess
import sys

import numpy
import pandas
import pytest
import scipy
import sklearn
from threadpoolctl import threadpool_info, threadpool_limits

import skdnn
from skdnn.engine import kernels


def test_it_prints_the_versions_and_the_kernels(capsys):
    skdnn.show_versions()
    first, second, third, *libraries = capsys.readouterr().out.splitlines()
    assert first == f"skdnn {skdnn.__version__}, kernels: {kernels.IMPLEMENTATION}"
    assert second.startswith(f"Python {platform.python_version()} on ")
    for package in (numpy, scipy, sklearn, pandas):
        assert f"{package.__name__} {package.__version__}" in third.split(", ")
    assert len(libraries) == len(threadpool_info())


def test_it_prints_how_many_threads_blas_may_use_now(capsys):
    for n in (1, 2):
        with threadpool_limits(n, user_api="blas"):
            skdnn.show_versions()
            lines = [s for s in capsys.readouterr().out.splitlines() if s.startswith("blas: ")]
            counts = [p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas"]
        assert counts == [n] * len(lines)
        assert all(line.endswith(f", {n} threads") for line in lines)


@pytest.mark.slow
@pytest.mark.parametrize("choice", ["numpy", "auto"])
def test_it_prints_the_kernels_that_were_asked_for(choice):
    found = importlib.util.find_spec("skdnn.engine.kernels._compiled") is not None
    command = [sys.executable, "-W", "error", "-c", "import skdnn; skdnn.show_versions()"]
    environment = os.environ | {"SKDNN_KERNELS": choice}
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    expected = "compiled" if found and choice == "auto" else "numpy"
    assert run.stdout.splitlines()[0] == f"skdnn {skdnn.__version__}, kernels: {expected}"
