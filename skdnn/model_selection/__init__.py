"""Hyperparameter search: search spaces, and a search from coarse to fine."""

from skdnn.model_selection.coarse_to_fine import CoarseToFineSearchCV
from skdnn.model_selection.spaces import layers, search_space

__all__ = ["CoarseToFineSearchCV", "layers", "search_space"]
