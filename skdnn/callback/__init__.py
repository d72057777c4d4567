"""Callbacks in scikit-learn's protocol, beside those of `sklearn.callback`."""

from skdnn.callback.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from skdnn.callback.progress import ProgressBar

__all__ = ["Checkpoint", "ProgressBar", "load_checkpoint", "save_checkpoint"]
