"""Contraction: ranges on their own scale, lists, spaces."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import geom, kstest, loguniform, norm, randint, uniform

from skdnn.model_selection import layers
from skdnn.model_selection.shrinking import Shrunk, shrink, shrink_spaces

# Each with the function from its values to a scale on which it is uniform.
UNIFORM = {
    "uniform": (uniform(-3, 8), lambda x: x),
    "loguniform": (loguniform(1e-6, 10), np.log),
    "normal": (norm(2, 3), norm(2, 3).cdf),
}
DISCRETE = {"randint": randint(5, 400), "geometric": geom(0.05)}

factors = st.floats(0.05, 1.0)
seeds = st.integers(0, 2**32 - 1)


def draws(distribution, seed, n=8):
    rng = np.random.RandomState(seed)
    return [distribution.rvs(random_state=rng) for _ in range(n)]


@given(st.sampled_from(sorted(UNIFORM)), factors, seeds)
def test_a_range_shrinks_on_its_own_scale(name, factor, seed):
    distribution, scale = UNIFORM[name]
    outer = shrink(distribution, draws(distribution, seed), 0.7)
    best = draws(outer, seed)
    inner = shrink(outer, best, factor)
    (a, b), (c, d) = scale(np.array(outer.support())), scale(np.array(inner.support()))
    assert_allclose(d - c, factor * (b - a), rtol=1e-6)
    assert c >= a - 1e-9 * (b - a)
    assert d <= b + 1e-9 * (b - a)
    assert c - 1e-9 <= scale(best[0]) <= d + 1e-9
    centre = np.clip(np.mean(scale(np.array(best))), a + (d - c) / 2, b - (d - c) / 2)
    nearest = np.clip(centre, scale(best[0]) - (d - c) / 2, scale(best[0]) + (d - c) / 2)
    assert_allclose((c + d) / 2, nearest, atol=1e-6)


@given(st.sampled_from(sorted(DISCRETE)), factors, seeds)
def test_integers_stay_integers(name, factor, seed):
    distribution = DISCRETE[name]
    outer = shrink(distribution, draws(distribution, seed), 0.7)
    best = draws(outer, seed)
    inner = shrink(outer, best, factor)
    values = inner.rvs(size=200, random_state=seed)
    assert values.dtype.kind == "i"
    assert (inner.support()[0] <= values).all()
    assert (values <= inner.support()[1]).all()
    assert outer.support()[0] <= inner.support()[0] <= best[0] <= inner.support()[1]
    assert inner.support()[1] <= outer.support()[1]
    p = distribution.cdf(inner.support()[1]) - distribution.cdf(inner.support()[0] - 1)
    steps = distribution.pmf(inner.support()[0]) + distribution.pmf(inner.support()[1])
    assert 0.7 * factor - 1e-9 <= p <= 0.7 * factor + steps


@given(factors, seeds)
def test_layers_shrink_in_depth_and_in_the_logarithm_of_the_width(factor, seed):
    outer = shrink(layers((1, 9), (8, 4096)), draws(layers((1, 9), (8, 4096)), seed), 0.7)
    best = draws(outer, seed)
    inner = shrink(outer, best, factor)
    (shallow, deep), (narrow, wide) = limits(outer)
    (shallower, deeper), (narrower, wider) = limits(inner)
    assert shallow <= shallower <= len(best[0]) <= deeper <= deep
    assert narrow <= narrower <= best[0][0] <= wider <= wide
    assert deeper - shallower + 1 <= 9 * 0.7 * factor + 2
    # half a unit of rounding at each end
    assert abs(np.log(wider / narrower) - factor * np.log(wide / narrow)) < 2 / narrower


def limits(shrunk):
    smallest, largest = shrunk.support()
    return (len(smallest), len(largest)), (smallest[0], largest[0])


@pytest.mark.parametrize("name", [*UNIFORM, *DISCRETE])
def test_without_shrinking_the_distribution_stays(name):
    distribution = DISCRETE[name] if name in DISCRETE else UNIFORM[name][0]
    same = shrink(distribution, draws(distribution, 0), 1.0)
    values = same.rvs(size=2000, random_state=0)
    if name in UNIFORM:
        assert kstest(values, distribution.cdf).pvalue > 0.01
    else:
        assert_allclose(
            [np.mean(values <= q) for q in distribution.ppf([0.2, 0.5, 0.8])],
            distribution.cdf(distribution.ppf([0.2, 0.5, 0.8])),
            atol=0.03,
        )


def test_draws_are_the_distribution_between_two_quantiles():
    part = Shrunk(norm(), 0.2, 0.6)
    values = part.rvs(size=2000, random_state=1)
    assert kstest(values, lambda x: (norm.cdf(x) - 0.2) / 0.4).pvalue > 0.01
    assert_allclose(part.support(), norm.ppf([0.2, 0.6]))


@pytest.mark.parametrize("kind", ["int", "RandomState", "Generator"])
def test_draws_depend_on_the_random_state_alone(kind):
    make = {"int": int, "RandomState": np.random.RandomState, "Generator": np.random.default_rng}
    for distribution in (uniform(0, 1), layers()):
        part = shrink(distribution, draws(distribution, 0), 0.5)
        assert part.rvs(random_state=make[kind](3)) == part.rvs(random_state=make[kind](3))
        assert part.rvs(random_state=make[kind](3)) != part.rvs(random_state=make[kind](4))


def test_printed_as_what_it_draws_from():
    assert repr(Shrunk(loguniform(1e-4, 1e-1), 0, 1 / 3)) == (
        "<loguniform(0.0001, 0.1) from 0.0001 to 0.001>"
    )
    assert repr(Shrunk(uniform(loc=1, scale=2), 0.5, 1)) == (
        "<uniform(loc=1, scale=2) from 2 to 3>"
    )
    assert repr(Shrunk(randint(0, 4), 0, 0.5)) == "<randint(0, 4) from 0 to 1>"
    assert repr(Shrunk(layers((1, 2), (4, 16)), np.zeros(2), np.ones(2))) == (
        "<layers(depth=(1, 2), width=(4, 16)) from (4,) to (16, 16)>"
    )


# Lists ------------------------------------------------------------------------------------------


@given(st.lists(st.integers(), min_size=1, unique=True), st.data())
def test_a_list_keeps_what_the_best_have(values, data):
    best = data.draw(st.lists(st.sampled_from(values), min_size=1))
    kept = shrink(values, best, 0.5)
    assert set(kept) == set(best)
    assert kept == [value for value in values if value in kept]  # in the same order
    assert shrink(kept[:1], [kept[0], values[-1]], 0.5) == kept[:1]


def test_lists_of_anything():
    function = np.tanh
    values = [None, "a", (64, 64), [0.1, 0.2], function, np.array([1.0, 2.0]), np.array([1.0, 3.0])]
    kept = shrink(values, [np.array([1.0, 3.0]), [0.1, 0.2], function, None], 0.5)
    assert [values.index(value) for value in kept[:-1]] == [0, 3, 4]
    assert kept[-1] is values[-1]
    assert shrink(np.array([0.1, 0.2, 0.3]), [np.float64(0.2)], 0.5) == [0.2]


def test_what_has_no_quantiles_stays():
    class Odd:
        def rvs(self, random_state=None):
            return 2 * random_state.randint(5) + 1

    odd = Odd()
    assert shrink(odd, [3, 5], 0.5) is odd


# Spaces -----------------------------------------------------------------------------------------


def test_every_dict_of_a_list_shrinks_around_its_own():
    spaces = [
        {"solver": ["sgd"], "lr": uniform(0, 1)},
        {"solver": ["adam", "nadam"], "lr": uniform(0, 1)},
        {"solver": ["lbfgs"], "alpha": [1, 2]},
    ]
    best = [
        {"solver": "adam", "lr": 0.1},
        {"solver": "sgd", "lr": 0.9},
        {"solver": "adam", "lr": 0.3},
    ]
    sgd, adam = shrink_spaces(spaces, best, 0.5)
    assert (sgd["solver"], adam["solver"]) == (["sgd"], ["adam"])
    assert_allclose(sgd["lr"].support(), (0.5, 1.0))
    assert_allclose(adam["lr"].support(), (0.0, 0.5))
