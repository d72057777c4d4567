"""What early stopping holds out: a share of every class, as far as there are rows for it."""

from functools import partial

import numpy as np
import pytest
from estimator_cases import small_network
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy.sparse import csr_array
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier as SklearnClassifier

from skdnn import MLPClassifier, MLPRegressor
from skdnn.estimators.data import Dataset

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 3))

RARE = {
    "one row of one class": np.r_[2, np.arange(299) % 2],
    "one row of each of three classes": np.r_[7, 8, 9, np.arange(297) % 2],
    "more classes than rows to hold out": np.arange(300) % 50,
    "most classes of one row": np.r_[np.arange(140), np.full(160, 999)],
    "two rows each, and many": np.r_[np.arange(100) // 2, np.full(200, 99)],
    "one row against the rest": np.r_[1, np.zeros(299, int)],
    "one class": np.zeros(300, int),
}
TYPES = {
    "int": np.asarray,
    "text": lambda y: np.char.add("class ", y.astype(str)),
    "object": lambda y: np.char.add("class ", y.astype(str)).astype(object),
    "float": lambda y: y.astype(float),
}


small = partial(small_network, hidden_layer_sizes=(4,), max_iter=2, early_stopping=True)


def held_out(y, fraction=0.1, seed=0, rows=None):
    """Return which rows of y are trained on, and which are held out."""
    n = len(y)
    data = Dataset(np.arange(n)[:, None], np.asarray(y), None, rows)
    train, validation = data.split(data.rows_of(data.y), fraction, seed)
    return train.rows_of(train.X).ravel(), validation.X.ravel()


class RecordingScorer:
    """A scorer that keeps what it is asked to score."""

    def __call__(self, net, X, y, sample_weight=None):
        self.X, self.y = X, y
        return 0.5


@pytest.mark.parametrize("y", RARE.values(), ids=RARE)
@pytest.mark.parametrize("convert", TYPES.values(), ids=TYPES)
def test_rare_classes_stay_in_training(y, convert):
    recorder, y = RecordingScorer(), convert(y)
    net = small(MLPClassifier, scoring=recorder).fit(X, y)
    assert len(net.validation_scores_) == net.n_iter_
    classes, counts = np.unique(y, return_counts=True)
    assert_array_equal(net.classes_, classes)
    assert len(recorder.y) == 30
    for label, n in zip(classes, counts, strict=True):
        assert np.sum(recorder.y == label) < n


@pytest.mark.parametrize("y", RARE.values(), ids=RARE)
@pytest.mark.parametrize("parameters", [
    {"solver": "lbfgs"}, {"loss": "hinge"}, {"class_weight": "balanced"}, {"batch_norm": True},
])  # fmt: skip
def test_whatever_fits_beside_scikit_learn_fits(y, parameters):
    if y is not RARE["one row against the rest"]:  # it stratifies two classes, and can't these
        SklearnClassifier((4,), max_iter=2, early_stopping=True).fit(X, y)
    net = small(MLPClassifier, **parameters).fit(csr_array(X), y)
    assert len(net.classes_) == len(np.unique(y))


@given(
    counts=st.lists(st.integers(1, 40), min_size=1, max_size=30),
    fraction=st.floats(0.02, 0.98),
    seed=st.integers(0, 99),
)
@settings(max_examples=300, deadline=None)
def test_every_class_gives_its_share(counts, fraction, seed):
    """To within one row of the share of all that can be shared out, and never the last row."""
    y = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    n_held_out = np.ceil(fraction * len(y))
    shared = sum(n for n in counts if n > 1)
    possible = min(n_held_out, shared - sum(n > 1 for n in counts))
    try:
        train, held = held_out(y, fraction, seed)
    except ValueError as error:
        assert "too small" in str(error)
        assert possible < 2
        return
    assert_array_equal(np.sort(np.r_[train, held]), np.arange(len(y)))
    assert possible - len(counts) <= len(held) <= n_held_out
    for label, n in enumerate(counts):
        m = np.sum(y[held] == label)
        if n == 1:
            assert m == 0
        elif shared == len(y):
            share = n_held_out * n / len(y)
            assert min(np.floor(share), n - 1) <= m <= np.ceil(share)


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5])
@pytest.mark.parametrize("n_classes", [1, 2, 3, 12])
def test_what_scikit_learn_can_part_it_parts(fraction, n_classes):
    y = RNG.permutation(np.arange(200) % n_classes)
    for ours, theirs in zip(
        held_out(y, fraction, 3),
        train_test_split(np.arange(200), test_size=fraction, random_state=3, stratify=y),
        strict=True,
    ):
        assert_array_equal(ours, theirs)


def test_a_class_that_only_rows_of_weight_zero_have_is_none():
    y = np.r_[5, np.arange(299) % 2]
    weight = (y != 5).astype(float)
    weighted = small(MLPClassifier).fit(X, y, weight)
    removed = small(MLPClassifier).fit(X[1:], y[1:])
    assert_array_equal(weighted.predict_proba(X), removed.predict_proba(X))


def test_rows_of_weight_zero_cannot_be_held_out():
    rows = np.flatnonzero(np.arange(300) % 3)
    y = np.arange(300) % 50
    train, held = held_out(y, 0.1, rows=rows)
    assert set(train) | set(held) == set(rows)
    assert len(held) == 20
    recorder = RecordingScorer()
    weight = np.where(np.arange(300) < 270, 0.0, 1.0)
    small(MLPClassifier, scoring=recorder).fit(
        np.arange(300)[:, None], np.r_[y[:299] % 3, 77], weight
    )
    assert len(recorder.y) == 3
    assert recorder.X.min() >= 270
    assert 77 not in recorder.y


def test_the_same_rows_in_every_call():
    y, scores = RARE["more classes than rows to hold out"], []
    for _ in range(2):
        recorder = RecordingScorer()
        net = small(MLPClassifier, scoring=recorder, warm_start=True).fit(X, y)
        first = recorder.X
        net.fit(X, y)
        assert_array_equal(recorder.X, first)
        scores.append(net.loss_curve_)
    assert scores[0] == scores[1]


TOO_FEW = [(300, 0.0), (300, 0.001), (8, 0.1), (3, 0.1), (2, 0.1), (2, 0.5), (2, 0.9), (1, 0.5)]


@pytest.mark.parametrize("n, fraction", TOO_FEW)
@pytest.mark.parametrize("task", ["binary", "classes", "labels", "outputs", "one class", "numbers"])
def test_what_cannot_be_parted_is_told_why_by_validation_fraction(n, fraction, task):
    k = np.arange(n)
    y = {
        "binary": k % 2, "classes": k % 3, "labels": np.c_[k % 2, 1 - k % 2],
        "outputs": np.c_[k % 3, k % 2], "one class": np.zeros(n), "numbers": X[:n, 0],
    }[task]  # fmt: skip
    net = small(MLPRegressor if task == "numbers" else MLPClassifier, validation_fraction=fraction)
    with pytest.raises(ValueError, match=r"early_stopping=.*validation_fraction="):
        net.fit(X[:n], y)
    assert not hasattr(net, "n_iter_")
    if n > 1:
        net.set_params(validation_fraction=0.1).fit(X[:n], y, X_val=X[:n], y_val=y)


def test_as_many_classes_as_rows_leave_none_to_hold_out():
    with pytest.raises(
        ValueError, match=r"early_stopping=.*validation_fraction=.*0 of n_samples=300"
    ):
        small(MLPClassifier).fit(X, np.arange(300))
