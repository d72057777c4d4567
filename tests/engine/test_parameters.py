import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skdnn.engine.parameters import ZONES, ParameterVector, Slot

shapes = st.lists(st.integers(1, 4), min_size=1, max_size=2).map(tuple)
rates = st.sampled_from([1.0, 0.5, 2.0])
slots = st.lists(st.builds(Slot, shapes, st.sampled_from(ZONES), rates), min_size=1, max_size=8)

MIXED = [
    Slot((2, 3), "weights"),
    Slot((3,), "others", rate=0.1),
    Slot((3,), "statistics"),
    Slot((3, 1), "weights", rate=4.0),
]


@given(slots=slots)
def test_the_views_cover_the_vector_once(slots):
    parameters = ParameterVector(slots, "float64")
    for view, slot in zip(parameters.cut(parameters.values), slots, strict=True):
        assert view.shape == slot.shape
        assert np.shares_memory(view, parameters.values)
        view += 1
    assert parameters.values.tolist() == [1.0] * sum(slot.size for slot in slots)


@given(slots=slots)
def test_every_view_lies_in_its_zone(slots):
    parameters = ParameterVector(slots, "float32")
    for view, slot in zip(parameters.cut(parameters.values), slots, strict=True):
        assert np.shares_memory(view, parameters.weights) == (slot.zone == "weights")
        assert np.shares_memory(view, parameters.theta) == (slot.zone != "statistics")


@given(slots=slots)
def test_a_gradient_has_the_cut_of_theta(slots):
    parameters = ParameterVector(slots, "float64")
    parameters.values[:] = np.arange(parameters.values.size)
    gradient = parameters.theta.copy()
    views = zip(parameters.cut(parameters.values), parameters.cut(gradient), slots, strict=True)
    for view, derivative, slot in views:
        if slot.zone == "statistics":
            assert derivative is None
        else:
            assert np.array_equal(view, derivative)
            assert np.shares_memory(derivative, gradient)


def test_order_within_the_vector():
    parameters = ParameterVector(MIXED, "float32")
    for i, view in enumerate(parameters.cut(parameters.values)):
        view[:] = i
    assert parameters.values.dtype == np.float32
    assert parameters.values.tolist() == [0] * 6 + [3] * 3 + [1] * 3 + [2] * 3
    assert parameters.weights.tolist() == [0] * 6 + [3] * 3
    assert parameters.theta.tolist() == [0] * 6 + [3] * 3 + [1] * 3


def test_learning_rate_factors():
    factors = ParameterVector(MIXED, "float64").learning_rate_factors()
    assert factors.tolist() == [1] * 6 + [4] * 3 + [0.1] * 3
    assert ParameterVector(MIXED[:1] + MIXED[2:3], "float64").learning_rate_factors() is None


def test_a_rate_may_be_one_a_number():
    rows = Slot((2, 3), "weights", rate=np.array([[0.5], [2.0]]))
    parameters = ParameterVector([rows, Slot((3,), "others")], "float64")
    assert parameters.learning_rate_factors().tolist() == [0.5] * 3 + [2.0] * 3 + [1.0] * 3
    assert ParameterVector([Slot((2,), "others", np.ones(2))], "f").learning_rate_factors() is None
    same = Slot((2, 3), "weights", rate=np.array([[0.5], [2.0]]))
    assert same == rows and hash(same) == hash(rows)
    for other in (
        Slot((2, 3), "weights"),
        Slot((2, 3), "weights", rate=np.array([[0.5], [3.0]])),
        Slot((2, 3), "others", rate=rows.rate),
        "a slot",
    ):
        assert other != rows


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_pickle_keeps_one_vector(dtype):
    parameters = ParameterVector(MIXED, dtype)
    parameters.values[:] = np.arange(15)
    again = pickle.loads(pickle.dumps(parameters))
    assert again.slots == parameters.slots
    assert again.values.dtype == dtype
    assert np.array_equal(again.values, parameters.values)
    assert np.shares_memory(again.weights, again.values)
    assert np.shares_memory(again.theta, again.values)
    assert (again.weights.size, again.theta.size) == (9, 12)
