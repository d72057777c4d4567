import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skdnn.engine.stopping import BestState, Outcome, Patience, divergence_epoch

scores = st.lists(st.floats(-10, 10), min_size=1, max_size=30)


@pytest.mark.parametrize("n", [0, 1, 5])
def test_patience_ends_after_so_many_equal_scores(n):
    patience = Patience(tol=1e-4, n_iter_no_change=n)
    assert [patience.update(1.0) for _ in range(n + 2)] == [False] * (n + 1) + [True]


@given(step=st.floats(0.1, 10), n=st.integers(0, 3))
def test_patience_lasts_while_scores_rise(step, n):
    patience = Patience(tol=0.05, n_iter_no_change=n)
    assert not any(patience.update(i * step) for i in range(20))


def test_small_improvements_do_not_count_but_raise_the_bar():
    patience = Patience(tol=0.1, n_iter_no_change=2)
    assert [patience.update(s) for s in (0.0, 0.06, 0.12, 0.18)] == [False] * 3 + [True]
    assert patience.best == 0.18


def test_an_improvement_starts_the_count_anew():
    patience = Patience(tol=0.1, n_iter_no_change=1)
    ends = [patience.update(score) for score in (0.0, 0.0, 1.0, 1.0, 1.0)]
    assert ends == [False, False, False, False, True]


@given(scores=scores)
def test_endless_patience(scores):
    patience = Patience(tol=0.0, n_iter_no_change=math.inf)
    assert not any(patience.update(score) for score in scores)
    assert patience.best == max(scores)


def test_nan_is_no_improvement():
    patience = Patience(tol=0.0, n_iter_no_change=1)
    assert [patience.update(s) for s in (1.0, math.nan, math.nan)] == [False, False, True]
    assert patience.best == 1.0


@given(loss=st.floats(1e-9, 1e9), share=st.floats(0.01, 0.5))
def test_an_improvement_is_measured_by_what_is_missing_to_perfection(loss, share):
    """A loss that falls by more than the share `tol` of itself, or by tol, goes on."""
    needed = share * min(1.0, loss)
    for fall, counts in ((1.01 * needed, True), (0.99 * needed, False)):
        patience = Patience(tol=share, n_iter_no_change=0)
        assert not patience.update(-loss, perfect=0.0)
        assert patience.update(fall - loss, perfect=0.0) != counts


def test_a_perfect_score_leaves_nothing_to_improve():
    patience = Patience(tol=0.1, n_iter_no_change=2)
    assert [patience.update(1.0, perfect=1.0) for _ in range(5)] == [False] * 5


@given(scores=scores)
def test_best_state_is_that_of_the_first_best_score(scores):
    best, values = BestState(), np.empty(1)
    for epoch, score in enumerate(scores, start=1):
        values[0] = epoch
        best.update(score, epoch, values)
    first = int(np.argmax(scores)) + 1
    assert (best.score, best.epoch, best.values[0]) == (max(scores), first, first)
    assert not np.shares_memory(best.values, values)


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_best_state_wants_a_finite_score(score):
    best = BestState()
    best.update(score, 1, np.ones(2))
    assert best == BestState()
    best.update(1.0, 2, np.ones(2))
    best.update(score, 3, np.zeros(2))
    assert (best.score, best.epoch, best.values.tolist()) == (1.0, 2, [1, 1])


def test_best_state_survives_pickle():
    best = BestState()
    best.update(0.5, 3, np.arange(4.0))
    again = pickle.loads(pickle.dumps(best))
    assert (again.score, again.epoch, again.values.tolist()) == (0.5, 3, [0, 1, 2, 3])


@pytest.mark.parametrize(
    ("losses", "epoch"),
    [
        ([], None),
        ([5.0, 4.0, 3.0], None),
        ([1e6, 1e6], None),
        ([0.0, 0.5, 0.9], None),  # losses near zero may fluctuate
        ([0.0, 2.0], 2),
        ([1.0, 0.5, 100.0, 1000.0], 3),
        ([1.0, 100.0, 0.5], 2),
        ([100.0, 1.0, 9.0, math.inf], 4),
        ([1.0, math.nan], 2),
        ([1.0, 100.0, math.nan, 200.0], 2),
        ([math.nan], 1),
        ([math.inf, math.inf], 1),
        ([math.nan, 0.5], 1),
        ([100.0, 90.0, 1.0, 80.0], 4),
    ],
)
def test_blow_up(losses, epoch):
    assert divergence_epoch(losses) == epoch


def test_outcomes_are_told_apart():
    assert len({outcome.value for outcome in Outcome}) == len(Outcome)
    assert pickle.loads(pickle.dumps(Outcome.DIVERGED)) is Outcome.DIVERGED
