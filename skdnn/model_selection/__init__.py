"""Searches for hyperparameters: where to look, and looking from coarse to fine."""

from skdnn.model_selection.coarse_to_fine import CoarseToFineSearchCV
from skdnn.model_selection.spaces import layers, search_space

__all__ = ["CoarseToFineSearchCV", "layers", "search_space"]
