"""Which rows early stopping holds out."""

import math

import numpy as np
from sklearn.model_selection import train_test_split

from skdnn.engine.arrays import Array


def part(rows: Array, labels: Array | None, fraction: float, seed: int) -> tuple[Array, Array]:
    """Return the rows to train on and the share to hold out, at random.

    If `labels` are given, as codes of the classes, both parts have the shares of the classes, as
    far as it can be: a class of one row stays in training, and so does one row of every other.

    Raises
    ------
    ValueError
        If fewer than two rows would be held out, or none be left to train on.
    """
    n_held_out = math.ceil(fraction * len(rows))
    if 0 < n_held_out < len(rows) and (labels is None or can_stratify(labels, n_held_out)):
        train, held_out = train_test_split(
            rows, test_size=fraction, random_state=seed, stratify=labels
        )
    elif n_held_out == 0 or labels is None:
        train, held_out = rows[n_held_out:], rows[:n_held_out]
    else:
        train, held_out = (rows[indices] for indices in part_evenly(labels, n_held_out, seed))
    if len(held_out) < 2 or len(train) == 0:
        raise ValueError(
            "The validation set is too small. With early_stopping=True and "
            f"validation_fraction={fraction}, {len(held_out)} of n_samples={len(rows)} rows would "
            "be held out. At least two have to be, and others have to be left to train on, one of "
            "every class. Change 'validation_fraction', enlarge the dataset, or give fit X_val and "
            "y_val."
        )
    return train, held_out


def can_stratify(labels: np.ndarray, n_held_out: int) -> bool:
    """Whether every class has rows for both sides, as `train_test_split` demands."""
    counts = np.bincount(labels)
    counts = counts[counts > 0]
    return counts.min() >= 2 and len(counts) <= min(n_held_out, len(labels) - n_held_out)


def part_evenly(labels: np.ndarray, n_held_out: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return indices to train on and to hold out if classes are too small to stratify.

    The rows of classes with two rows or more are put in the order of the classes, at random within
    each, and rows at even distances are held out.
    """
    rng = np.random.default_rng(seed)
    counts = np.bincount(labels)
    shuffled = rng.permutation(len(labels))
    among = shuffled[counts[labels[shuffled]] > 1]
    among = among[np.argsort(rng.permutation(len(counts))[labels[among]], kind="stable")]
    n, n_held_out = len(among), min(n_held_out, len(among))
    held_out = np.zeros(len(labels), dtype=bool)
    if n > 0:
        held_out[among[(np.arange(n_held_out) * n + rng.integers(n)) // n_held_out]] = True
    left = np.bincount(labels[~held_out], minlength=len(counts))
    classes, first = np.unique(labels[shuffled], return_index=True)
    held_out[shuffled[first[left[classes] == 0]]] = False  # one row of every class stays
    return shuffled[~held_out[shuffled]], shuffled[held_out[shuffled]]
