"""What the network is asked to predict: one final class a task.

A target turns the user's ``y`` into the array ``Y`` that a loss wants, and raw scores ``S``
back into what the user expects.  ``stratifies`` says whether a validation split keeps the
shares of the classes, ``folds`` whether the last layer of a trained network has to be
rescaled to predict in the units of y.
"""

from dataclasses import dataclass
from numbers import Real
from typing import ClassVar

import numpy as np
from scipy import sparse
from scipy.special import expit
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils import column_or_1d, compute_class_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from skdnn.engine import kernels, losses
from skdnn.engine.layers import Dense
from skdnn.engine.network import Network

MARGIN = {"hinge": 1.0, "perceptron": 0.0}


def encode_labels(y: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return the index in `classes` of every label, or say which are unknown."""
    if y.ndim != 1:
        raise ValueError(f"`y` must be one column of labels. Got shape {y.shape}.")
    known = np.isin(y, classes)
    if not known.all():
        raise ValueError(
            "`y` has classes not in `self.classes_`. "
            f"`self.classes_` has {classes}. 'y' has {np.unique(y)}."
        )
    return np.searchsorted(classes, y)


def weights_of_classes(class_weight, classes, y, weight) -> np.ndarray:
    """Return the weight of every class; a class that "balanced" does not see keeps weight 1."""
    if not isinstance(class_weight, str):
        if not isinstance(class_weight, dict):
            raise ValueError(f"class_weight of one output must be a dict. Got {class_weight!r}.")
        if not all(isinstance(w, Real) for w in class_weight.values()):
            raise ValueError(f"class_weight must be numbers. Got {class_weight}.")
        if not all(np.isfinite(w) and w >= 0 for w in class_weight.values()):
            raise ValueError(f"class_weight must be finite and not negative. Got {class_weight}.")
        return compute_class_weight(class_weight, classes=classes, y=y)
    weights, seen = np.ones(len(classes)), np.unique(y)
    balanced = compute_class_weight(class_weight, classes=seen, y=y, sample_weight=weight)
    weights[np.searchsorted(classes, seen)] = balanced
    return weights


def weights_by_column(class_weight, classes: list, y, weight) -> list[np.ndarray]:
    """Return the weights of the classes of every column of y."""
    if class_weight != "balanced" and not (
        isinstance(class_weight, list) and len(class_weight) == len(classes)
    ):
        raise ValueError(
            "For several outputs class_weight must be 'balanced' or a list of dicts, one an output."
        )
    each = [class_weight] * len(classes) if isinstance(class_weight, str) else class_weight
    columns = (y.toarray() if sparse.issparse(y) else y).T
    return [
        weights_of_classes(w, c, y_j, weight)
        for w, c, y_j in zip(each, classes, columns, strict=True)
    ]


def as_doubles(S: np.ndarray) -> np.ndarray:
    """Scores in float64, so that probabilities add up to one as closely as users compare."""
    return S.astype(np.float64, copy=False)


BLOCK = 2**14  # rows


def by_blocks(f, S: np.ndarray, n_columns: int) -> np.ndarray:
    """Fill P with f(S, P) in float64, some rows at a time so that scratch stays small."""
    P = np.empty((len(S), n_columns))
    for start in range(0, len(S), BLOCK):
        rows = slice(start, start + BLOCK)
        f(as_doubles(S[rows]), P[rows])
    return P


def two_probabilities(s: np.ndarray, P: np.ndarray) -> None:
    """P = [1 / (1 + exp(s)), 1 / (1 + exp(-s))]."""
    expit(s, out=P[:, 1:])
    expit(-s, out=P[:, :1])


@dataclass
class BinaryTarget:
    """Two classes, one score: positive for the second class."""

    classes: np.ndarray
    n_scores: ClassVar[int] = 1
    stratifies: ClassVar[bool] = True
    folds: ClassVar[bool] = False

    def encode(self, y):
        return encode_labels(y, self.classes).astype(bool)[:, None]

    def class_weights(self, class_weight, y, weight):
        return [weights_of_classes(class_weight, self.classes, y, weight)]

    def loss(self, name, smoothing):
        if name in MARGIN:
            return losses.Hinge(MARGIN[name])
        if name == "squared_error":
            return losses.LogisticSquaredError(smoothing)
        return losses.LogisticCrossEntropy(smoothing)

    def labels(self, S):
        return self.classes[(S[:, 0] > 0).astype(int)]

    def decision(self, S):
        return S[:, 0]

    def probabilities(self, S):
        return by_blocks(two_probabilities, S, 2)

    def score(self, S, y, weight):
        return accuracy_score(y, self.labels(S), sample_weight=weight)


@dataclass
class MulticlassTarget:
    """One of K classes, one score a class."""

    classes: np.ndarray
    stratifies: ClassVar[bool] = True
    folds: ClassVar[bool] = False

    @property
    def n_scores(self):
        return len(self.classes)

    def encode(self, y):
        return encode_labels(y, self.classes)

    def class_weights(self, class_weight, y, weight):
        return [weights_of_classes(class_weight, self.classes, y, weight)]

    def loss(self, name, smoothing):
        if name in MARGIN:
            return losses.MulticlassHinge(MARGIN[name])
        if name == "squared_error":
            return losses.SoftmaxSquaredError(smoothing)
        return losses.SoftmaxCrossEntropy(smoothing)

    def labels(self, S):
        return self.classes[S.argmax(axis=1)]

    def decision(self, S):
        return S

    def probabilities(self, S):
        return by_blocks(kernels.softmax, S, S.shape[1])

    def score(self, S, y, weight):
        return accuracy_score(y, self.labels(S), sample_weight=weight)


@dataclass
class MultilabelTarget:
    """Any of K labels, one score a label; ``sparse`` where y came as a sparse matrix."""

    classes: np.ndarray
    sparse: bool = False
    stratifies: ClassVar[bool] = False
    folds: ClassVar[bool] = False

    @property
    def n_scores(self):
        return len(self.classes)

    def encode(self, y):
        if y.ndim != 2 or y.shape[1] != self.n_scores:
            raise ValueError(f"`y` must have {self.n_scores} labels. Got shape {y.shape}.")
        Y = y.toarray() if sparse.issparse(y) else y
        if not np.isin(Y, (0, 1)).all():
            raise ValueError("`y` must be an indicator matrix of zeros and ones, as before.")
        return Y.astype(bool)

    def class_weights(self, class_weight, y, weight):
        yes_or_no = [np.arange(2)] * self.n_scores
        return weights_by_column(class_weight, yes_or_no, y, weight)

    loss = BinaryTarget.loss

    def labels(self, S):
        Y = (S > 0).astype(int)
        return sparse.csr_matrix(Y) if self.sparse else Y

    def decision(self, S):
        return S

    def probabilities(self, S):
        return by_blocks(expit, S, S.shape[1])

    def score(self, S, y, weight):
        return accuracy_score(y, self.labels(S), sample_weight=weight)


@dataclass
class MultioutputTarget:
    """Several labels, each one of several classes: a block of scores a label."""

    outputs: list[MulticlassTarget]
    stratifies: ClassVar[bool] = False
    folds: ClassVar[bool] = False

    @property
    def classes(self):
        return [output.classes for output in self.outputs]

    @property
    def n_scores(self):
        return sum(output.n_scores for output in self.outputs)

    def encode(self, y):
        if y.ndim != 2 or y.shape[1] != len(self.outputs):
            raise ValueError(f"`y` must have {len(self.outputs)} columns. Got shape {y.shape}.")
        return np.column_stack([o.encode(y_j) for o, y_j in zip(self.outputs, y.T, strict=True)])

    def class_weights(self, class_weight, y, weight):
        return weights_by_column(class_weight, self.classes, y, weight)

    def loss(self, name, smoothing):
        sizes = tuple(output.n_scores for output in self.outputs)
        return losses.PerOutput(self.outputs[0].loss(name, smoothing), sizes)

    def _each(self, method, S):
        blocks = np.split(S, np.cumsum([o.n_scores for o in self.outputs])[:-1], axis=1)
        return [getattr(o, method)(block) for o, block in zip(self.outputs, blocks, strict=True)]

    def labels(self, S):
        return np.column_stack(self._each("labels", S))

    def decision(self, S):
        return self._each("decision", S)

    def probabilities(self, S):
        return self._each("probabilities", S)

    def score(self, S, y, weight):
        return subset_accuracy(y, self.labels(S), weight)


def subset_accuracy(y, predicted, weight=None) -> float:
    """Return the share of the rows of which every label is right."""
    right = np.all(np.asarray(y) == predicted, axis=1)
    return float(np.average(right, weights=weight))


def classification_target(y, classes=None):
    """Return the target that `y` asks for; `classes` are all that may ever come."""
    if y.ndim == 2 and y.shape[1] > 1:
        listed = classes is not None and np.ndim(classes[0]) > 0  # one array of them a column
        if not listed and type_of_target(y).startswith("multilabel"):
            if classes is not None and len(classes) != y.shape[1]:
                raise ValueError(f"`y` has {y.shape[1]} labels, `classes` names {len(classes)}.")
            return MultilabelTarget(np.arange(y.shape[1]), sparse.issparse(y))
        if classes is None:
            classes = [None] * y.shape[1]
        if len(classes) != y.shape[1]:
            raise ValueError(
                f"`classes` must be a list of the classes of each of the {y.shape[1]} columns of "
                f"`y`. Got {len(classes)}."
            )
        columns = zip(y.T, classes, strict=True)
        return MultioutputTarget([MulticlassTarget(_classes(y_j, c)) for y_j, c in columns])
    classes = _classes(y, classes)
    return BinaryTarget(classes) if len(classes) == 2 else MulticlassTarget(classes)


def _classes(y, classes=None):
    check_classification_targets(y)
    classes = np.unique(y if classes is None else classes)
    if len(classes) < 2:
        raise ValueError(
            "A classifier needs samples of at least 2 classes in `y`, but the data contains "
            f"only one class: {classes[0]!r}"
        )
    return classes


# Losses whose minimum moves with y when y is shifted and scaled.
EQUIVARIANT = ("squared_error", "absolute_error", "huber", "quantile")
LOG_LINK = ("poisson", "gamma")


@dataclass
class RegressionTarget:
    """k numbers, standardised for training: Y = (y - mean) / scale.

    ``fold`` writes the scale into the last layer, so that the network predicts y itself;
    with ``log_link`` it predicts the logarithm of y, which is left as it is.
    """

    mean: np.ndarray
    scale: np.ndarray
    standardised: bool
    log_link: bool
    stratifies: ClassVar[bool] = False

    @classmethod
    def standardising(cls, y, weight):
        """Take mean and standard deviation of the columns of y; a constant column keeps scale 1."""
        Y = y.reshape(len(y), -1).astype(np.float64, copy=False)
        mean = np.average(Y, axis=0, weights=weight)
        scale = np.sqrt(np.average((Y - mean) ** 2, axis=0, weights=weight))
        # A spread within the rounding of the numbers themselves is none.
        constant = scale <= 10 * np.finfo(np.float64).eps * np.abs(mean)
        return cls(mean, np.where(constant, 1.0, scale), standardised=True, log_link=False)

    @classmethod
    def unscaled(cls, y, log_link):
        """Leave y as it is."""
        k = 1 if y.ndim == 1 else y.shape[1]
        return cls(np.zeros(k), np.ones(k), standardised=False, log_link=log_link)

    @property
    def n_scores(self):
        return len(self.mean)

    def encode(self, y):
        Y = y.reshape(len(y), -1)
        if Y.shape[1] != self.n_scores:
            raise ValueError(f"`y` must have {self.n_scores} outputs. Got {Y.shape[1]}.")
        return (Y - self.mean) / self.scale

    def fold(self, network: Network) -> None:
        """Let the last layer predict y: W ← W scale, b ← b scale + mean."""
        last = self._last(network)
        last.W *= self.scale
        last.b *= self.scale
        last.b += self.mean

    def unfold(self, network: Network) -> None:
        """Undo `fold`, to train on."""
        last = self._last(network)
        last.W /= self.scale
        last.b -= self.mean
        last.b /= self.scale

    @property
    def folds(self) -> bool:
        """Whether folding changes anything."""
        return bool(np.any(self.mean != 0) or np.any(self.scale != 1))

    @staticmethod
    def _last(network: Network) -> Dense:
        return network.layers[-1]  # type: ignore[return-value]

    def predict(self, S):
        """Return the prediction that belongs to the scores of a folded network."""
        return np.exp(S) if self.log_link else S

    def score(self, S, y, weight):
        predicted = self.predict(S * self.scale + self.mean)
        if not np.isfinite(predicted).all():
            return np.nan
        return r2_score(y, predicted, sample_weight=weight)


def one_column(y):
    """Return a column vector as a vector, with scikit-learn's warning; anything else as it is."""
    if y.ndim == 2 and y.shape[1] == 1 and not sparse.issparse(y):
        return column_or_1d(y, warn=True)
    return y
