import numpy as np
import pytest
from engine_cases import TRACES, settings_of
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import stats

from skdnn.engine.activations import ACTIVATIONS, ALIASES, ELU, SELU, LeakyReLU, get_activation
from skdnn.engine.initializers import INITIALIZERS

SMOOTH = [name for name in ACTIVATIONS if name != "step"]


def evaluate(activation, S):
    X, D = np.full_like(S, np.nan), np.full_like(S, np.nan)
    activation.forward(S, X)
    activation.derivative(S, X, D)
    return X, D


@pytest.mark.parametrize("i", range(len(settings_of("activation"))))
def test_like_torch(i):
    name, parameters = settings_of("activation")[i]
    activation = type(ACTIVATIONS[name])(**parameters)
    X, D = evaluate(activation, TRACES["activation_grid"])
    assert_allclose(X, TRACES["activation_values"][i], rtol=1e-12, atol=1e-15)
    assert_allclose(D, TRACES["activation_derivatives"][i], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", SMOOTH)
@given(s=st.floats(-20, 20).filter(lambda s: abs(s) > 1e-3))
def test_derivative_is_the_slope(name, s):
    activation, h = ACTIVATIONS[name], 1e-5
    X, _ = evaluate(activation, np.array([s - h, s + h]))
    _, D = evaluate(activation, np.array([s]))
    assert_allclose(D[0], (X[1] - X[0]) / (2 * h), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("activation", [LeakyReLU(0.2), LeakyReLU(0.0), ELU(0.3), ELU(2.0)])
def test_derivative_is_the_slope_for_other_parameters(activation):
    S, h = np.linspace(-3, 3, 12), 1e-5
    slope = (evaluate(activation, S + h)[0] - evaluate(activation, S - h)[0]) / (2 * h)
    assert_allclose(evaluate(activation, S)[1], slope, rtol=1e-7, atol=1e-9)


def test_step_goes_straight_through():
    S = np.array([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0])
    X, D = evaluate(ACTIVATIONS["step"], S)
    assert X.tolist() == [0, 0, 0, 0, 1, 1, 1]
    assert D.tolist() == [0, 1, 1, 1, 1, 1, 0]


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_far_ends_are_finite_and_the_input_stays(name, dtype):
    S = np.array([[-1e4, -90.0, -1.0, -0.0, 0.0], [1e-30, 1.0, 90.0, 1e4, 2.0]], dtype)
    S.flags.writeable = False
    X, D = evaluate(ACTIVATIONS[name], S)
    assert X.dtype == D.dtype == dtype
    assert np.isfinite(X).all()
    assert np.isfinite(D).all()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_single_precision_agrees_with_double(name):
    S = np.linspace(-5, 5, 41)
    single, double = evaluate(ACTIVATIONS[name], S.astype("f")), evaluate(ACTIVATIONS[name], S)
    assert_allclose(single, double, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", SMOOTH)
def test_nan_is_not_hidden(name):
    X = np.zeros(1)
    with np.errstate(invalid="ignore"):
        ACTIVATIONS[name].forward(np.array([np.nan]), X)
    assert np.isnan(X).all()


def test_selu_keeps_zero_mean_and_unit_variance():
    S = np.linspace(-10, 10, 20001)
    X, _ = evaluate(SELU(), S)
    moments = [np.trapezoid(stats.norm.pdf(S) * X**k, S) for k in (1, 2)]
    assert_allclose(moments, [0, 1], atol=1e-6)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_lookup_and_suitable_initializer(name):
    activation = get_activation(name)
    assert activation is ACTIVATIONS[name]
    assert get_activation(activation) is activation
    assert activation.init in INITIALIZERS


@pytest.mark.parametrize("alias", ALIASES)
def test_alias(alias):
    assert get_activation(alias) is ACTIVATIONS[ALIASES[alias]]


@pytest.mark.parametrize("slope", [-0.1, 1.0, np.nan])
def test_leaky_relu_refuses_slope(slope):
    with pytest.raises(ValueError, match=r"slope of LeakyReLU must be in \[0, 1\)"):
        LeakyReLU(slope)


@pytest.mark.parametrize("alpha", [-1.0, 0.0, np.nan])
def test_elu_refuses_alpha(alpha):
    with pytest.raises(ValueError, match="alpha of ELU must be positive"):
        ELU(alpha)
