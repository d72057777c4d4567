"""What a user hands in: rows to learn from."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import check_consistent_length, validate_data

from skdnn.estimators._sklearn import check_sample_weight
from skdnn.estimators.construction import compute_dtype

LARGE = 2**25  # numbers in X beyond which it is not copied to be converted


@dataclass(frozen=True)
class Sample:
    """Validated rows.

    Attributes
    ----------
    X : ndarray or csr_array of shape (n_samples, n_features)
        Inputs, in the dtype of the computations; where they are large, float64.
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        Targets, as the user gave them.
    weight : ndarray of shape (n_samples,) or None
        Weights in float64; None is all ones.
    rows : ndarray of int or None
        The rows in use; None is all of them.  X is not copied to leave some out.
    """

    X: Any
    y: np.ndarray
    weight: np.ndarray | None
    rows: np.ndarray | None = None

    @property
    def n(self) -> int:
        return self.X.shape[0] if self.rows is None else len(self.rows)

    def used(self, A):
        """Return the rows in use of an array (None stays None)."""
        return A if A is None or self.rows is None else A[self.rows]

    def among(self, wanted: np.ndarray) -> "Sample":
        """Return the sample with only the wanted rows in use."""
        if wanted.all():
            return self
        return replace(self, rows=np.flatnonzero(wanted))

    def split(self, labels, fraction: float, seed: int) -> tuple["Sample", "Sample"]:
        """Part the rows in use at random, with the shares of their `labels` kept if given."""
        rows = np.arange(self.X.shape[0]) if self.rows is None else self.rows
        train, held_out = train_test_split(
            rows, test_size=fraction, random_state=seed, stratify=labels
        )
        if len(held_out) < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of "
                "your dataset."
            )
        weight = None if self.weight is None else self.weight[held_out]
        return replace(self, rows=train), Sample(self.X[held_out], self.y[held_out], weight)


def check_inputs(estimator, X, *, reset: bool):
    """Return X in the dtype of the computations, row by row in memory, or CSR.

    A large array of doubles is left as it is: its rows are converted batch by batch.
    """
    dtype = compute_dtype(estimator)
    stays = is_large(X) and X.dtype == np.float64 != dtype
    with np.errstate(over="ignore", invalid="ignore"):  # values beyond float32 get a message
        X = validate_data(
            estimator,
            X,
            reset=reset,
            accept_sparse="csr",
            dtype=X.dtype if stays else dtype,
            order="C",
        )
    if stays:
        check_range(estimator, X, "X")
    return X


def is_large(X) -> bool:
    """Whether a copy of X costs more than it is worth."""
    return isinstance(X, np.ndarray) and X.flags.c_contiguous and X.size > LARGE


def check_range(estimator, A, name: str) -> None:
    """Refuse numbers that the dtype of the computations cannot hold."""
    dtype = np.dtype(compute_dtype(estimator))
    if max(float(A.max(initial=0)), -float(A.min(initial=0))) > float(np.finfo(dtype).max):
        raise ValueError(f"Input {name} contains infinity or a value too large for {dtype!r}.")


def check_sample(estimator, X, y, sample_weight, *, reset: bool) -> Sample:
    """Return the validated rows; those of weight zero are left out."""
    if y is None:
        name = type(estimator).__name__
        raise ValueError(f"{name} requires y to be passed, but the target y is None.")
    X = check_inputs(estimator, X, reset=reset)
    y = estimator._check_y(y)
    check_consistent_length(X, y)
    if sample_weight is None:
        return Sample(X, y, None)
    weight = check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    check_range(estimator, weight, "sample_weight")
    sample = Sample(X, y, weight).among(weight > 0)
    return replace(sample, weight=None) if np.all(sample.used(weight) == 1) else sample
