"""skdnn: deep neural networks as scikit-learn estimators."""

from skdnn._version import __version__
from skdnn.callback import load_checkpoint, save_checkpoint
from skdnn.estimators import MLPClassifier, MLPRegressor
from skdnn.versions import show_versions

__all__ = [
    "MLPClassifier",
    "MLPRegressor",
    "__version__",
    "load_checkpoint",
    "save_checkpoint",
    "show_versions",
]
