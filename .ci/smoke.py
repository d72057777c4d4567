"""Use an installed skdnn a little: every module imports without extras; fit, predict, search."""

import importlib
import pickle
import pkgutil
import sys
import sysconfig
from pathlib import Path

import numpy as np
from scipy.stats import loguniform

import skdnn
from skdnn.model_selection import CoarseToFineSearchCV

SOURCE = Path(__file__).parents[1]
INSTALLED = Path(skdnn.__file__).parent


def import_every_module():
    """Import every module; return how many there are."""
    modules = list(pkgutil.walk_packages(skdnn.__path__, "skdnn."))
    for module in modules:
        importlib.import_module(module.name)
    return len(modules)


def check_lock():
    """See that no module has switched on the lock that a free-threaded Python does without."""
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        assert not sys._is_gil_enabled()


def fit_and_predict():
    """Fit both estimators and a search, and compare a pickled copy's predictions."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4))
    y = np.sin(2 * X[:, 0]) + X[:, 1]
    settings = {
        "hidden_layer_sizes": (32,),
        "learning_rate": "cosine",
        "learning_rate_init": 0.01,
        "random_state": 0,
    }
    classifier = skdnn.MLPClassifier(dropout=0.1, batch_norm=True, **settings)
    regressor = skdnn.MLPRegressor(**settings)
    space = {"alpha": loguniform(1e-5, 1e-2), "activation": ["relu", "tanh"]}
    options = {"n_rounds": 2, "n_iter": 2, "cv": 2, "n_jobs": 2, "random_state": 0}
    search = CoarseToFineSearchCV(regressor, space, **options)
    for model, target in ((classifier, y > 0), (regressor, y), (search, y)):
        model.fit(X, target)
        assert model.score(X, target) > 0.5, (model, model.score(X, target))
        copy = pickle.loads(pickle.dumps(model))
        np.testing.assert_array_equal(copy.predict(X), model.predict(X))


if __name__ == "__main__":
    assert SOURCE not in INSTALLED.parents or "site-packages" in INSTALLED.parts, INSTALLED
    assert (INSTALLED / "py.typed").exists()
    skdnn.show_versions()
    print(f"{import_every_module()} modules of {INSTALLED} import")
    check_lock()
    fit_and_predict()
    print("fit, predict, search and pickle work")
