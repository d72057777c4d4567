import pytest

from skdnn.engine.activations import get_activation
from skdnn.engine.initializers import get_initializer
from skdnn.engine.optimizers import get_optimizer
from skdnn.engine.registry import choose
from skdnn.engine.schedules import get_schedule


def test_choose_returns_the_very_entry():
    entry = object()
    assert choose("colour", {"red": None, "blue": entry}, "blue") is entry


@pytest.mark.parametrize("name", ["green", None, 3, ["red"], ("red",)])
def test_choose_lists_the_choices(name):
    with pytest.raises(ValueError) as error:
        choose("colour", {"red": 1, "blue": 2}, name)
    assert str(error.value) == f"colour must be one of 'red', 'blue'. Got {name!r} instead."


@pytest.mark.parametrize(
    ("get", "parameter", "one"),
    [
        (get_activation, "activation", "relu"),
        (get_initializer, "init", "he_uniform"),
        (get_optimizer, "solver", "adam"),
        (get_schedule, "learning_rate", "cosine"),
    ],
)
def test_every_table_answers_a_wrong_name_alike(get, parameter, one):
    with pytest.raises(ValueError, match=rf"^{parameter} must be one of .*'{one}'.* Got 'no' inst"):
        get("no")
