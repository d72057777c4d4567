"""What the network is asked to predict: one final class a task.

A target turns the user's ``y`` into the array ``T`` that a loss wants, and raw scores ``S``
back into what the user expects.  ``encode(y)`` is the part of it that takes time, done once in a
fit: the codes of labels, or numbers; ``wanted(T, dtype)`` gives them the form that the loss wants,
numbers in the scale of training.

``objective(loss, values)`` makes the loss of the hyperparameter `loss` for this task, with
those of the `values` of hyperparameters that it has; ``loss`` is the one that the network was
trained with last, through which a target predicts.

``stratifies`` says whether a validation split keeps the shares
of the classes.  ``rescales`` says whether the last layer of a trained network has to be rescaled to
predict in the units of y.  ``lacks_classes(T)`` says whether T lacks a class, so that metrics may
not be defined.
"""

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from scipy import sparse
from sklearn.metrics import r2_score

from skdnn.engine.losses import (
    ONE_OF_K_LOSSES,
    REGRESSION_LOSSES,
    YES_NO_LOSSES,
    Loss,
    PerOutput,
    SquaredError,
    get_loss,
)
from skdnn.engine.network import Network
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
from skdnn.estimators.spread import SPREADS


def all_finite(S: np.ndarray) -> bool:
    """Whether there is neither nan nor infinity, in one fast pass as a rule."""
    return math.isfinite(np.vdot(S, S)) or bool(np.isfinite(S).all())


def as_doubles(S: np.ndarray) -> np.ndarray:
    """Scores in float64, so that probabilities add up to one as closely as users compare.

    Infinite ones become the largest numbers there are, and nan, which says nothing, zero.
    """
    S = S.astype(np.float64, copy=False)
    return S if all_finite(S) else np.nan_to_num(S)


BLOCK_ROWS = 2**14  # rows


def by_blocks(f, S: np.ndarray, n_columns: int) -> np.ndarray:
    """Fill P with f(S, P) in float64, some rows at a time so that scratch stays small."""
    P = np.empty((len(S), n_columns))
    for start in range(0, len(S), BLOCK_ROWS):
        rows = slice(start, start + BLOCK_ROWS)
        f(as_doubles(S[rows]), P[rows])
    return P


def loss_of_labels(loss: Any, table: dict[str, Loss], values: dict[str, Any], link: str) -> Loss:
    """Return the loss of a task on labels, or refuse one that is for other labels."""
    made = get_loss(loss, table, values)
    if made.out_activation not in (link, "identity"):
        raise ValueError(
            f"loss={loss!r} has the output activation {made.out_activation!r}. For y as it is, it "
            f"must be {link!r} or 'identity': 'logistic' is for two classes and for labels that "
            "may each apply, 'softmax' for one of several classes."
        )
    return made


def one_of_k_probabilities(loss: Loss, S: np.ndarray) -> np.ndarray:
    """Return the probabilities of K classes, of shape (m, K)."""
    return by_blocks(loss.predict, S, S.shape[1])


@dataclass
class BinaryTarget:
    """Two classes, one score: positive for the second class."""

    classes: np.ndarray
    loss: Loss = YES_NO_LOSSES["log_loss"]
    n_scores: ClassVar[int] = 1
    stratifies: ClassVar[bool] = True
    rescales: ClassVar[bool] = False

    def encode(self, y, strict=True):
        return encode(y, self.classes, strict)

    def wanted(self, Y, dtype):
        return Y.astype(dtype)[:, None]

    def lacks_classes(self, Y):
        return lacks_classes(Y, 2)

    def class_weights(self, class_weight, Y, weight):
        return [weights_of_classes(class_weight, self.classes, Y, weight)]

    def objective(self, loss, values):
        return loss_of_labels(loss, YES_NO_LOSSES, values, "logistic")

    def codes(self, S):
        return (S[:, 0] > 0).astype(int)

    def labels(self, S):
        return self.classes[self.codes(S)]

    def decision(self, S):
        return S[:, 0]

    def probabilities(self, S):
        def both(s, P):
            self.loss.predict(s, P[:, 1:])
            self.loss.complement(s, P[:, :1])

        return by_blocks(both, S, 2)

    def score(self, S, Y, weight):
        return share_right(Y, self.codes(S), weight)


@dataclass
class MulticlassTarget:
    """One of K classes, one score a class."""

    classes: np.ndarray
    loss: Loss = ONE_OF_K_LOSSES["log_loss"]
    stratifies: ClassVar[bool] = True
    rescales: ClassVar[bool] = False

    @property
    def n_scores(self):
        return len(self.classes)

    def encode(self, y, strict=True):
        return encode(y, self.classes, strict)

    def wanted(self, Y, dtype):
        return Y

    def lacks_classes(self, Y):
        return lacks_classes(Y, self.n_scores)

    def class_weights(self, class_weight, Y, weight):
        return [weights_of_classes(class_weight, self.classes, Y, weight)]

    def objective(self, loss, values):
        return loss_of_labels(loss, ONE_OF_K_LOSSES, values, "softmax")

    def codes(self, S):
        return S.argmax(axis=1)

    def labels(self, S):
        return self.classes[self.codes(S)]

    def decision(self, S):
        return S

    def probabilities(self, S):
        return one_of_k_probabilities(self.loss, S)

    def score(self, S, Y, weight):
        return share_right(Y, self.codes(S), weight)


@dataclass
class MultilabelTarget:
    """Any of K labels, one score a label; ``sparse`` if y came as a sparse matrix.

    A code is whether a label is there.
    """

    classes: np.ndarray
    sparse: bool = False
    loss: Loss = YES_NO_LOSSES["log_loss"]
    stratifies: ClassVar[bool] = False
    rescales: ClassVar[bool] = False

    @property
    def n_scores(self):
        return len(self.classes)

    def encode(self, y, strict=True):
        if y.ndim != 2 or y.shape[1] != self.n_scores:
            raise ValueError(f"`y` must have {self.n_scores} labels. Got shape {y.shape}.")
        if not zeros_and_ones(y):
            raise ValueError("`y` must be an indicator matrix of zeros and ones, as before.")
        return dense(y).astype(bool)

    def wanted(self, Y, dtype):
        return Y.astype(dtype)

    def lacks_classes(self, Y):
        return any(lacks_classes(column, 2) for column in Y.T)

    def class_weights(self, class_weight, Y, weight):
        yes_or_no = [np.arange(2)] * self.n_scores
        return weights_by_column(class_weight, yes_or_no, Y.astype(int), weight)

    def objective(self, loss, values):
        return loss_of_labels(loss, YES_NO_LOSSES, values, "logistic")

    def codes(self, S):
        return S > 0

    def labels(self, S):
        Y = self.codes(S).astype(int)
        return sparse.csr_matrix(Y) if self.sparse else Y

    def decision(self, S):
        return S

    def probabilities(self, S):
        return by_blocks(self.loss.predict, S, S.shape[1])

    def score(self, S, Y, weight):
        return share_right(Y, self.codes(S), weight)


@dataclass
class MultioutputTarget:
    """Several labels, each one of several classes: a block of scores a label."""

    outputs: list[MulticlassTarget]
    loss: Any = None
    stratifies: ClassVar[bool] = False
    rescales: ClassVar[bool] = False

    @property
    def classes(self):
        return [output.classes for output in self.outputs]

    @property
    def n_scores(self):
        return sum(output.n_scores for output in self.outputs)

    def encode(self, y, strict=True):
        if y.ndim != 2 or y.shape[1] != len(self.outputs):
            raise ValueError(f"`y` must have {len(self.outputs)} columns. Got shape {y.shape}.")
        columns = zip(self.outputs, dense(y).T, strict=True)
        return np.column_stack([output.encode(y_j, strict) for output, y_j in columns])

    def wanted(self, Y, dtype):
        return Y

    def lacks_classes(self, Y):
        columns = zip(self.outputs, Y.T, strict=True)
        return any(output.lacks_classes(column) for output, column in columns)

    def class_weights(self, class_weight, Y, weight):
        return weights_by_column(class_weight, self.classes, Y, weight)

    def objective(self, loss, values):
        sizes = tuple(output.n_scores for output in self.outputs)
        return PerOutput(self.outputs[0].objective(loss, values), sizes)

    def _blocks(self, S):
        return np.split(S, np.cumsum([o.n_scores for o in self.outputs])[:-1], axis=1)

    def _each(self, method, S):
        blocks = zip(self.outputs, self._blocks(S), strict=True)
        return [getattr(output, method)(block) for output, block in blocks]

    def codes(self, S):
        return np.column_stack(self._each("codes", S))

    def labels(self, S):
        columns = self._each("labels", S)
        if len({column.dtype.kind in "OSU" for column in columns}) == 2:  # text beside numbers
            columns = [column.astype(object) for column in columns]
        return np.column_stack(columns)

    def decision(self, S):
        return self._each("decision", S)

    def probabilities(self, S):
        return [one_of_k_probabilities(self.loss.loss, block) for block in self._blocks(S)]

    def score(self, S, Y, weight):
        return share_right(Y, self.codes(S), weight)


def lacks_classes(codes, n_classes: int) -> bool:
    """Whether a class has no row, or there is only one class."""
    return n_classes == 1 or len(np.unique(codes)) < n_classes


def share_right(Y, predicted, weight=None) -> float:
    """Return the share of the rows of which every code is right."""
    right = (predicted == Y).reshape(len(Y), -1).all(axis=1)
    return float(np.average(right, weights=weight))


def classification_target(y, classes=None):
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


def _multioutput_target(y, classes: list | None):
    if classes is not None and len(classes) != y.shape[1]:
        raise ValueError(
            f"`classes` must be a list of the classes of each of the {y.shape[1]} columns of `y`. "
            f"Got {len(classes)}."
        )
    columns = map(distinct, y.T) if classes is None else map(distinct_named, classes)
    return MultioutputTarget([MulticlassTarget(each) for each in columns])


@dataclass
class RegressionTarget:
    """k numbers, standardised for training: Y = (y - centre) / scale.

    ``rescale`` writes the scale into the last layer, so that the network's scores are those of
    y itself.  ``standardised_by`` names what centre and scale are; None if y is left as it is.
    """

    centre: np.ndarray
    scale: np.ndarray
    standardised_by: str | None
    loss: Loss = SquaredError()
    stratifies: ClassVar[bool] = False

    @classmethod
    def of(cls, y, standardised_by):
        """Return the target for the columns of y, whose scale is not measured yet."""
        k = 1 if y.ndim == 1 else y.shape[1]
        return cls(np.zeros(k), np.ones(k), standardised_by)

    def measured(self, y, weight):
        """Return the target with centre and scale of the columns of y."""
        if self.standardised_by is None:
            return self
        centre, scale = SPREADS[self.standardised_by](self.encode(y), weight)
        return replace(self, centre=centre, scale=scale)

    @property
    def n_scores(self):
        return len(self.centre)

    def objective(self, loss, values):
        return get_loss(loss, REGRESSION_LOSSES, values)

    def encode(self, y):
        Y = y.reshape(len(y), -1)
        if Y.shape[1] != self.n_scores:
            raise ValueError(f"`y` must have {self.n_scores} outputs. Got {Y.shape[1]}.")
        return Y.astype(np.float64, copy=False)

    def wanted(self, Y, dtype):
        return ((Y - self.centre) / self.scale).astype(dtype)

    def lacks_classes(self, Y):
        return False

    def rescale(self, network: Network) -> None:
        """Let the last layer predict y: W ← W scale, b ← b scale + centre."""
        network.output_layer.rescale_outputs(self.scale, self.centre)

    def unscale(self, network: Network) -> None:
        """Undo `rescale`, to train on."""
        network.output_layer.unscale_outputs(self.scale, self.centre)

    @property
    def rescales(self) -> bool:
        """Whether rescaling changes anything."""
        return bool(np.any(self.centre != 0) or np.any(self.scale != 1))

    def predict(self, S):
        """Return the prediction that belongs to the scores of a rescaled network."""
        return self.loss.predict(S)

    def score(self, S, y, weight):
        predicted = self.predict(S * self.scale + self.centre)
        if not np.isfinite(predicted).all():
            return np.nan
        return r2_score(y, predicted, sample_weight=weight)
