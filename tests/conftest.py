"""Settings of the whole suite: with --doctest-modules, a second conftest would clash with it."""

import os
import signal

# Two test processes with a BLAS of two threads each on two cores wait for one another.  Set
# before numpy is loaded; the tests of the threads themselves set their own limits.
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

# A shell starts what it puts in the background with Ctrl-C ignored; the tests of Ctrl-C need it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

import numpy as np  # noqa: E402
import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

from skdnn import MLPClassifier, MLPRegressor  # noqa: E402
from skdnn.estimators import checks  # noqa: E402

collect_ignore_glob = ["data/make_*.py"]  # these need packages that the tests do without

settings.register_profile("tests", deadline=None, derandomize=True, max_examples=30, database=None)
settings.load_profile("tests")


@pytest.fixture(autouse=True)
def says_all_again():
    """A warning of an idle parameter is for once a process: in the suite, for once a test."""
    checks.forget()


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(params=[MLPClassifier, MLPRegressor])
def cls(request):
    """Both estimators, one after the other."""
    return request.param
