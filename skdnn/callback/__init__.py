"""Callbacks that follow scikit-learn's protocol, in addition to those in `sklearn.callback`."""

from skdnn.callback.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from skdnn.callback.progress import ProgressBar

__all__ = ["Checkpoint", "ProgressBar", "load_checkpoint", "save_checkpoint"]
