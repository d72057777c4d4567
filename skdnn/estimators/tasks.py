"""What an estimator makes of X, y and weights: its task, rows to train on, rows held out."""

import warnings
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from sklearn.utils.validation import check_consistent_length

from skdnn.engine.arrays import Array
from skdnn.engine.batches import Batches, Scaling
from skdnn.engine.losses import Loss
from skdnn.estimators.data import Dataset, about, check_inputs, check_weight, with_weight
from skdnn.estimators.fitted import FittedMLP
from skdnn.estimators.held_out import warn_of_other_units, without_names
from skdnn.estimators.hyperparameters import batch_rows, compute_dtype

NO_WEIGHT = "Every {} has weight zero: see `sample_weight` and `class_weight`."


class TaskMLP(FittedMLP, ABC):
    """An estimator with a task: the two estimators say which, and what y means for it."""

    _target: Any  # a `targets.Target`
    _scaling: Scaling | None  # what the columns of X go through in training

    # What the two estimators add -----------------------------------------------------

    @abstractmethod
    def _check_y(self, y: Any) -> Any:
        """Return y, validated, with a column vector flattened."""

    @abstractmethod
    def _new_target(self, data: Dataset, classes: Any) -> Any:
        """Return the `targets.Target` that y asks for."""

    @abstractmethod
    def _check_target(self, y: Any, incremental: bool) -> None:
        """Refuse a y that does not fit the target of the fitted model."""

    @abstractmethod
    def _measure_target(self, train: Dataset) -> None:
        """Learn from the training rows what the target needs to know of them."""

    @abstractmethod
    def _weigh_classes(self, train: Dataset) -> None:
        """Note the weights of the classes, balanced over the training rows."""

    @abstractmethod
    def _loss(self, target: Any) -> Loss:
        """Return the engine's loss."""

    @abstractmethod
    def _truth(self, data: Dataset) -> Any:
        """Return what the score of the target compares predictions with."""

    @abstractmethod
    def _effective_weight(self, T: Array, weight: Array | None) -> Array | None:
        """Return the weights of the rows, class weights included, or None."""

    # Data ----------------------------------------------------------------------------

    def _check_data(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        *,
        reset: bool,
        suffix: str = "",
        checker: Any = None,
    ) -> Dataset:
        """Return the validated rows; those of weight zero are left out.

        `suffix` is what the names of the parameters end with, "_val" for the rows to validate on,
        and `checker` the estimator whose features X has to have, this one if it is None.
        """
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None."
            )
        with about("X", suffix):
            given, X = X, check_inputs(self if checker is None else checker, X, reset=reset)
        with about("y", suffix):
            y = self._check_y(y)
            check_consistent_length(X, y)
        with about("sample_weight", suffix):
            dtype = compute_dtype(self)
            weight = None if sample_weight is None else check_weight(sample_weight, X, dtype)
        return with_weight(X, y, weight, given)

    def _hold_out(self, data: Dataset, given: Any, seed: int) -> tuple[Dataset, Dataset | None]:
        """Return the rows to train on and those to validate on, if any."""
        if given is not None:
            held_out = self._check_held_out(*given)
            warn_of_other_units(data, held_out)
            return data, held_out
        if not self.early_stopping:
            return data, None
        labels = data.rows_of(data.T) if self._target.stratifies else None
        return data.split(labels, self.validation_fraction, seed)

    def _check_held_out(self, X: Any, y: Any, sample_weight: Any) -> Dataset:
        if X is None or y is None:
            raise ValueError("X_val and y_val must be given together.")
        checker = without_names(self, X)
        held_out = self._check_data(
            X, y, sample_weight, reset=False, suffix="_val", checker=checker
        )
        with about("y", "_val"):
            held_out = held_out.encoded(self._target)
        if self.early_stopping and held_out.n_samples < 2:
            raise ValueError("The validation set is too small: X_val has fewer than 2 rows.")
        return held_out

    def _training_weight(self, T: Array, weight: Array | None) -> Array | None:
        """Return the effective weights in the dtype of the computations, or None."""
        weight = self._effective_weight(T, weight)
        return None if weight is None else weight.astype(compute_dtype(self), copy=False)

    def _batches(self, train: Dataset, incremental: bool = False) -> Batches:
        T, weight, rows = train.rows_of(train.T), train.rows_of(train.weight), train.rows
        dtype, weight = compute_dtype(self), self._training_weight(T, weight)
        T = self._target.wanted(T, dtype)
        if weight is not None and not weight.all():  # a class of weight zero
            used = np.flatnonzero(weight)
            if len(used) == 0:
                raise ValueError(NO_WEIGHT.format("row"))
            T, weight, rows = T[used], weight[used], used if rows is None else rows[used]
        if weight is not None and np.all(weight == 1):
            weight = None
        if not incremental:  # chunks are as large as they are
            self._warn_of_clipped_batch(len(T))
        size = batch_rows(self, len(T))
        return Batches(train.X, T, weight, size, rows=rows, dtype=dtype, scaling=self._scaling)

    def _warn_of_clipped_batch(self, n: int) -> None:
        if self.solver != "lbfgs" and not isinstance(self.batch_size, str) and self.batch_size > n:
            warnings.warn(
                "Got `batch_size` less than 1 or larger than sample size. It is going to be "
                f"clipped: batch_size={self.batch_size}, {n} samples."
            )
