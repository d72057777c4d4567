"""Edges of the bins of one column: by quantiles, or by the splits of a decision tree."""

from typing import Any

import numpy as np
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from skdnn.preprocessing.statistics import is_flat, present, quantiles


def quantile_edges(x: np.ndarray, n_bins: int, weight: np.ndarray | None = None) -> np.ndarray:
    """Return edges between which lie about equally many numbers.

    Parameters
    ----------
    x : ndarray of shape (n,)
        Numbers; NaN is missing.
    n_bins : int
        Bins at most.
    weight : ndarray of shape (n,) or None
        Weights.

    Returns
    -------
    ndarray of shape (n_edges,)
        Increasing edges, from the smallest number to the largest; the numbers themselves if there
        are no more of them than edges; at most one edge if all numbers are the same.

    Examples
    --------
    >>> quantile_edges(np.arange(101.0), 4)
    array([  0.,  25.,  50.,  75., 100.])
    >>> quantile_edges(np.array([1.0, 7.0, 1.0, 2.0]), 4)
    array([1., 2., 7.])
    """
    x, weight = present(x, weight)
    values = np.unique(x)
    if len(values) > n_bins + 1:
        inner = quantiles(x, np.arange(1, n_bins) / n_bins, weight)
        values = np.concatenate([values[:1], inner, values[-1:]])
    return distinct(values)


def tree_edges(
    x: np.ndarray, n_bins: int, weight: np.ndarray | None, y: np.ndarray, tree: Any
) -> np.ndarray:
    """Return the thresholds at which a tree splits one column, between its extremes.

    Parameters
    ----------
    x, n_bins, weight
        See `quantile_edges`.
    y : ndarray of shape (n,) or (n, n_outputs)
        Targets.
    tree : DecisionTreeClassifier or DecisionTreeRegressor
        A tree of at most `n_bins` leaves.

    Returns
    -------
    ndarray of shape (n_edges,)
        See `quantile_edges`.

    Notes
    -----
    The tree sees ranks instead of numbers.  Its splits are the same, but trees compute in single
    precision, which cannot tell all numbers apart.
    """
    missing = np.isnan(x)
    x, weight = present(x, weight)
    values, ranks = np.unique(x, return_inverse=True)
    if len(values) > n_bins + 1:
        tree.fit(ranks[:, None], y[~missing], sample_weight=weight)
        threshold = tree.tree_.threshold[tree.tree_.children_left >= 0]
        below = np.sort(np.floor(threshold).astype(int))
        inner = values[below] / 2 + values[below + 1] / 2
        values = np.concatenate([values[:1], inner, values[-1:]])
    return distinct(values)


def make_tree(classes: bool, n_bins: int, min_samples_leaf: int) -> Any:
    """Return a decision tree for classes or for numbers."""
    cls = DecisionTreeClassifier if classes else DecisionTreeRegressor
    return cls(max_leaf_nodes=n_bins, min_samples_leaf=min_samples_leaf, random_state=0)


def distinct(edges: np.ndarray) -> np.ndarray:
    """Return sorted edges without those that are the same as the one before but for rounding."""
    kept: list[float] = []
    for edge in edges:
        if not kept or not is_flat(kept[-1], float(edge), edges.dtype):
            kept.append(float(edge))
    return np.array(kept)
