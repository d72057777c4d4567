"""scikit-learn's own tests and checks, and the same numbers where both do the same thing."""

import importlib.util
from types import ModuleType

import numpy as np
import pytest
from sklearn.datasets import load_digits, make_multilabel_classification
from sklearn.neural_network import MLPClassifier as TheirClassifier
from sklearn.neural_network import MLPRegressor as TheirRegressor
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skdnn import MLPClassifier, MLPRegressor

# scikit-learn's own tests of its MLP ------------------------------------------------------------

BOTH = ("float32", "float64")
PRIVATE = "reaches for private attributes"
DTYPE = "the parameters have the dtype that `dtype` says, not that of X"
# Test: (under which default dtype, what it fails with, why).  One that passes after all is an error.
NOT_RUN = {
    "test_fit": (BOTH, AttributeError, PRIVATE),
    "test_gradient": (BOTH, AttributeError, PRIVATE),
    "test_learning_rate_warmstart": (BOTH, AttributeError, PRIVATE),
    "test_adaptive_learning_rate": (BOTH, AttributeError, PRIVATE),
    "test_n_iter_no_change": (BOTH, AttributeError, PRIVATE),
    "test_n_iter_no_change_inf": (BOTH, AttributeError, PRIVATE),
    "test_mlp_param_dtypes[MLPClassifier-float64]": (["float32"], AssertionError, DTYPE),
    "test_mlp_param_dtypes[MLPRegressor-float64]": (["float32"], AssertionError, DTYPE),
    "test_mlp_param_dtypes[MLPClassifier-float32]": (["float64"], AssertionError, DTYPE),
    "test_mlp_param_dtypes[MLPRegressor-float32]": (["float64"], AssertionError, DTYPE),
    "test_nonfinite_params": (
        ["float32"],
        AssertionError,
        "values of X beyond float32 are refused before training",
    ),
    "test_preserve_feature_names[MLPClassifier]": (
        BOTH,
        ValueError,
        "fits a y of one class, which a classifier has to refuse",
    ),
}


def scikit_learns_tests() -> ModuleType:
    """Execute scikit-learn's test module with its import line pointing at skdnn."""
    path = importlib.util.find_spec("sklearn.neural_network.tests.test_mlp").origin
    with open(path, encoding="utf-8") as file:
        source = file.read()
    theirs = "from sklearn.neural_network import MLPClassifier, MLPRegressor"
    assert source.count(theirs) == 1
    module = ModuleType("scikit_learns_mlp_tests")
    code = compile(source.replace(theirs, "from skdnn import MLPClassifier, MLPRegressor"), path, "exec")
    exec(code, vars(module))
    return module


class ScikitLearnsTests:
    """Their tests as methods, run with `dtype` as default."""

    pytestmark = pytest.mark.filterwarnings("ignore")  # theirs do not turn warnings into errors

    @pytest.fixture(autouse=True)
    def default_dtype(self, request, monkeypatch):
        for estimator in (MLPClassifier, MLPRegressor):
            monkeypatch.setitem(estimator.__init__.__kwdefaults__, "dtype", self.dtype)
        np.random.seed(0)  # for those that leave random_state at None
        dtypes, error, reason = NOT_RUN.get(request.node.name, ((), None, ""))
        if self.dtype in dtypes:
            mark = pytest.mark.xfail(raises=error, reason=reason, strict=True)
            request.node.add_marker(mark)

    @pytest.fixture(params=[0, 42])
    def global_random_seed(self, request):
        return request.param


for name, test in vars(scikit_learns_tests()).items():
    if name.startswith("test_"):
        setattr(ScikitLearnsTests, name, staticmethod(test))


class TestFloat32(ScikitLearnsTests):
    dtype = "float32"


class TestFloat64(ScikitLearnsTests):
    dtype = "float64"
