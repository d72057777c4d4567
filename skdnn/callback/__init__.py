"""Callbacks in scikit-learn's protocol, beside those of `sklearn.callback`."""

from skdnn.callback.checkpoint import Checkpoint, load_checkpoint, save_checkpoint

__all__ = ["Checkpoint", "load_checkpoint", "save_checkpoint"]
