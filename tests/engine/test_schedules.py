import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from skdnn.engine.schedules import (
    SCHEDULES,
    Constant,
    Cosine,
    CosLog4,
    Exponential,
    InverseScaling,
    OneCycle,
    StepDecay,
    WarmUp,
    anneals,
    get_schedule,
    rises,
)

shares = st.floats(0, 1)


@pytest.mark.parametrize("name", SCHEDULES)
@given(progress=shares, n=st.integers(0, 10**9), fraction=st.floats(0.01, 0.9))
def test_factor_is_in_the_unit_interval(name, progress, n, fraction):
    schedule = get_schedule(name)()
    assert 0 <= schedule(progress, n) <= 1
    assert 0 <= WarmUp(fraction, schedule)(progress, n) <= 1


@pytest.mark.parametrize("name", SCHEDULES)
def test_is_a_value(name):
    schedule = SCHEDULES[name]()
    assert pickle.loads(pickle.dumps(schedule)) == schedule == SCHEDULES[name]()
    assert hash(schedule) == hash(SCHEDULES[name]())


KNOWN = {  # progress -> factor
    "constant": (Constant(), {0: 1, 0.5: 1, 1: 1}),
    "exponential": (Exponential(), {0: 1, 0.5: 0.1, 1: 0.01}),
    "exponential to a quarter": (Exponential(0.25), {0: 1, 0.5: 0.5, 1: 0.25}),
    "step": (StepDecay(), {0: 1, 0.49: 1, 0.5: 0.1, 0.74: 0.1, 0.75: 0.01, 1: 0.01}),
    "step halved": (StepDecay((0.2,), 0.5), {0: 1, 0.19: 1, 0.2: 0.5, 1: 0.5}),
    "cosine": (Cosine(), {0: 1, 1 / 3: 0.75, 0.5: 0.5, 2 / 3: 0.25, 1: 0}),
    "one cycle": (
        OneCycle(),
        {0: 0.04, 0.15: 0.52, 0.3: 1, 0.65: (1 + 4e-6) / 2, 1: 4e-6},
    ),
    "coslog4": (  # troughs at (2^k - 1) / 15, crests half a wave later on the log scale
        CosLog4(),
        {0: 0, 1 / 15: 0, 3 / 15: 0, 7 / 15: 0, 1: 0, (math.sqrt(8) - 1) / 15: 1}
        | {(math.sqrt(2) - 1) / 15: 1, (math.sqrt(128) - 1) / 15: 1},
    ),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_what_rises_begins_low_and_what_anneals_ends_low(name):
    schedule = get_schedule(name)()
    factors = [schedule(p / 1000, 0) for p in range(1001)]
    assert rises(name) == rises(schedule) == (factors[0] < 0.1 * max(factors))
    assert anneals(name) == anneals(schedule) == (factors[-1] < 0.1 * max(factors))
    warm = WarmUp(0.1, schedule)
    assert rises(warm)
    assert anneals(warm) == anneals(schedule)


@pytest.mark.parametrize("name", KNOWN)
def test_known_values(name):
    schedule, values = KNOWN[name]
    assert_allclose([schedule(p, 7) for p in values], list(values.values()), rtol=0, atol=1e-12)


def test_inverse_scaling():
    seen = [0, 3, 99]
    assert_allclose([InverseScaling()(0.3, n) for n in seen], [1, 1 / 2, 1 / 10], rtol=1e-15)
    assert_allclose([InverseScaling(1.0)(0.3, n) for n in seen], [1, 1 / 4, 1 / 100], rtol=1e-15)
    by_thousands = [InverseScaling(unit=1000.0)(0.3, 1000 * n) for n in seen]
    assert_allclose(by_thousands, [1, 1 / 2, 1 / 10], rtol=1e-15)


@given(a=shares, b=shares)
def test_exponential_is_a_straight_line_in_the_logarithm(a, b):
    line = np.interp(a, [0, 1], np.log([1, 0.01]))
    assert_allclose(math.log(Exponential()(a, 0)), line, atol=1e-12)


@given(a=shares, b=shares)
def test_cosine_and_exponential_fall(a, b):
    low, high = sorted((a, b))
    for schedule in (Cosine(), Exponential(), StepDecay()):
        assert schedule(high, 0) <= schedule(low, 0)


@given(progress=shares, fraction=st.floats(0.01, 0.99))
def test_warm_up_is_a_ramp_in_front_of_a_constant(progress, fraction):
    ramp = np.interp(progress, [0, fraction, 1], [0, 1, 1])
    assert_allclose(WarmUp(fraction, Constant())(progress, 0), ramp, atol=1e-12)


@given(part=shares, fraction=st.floats(0.01, 0.9))
def test_warm_up_leaves_the_rest_to_its_schedule(part, fraction):
    progress = min(fraction + part * (1 - fraction), 1.0)
    assert_allclose(WarmUp(fraction, Cosine())(progress, 0), Cosine()(part, 0), atol=1e-9)


def test_warm_up_rises_to_where_its_schedule_starts():
    assert_allclose(WarmUp(0.5, OneCycle())(0.25, 0), 0.02)


@pytest.mark.parametrize("value", [-0.1, 1.0, 1.5, np.nan])
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda value: OneCycle(peak=value), r"peak of OneCycle must be in \[0, 1\)"),
        (lambda value: WarmUp(value, Constant()), r"fraction of WarmUp must be in \[0, 1\)"),
    ],
)
def test_a_share_of_the_training_is_below_1(make, words, value):
    with pytest.raises(ValueError, match=words):
        make(value)
    make(0.0), make(0.99)
