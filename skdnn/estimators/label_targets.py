"""Targets that are class labels: one final class a task."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from scipy import sparse

from skdnn.engine.arrays import Array
from skdnn.engine.losses import ONE_OF_K_LOSSES, YES_NO_LOSSES, Loss, PerOutput, get_loss
from skdnn.estimators.labels import (
    as_text,
    dense,
    distinct,
    distinct_named,
    encode,
    weights_by_column,
    weights_of_classes,
    zeros_and_ones,
)
from skdnn.estimators.targets import Target, as_doubles

BLOCK_ROWS = 2**14  # rows


def by_blocks(f: Callable[[Array, Array], Any], S: Array, n_columns: int) -> Array:
    """Fill P with f(S, P) in float64, some rows at a time so that scratch stays small."""
    P = np.empty((len(S), n_columns))
    for start in range(0, len(S), BLOCK_ROWS):
        rows = slice(start, start + BLOCK_ROWS)
        f(as_doubles(S[rows]), P[rows])
    return P


def loss_of_labels(loss: Any, table: Mapping[str, Loss], values: dict[str, Any], link: str) -> Loss:
    """Return the loss of a task on labels, or refuse one that is for other labels."""
    made = get_loss(loss, table, values)
    if made.out_activation not in (link, "identity"):
        raise ValueError(
            f"loss={loss!r} has the output activation {made.out_activation!r}. For y as it is, it "
            f"must be {link!r} or 'identity': 'logistic' is for two classes and for labels that "
            "may each apply, 'softmax' for one of several classes."
        )
    return made


def one_of_k_probabilities(loss: Loss, S: Array) -> Array:
    """Return the probabilities of K classes, of shape (m, K)."""
    return by_blocks(loss.predict, S, S.shape[1])


class LabelTarget(Target, Protocol):
    """A target that is one class label or several.

    Attributes
    ----------
    classes : ndarray or list of ndarray
        The classes, sorted; a list, one array a column, if y has several columns of classes.
    """

    classes: Any

    def class_weights(self, class_weight: Any, T: Array, weight: Array | None) -> list[Array]:
        """Return the weights of the classes, one array a column of labels."""

    def codes(self, S: Array) -> Array:
        """Return the codes of the labels that are predicted."""

    def labels(self, S: Array) -> Any:
        """Return the labels that are predicted."""

    def decision(self, S: Array) -> Any:
        """Return what `decision_function` does."""

    def probabilities(self, S: Array) -> Any:
        """Return what `predict_proba` does."""

    def score(self, S: Array, truth: Array, weight: Array | None) -> float:
        return share_right(truth, self.codes(S), weight)


@dataclass
class BinaryTarget(LabelTarget):
    """Two classes, one score: positive for the second class."""

    classes: Array
    loss: Loss = YES_NO_LOSSES["log_loss"]
    n_scores: ClassVar[int] = 1
    stratifies: ClassVar[bool] = True

    def encode(self, y: Any, strict: bool = True) -> Array:
        return encode(y, self.classes, strict)

    def wanted(self, T: Array, dtype: str) -> Array:
        return T.astype(dtype)[:, None]

    def lacks_classes(self, T: Array) -> bool:
        return lacks_classes(T, 2)

    def class_weights(self, class_weight: Any, T: Array, weight: Array | None) -> list[Array]:
        return [weights_of_classes(class_weight, self.classes, T, weight)]

    def objective(self, loss: Any, values: dict[str, Any]) -> Loss:
        return loss_of_labels(loss, YES_NO_LOSSES, values, "logistic")

    def codes(self, S: Array) -> Array:
        return (S[:, 0] > 0).astype(int)

    def labels(self, S: Array) -> Any:
        return self.classes[self.codes(S)]

    def decision(self, S: Array) -> Any:
        return S[:, 0]

    def probabilities(self, S: Array) -> Any:
        def both(s: Array, P: Array) -> None:
            self.loss.predict(s, P[:, 1:])
            self.loss.complement(s, P[:, :1])

        return by_blocks(both, S, 2)


@dataclass
class MulticlassTarget(LabelTarget):
    """One of K classes, one score a class."""

    classes: Array
    loss: Loss = ONE_OF_K_LOSSES["log_loss"]
    stratifies: ClassVar[bool] = True

    @property
    def n_scores(self) -> int:
        return len(self.classes)

    def encode(self, y: Any, strict: bool = True) -> Array:
        return encode(y, self.classes, strict)

    def wanted(self, T: Array, dtype: str) -> Array:
        return T

    def lacks_classes(self, T: Array) -> bool:
        return lacks_classes(T, self.n_scores)

    def class_weights(self, class_weight: Any, T: Array, weight: Array | None) -> list[Array]:
        return [weights_of_classes(class_weight, self.classes, T, weight)]

    def objective(self, loss: Any, values: dict[str, Any]) -> Loss:
        return loss_of_labels(loss, ONE_OF_K_LOSSES, values, "softmax")

    def codes(self, S: Array) -> Array:
        return S.argmax(axis=1)

    def labels(self, S: Array) -> Any:
        return self.classes[self.codes(S)]

    def decision(self, S: Array) -> Any:
        return S

    def probabilities(self, S: Array) -> Any:
        return one_of_k_probabilities(self.loss, S)


@dataclass
class MultilabelTarget(LabelTarget):
    """Any of K labels, one score a label; ``sparse`` if y came as a sparse matrix.

    A code is whether a label is there.
    """

    classes: Array
    sparse: bool = False
    loss: Loss = YES_NO_LOSSES["log_loss"]

    @property
    def n_scores(self) -> int:
        return len(self.classes)

    def encode(self, y: Any, strict: bool = True) -> Array:
        if y.ndim != 2 or y.shape[1] != self.n_scores:
            raise ValueError(f"`y` must have {self.n_scores} labels. Got shape {y.shape}.")
        if not zeros_and_ones(y):
            raise ValueError("`y` must be an indicator matrix of zeros and ones, as before.")
        return dense(y).astype(bool)

    def wanted(self, T: Array, dtype: str) -> Array:
        return T.astype(dtype)

    def lacks_classes(self, T: Array) -> bool:
        return any(lacks_classes(column, 2) for column in T.T)

    def class_weights(self, class_weight: Any, T: Array, weight: Array | None) -> list[Array]:
        yes_or_no = [np.arange(2)] * self.n_scores
        return weights_by_column(class_weight, yes_or_no, T.astype(int), weight)

    def objective(self, loss: Any, values: dict[str, Any]) -> Loss:
        return loss_of_labels(loss, YES_NO_LOSSES, values, "logistic")

    def codes(self, S: Array) -> Array:
        return S > 0

    def labels(self, S: Array) -> Any:
        Y = self.codes(S).astype(int)
        return sparse.csr_matrix(Y) if self.sparse else Y

    def decision(self, S: Array) -> Any:
        return S

    def probabilities(self, S: Array) -> Any:
        return by_blocks(self.loss.predict, S, S.shape[1])


@dataclass
class MultioutputTarget(LabelTarget):
    """Several labels, each one of several classes: a block of scores a label."""

    outputs: list[MulticlassTarget]
    loss: Any = None

    @property
    def classes(self) -> list[Array]:
        return [output.classes for output in self.outputs]

    @property
    def n_scores(self) -> int:
        return sum(output.n_scores for output in self.outputs)

    def encode(self, y: Any, strict: bool = True) -> Array:
        if y.ndim != 2 or y.shape[1] != len(self.outputs):
            raise ValueError(f"`y` must have {len(self.outputs)} columns. Got shape {y.shape}.")
        columns = zip(self.outputs, dense(y).T, strict=True)
        return np.column_stack([output.encode(y_j, strict) for output, y_j in columns])

    def wanted(self, T: Array, dtype: str) -> Array:
        return T

    def lacks_classes(self, T: Array) -> bool:
        columns = zip(self.outputs, T.T, strict=True)
        return any(output.lacks_classes(column) for output, column in columns)

    def class_weights(self, class_weight: Any, T: Array, weight: Array | None) -> list[Array]:
        return weights_by_column(class_weight, self.classes, T, weight)

    def objective(self, loss: Any, values: dict[str, Any]) -> Loss:
        sizes = tuple(output.n_scores for output in self.outputs)
        return PerOutput(self.outputs[0].objective(loss, values), sizes)

    def _blocks(self, S: Array) -> list[Array]:
        return np.split(S, np.cumsum([o.n_scores for o in self.outputs])[:-1], axis=1)

    def _each(self, method: str, S: Array) -> list[Array]:
        blocks = zip(self.outputs, self._blocks(S), strict=True)
        return [getattr(output, method)(block) for output, block in blocks]

    def codes(self, S: Array) -> Array:
        return np.column_stack(self._each("codes", S))

    def labels(self, S: Array) -> Any:
        columns = self._each("labels", S)
        if len({column.dtype.kind in "OSU" for column in columns}) == 2:  # text beside numbers
            columns = [column.astype(object) for column in columns]
        return np.column_stack(columns)

    def decision(self, S: Array) -> Any:
        return self._each("decision", S)

    def probabilities(self, S: Array) -> Any:
        return [one_of_k_probabilities(self.loss.loss, block) for block in self._blocks(S)]


def lacks_classes(codes: Array, n_classes: int) -> bool:
    """Whether a class has no row, or there is only one class."""
    return n_classes == 1 or len(np.unique(codes)) < n_classes


def share_right(truth: Array, codes: Array, weight: Array | None = None) -> float:
    """Return the share of the rows of which every code is right."""
    right = (codes == truth).reshape(len(truth), -1).all(axis=1)
    return float(np.average(right, weights=weight))


def classification_target(y: Any, classes: Any = None) -> LabelTarget:
    """Return the target that `y` asks for; `classes` are all that may ever come."""
    classes = None if classes is None else list(classes)
    if classes == []:
        raise ValueError("`classes` names no class.")
    if y.ndim == 2 and y.shape[1] > 1:
        listed = classes is not None and np.ndim(classes[0]) > 0  # the classes of every column
        if listed or not zeros_and_ones(y):
            return _multioutput_target(dense(y), classes if listed or classes is None else [])
        if classes is not None and len(classes) != y.shape[1]:
            raise ValueError(f"`y` has {y.shape[1]} labels, `classes` names {len(classes)}.")
        return MultilabelTarget(np.arange(y.shape[1]), sparse.issparse(y))
    classes = as_text(distinct(y) if classes is None else distinct_named(classes))
    return BinaryTarget(classes) if len(classes) == 2 else MulticlassTarget(classes)


def _multioutput_target(y: Array, classes: list[Any] | None) -> MultioutputTarget:
    if classes is not None and len(classes) != y.shape[1]:
        raise ValueError(
            f"`classes` must be a list of the classes of each of the {y.shape[1]} columns of `y`. "
            f"Got {len(classes)}."
        )
    columns = map(distinct, y.T) if classes is None else map(distinct_named, classes)
    return MultioutputTarget([MulticlassTarget(each) for each in columns])
