"""skdnn: deep neural networks as scikit-learn estimators."""

from typing import Any

from skdnn._version import __version__
from skdnn.callback import load_checkpoint, save_checkpoint
from skdnn.estimators import MLPClassifier, MLPRegressor

__all__ = [
    "MLPClassifier",
    "MLPRegressor",
    "__version__",
    "load_checkpoint",
    "save_checkpoint",
    "show_versions",
]


def __getattr__(name: str) -> Any:
    if name == "show_versions":  # it needs pandas, which takes longer to import than all the rest
        from skdnn.versions import show_versions

        return show_versions
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
