"""The compiled kernels beside their definitions, and training with either."""

from dataclasses import replace
from inspect import signature
from itertools import product

import numpy as np
import pytest
from engine_cases import LOSSES, Spectator, build
from numpy.testing import assert_allclose

from skdnn.engine import kernels  # raises where SKDNN_KERNELS asks for what is not there
from skdnn.engine.activations import ACTIVATIONS, LeakyReLU
from skdnn.engine.batches import Batches
from skdnn.engine.kernels import definitions
from skdnn.engine.lbfgs import descend_lbfgs
from skdnn.engine.losses import SoftmaxCrossEntropy
from skdnn.engine.optimizers import OPTIMIZERS, SGD
from skdnn.engine.schedules import Cosine
from skdnn.engine.stopping import Outcome
from skdnn.engine.training import Descent, Trainer, descend

compiled = pytest.importorskip(
    "skdnn.engine.kernels._compiled", reason="no compiler was there when the kernels were built"
)

TWINS = [name for name in vars(kernels) if hasattr(definitions, name) and hasattr(compiled, name)]
KERNELS = [name for name in TWINS if callable(getattr(kernels, name))]
TOLERANCE = {"float32": 1e-6, "float64": 1e-13}
# Rows, inputs, outputs: none, one, no multiple of what the processor takes at once, and larger.
SHAPES = [
    *[(0, 3, 5), (4, 0, 3), (4, 3, 0), (1, 1, 1), (1, 7, 33), (7, 1, 33), (33, 7, 1)],
    *[(8, 16, 32), (129, 33, 7), (200, 100, 129)],
]
FEW_SHAPES = [(4, 3, 0), (7, 1, 33), (8, 16, 32)]
every_dtype = pytest.mark.parametrize("dtype", TOLERANCE)
LAYOUTS = {
    "contiguous": np.copy,
    "read-only": lambda A: read_only(A.copy()),
    "strided": lambda A: np.repeat(A, 2, axis=-1)[..., ::2],
    "fortran": np.asfortranarray,
    "unaligned": lambda A: unaligned(A),
    "swapped": lambda A: A.astype(A.dtype.newbyteorder()),
}


def read_only(A):
    A.flags.writeable = False
    return A


def unaligned(A):
    place = np.empty(A.nbytes + 1, "int8")[1:].view(A.dtype).reshape(A.shape)
    place[...] = A
    return place


# Arguments of every kernel: (inputs, outputs), by name; an output may be read as well. ----------


def dense_forward(r, m, k, n):
    for sigma in [*ACTIVATIONS.values(), LeakyReLU(0.3), LeakyReLU(0.0)]:
        Y = r(m, n)
        S = Y if sigma.from_output else r(m, n)
        yield {"X": r(m, k), "W": r(k, n), "b": r(n), "activation": sigma}, {"S": S, "Y": Y}


def dense_backward(r, m, k, n):
    for sigma in [*ACTIVATIONS.values(), LeakyReLU(0.3), LeakyReLU(0.0)]:
        S = r(m, n)
        Y = np.empty_like(S)
        sigma.forward(S, Y)
        S = Y if sigma.from_output else S
        inputs = {"X": r(m, k), "W": r(k, n), "activation": sigma, "S": S, "Y": Y}
        for dX in (r(m, k), None):
            outputs = {"dY": 1 + r(m, n), "D": r(m, n), "dW": r(k, n), "db": r(n), "dX": dX}
            yield inputs, outputs


def batch_norm_forward(r, m, k, n):
    rows = {name: r(n) for name in ("mean", "var", "sigma")}
    inputs = {"S": 3 + 2 * r(m, n), "gamma": r(n), "beta": r(n), "epsilon": 1e-5}
    yield inputs, rows | {"S_hat": r(m, n), "Y": r(m, n)}


def batch_norm_backward(r, m, k, n):
    inputs = {"dY": 1 + r(m, n), "S_hat": r(m, n), "sigma": 0.1 + abs(r(n)), "gamma": r(n)}
    yield inputs, {"dgamma": r(n), "dbeta": r(n), "dS": r(m, n)}


def row_weights(r, m):
    weight = abs(r(m))
    weight[::3] = 0.0
    return [None, abs(r(m)), weight[::-1].copy(), 1000 * weight[::-1].copy()]


def softmax(r, m, k, n):
    for S in (r(m, n + 1), 1000 * r(m, n + 1)):  # probabilities of 0 and 1, and between them
        yield {"S": S}, {"P": r(m, n + 1)}


def softmax_cross_entropy(r, m, k, n):
    labels = np.arange(m) % (n + 2)
    for weight, smoothing in product(row_weights(r, m), [0.0, 0.1, 0.5]):
        inputs = {"S": r(m, n + 2), "labels": labels, "weight": weight}
        yield inputs | {"smoothing": smoothing}, {"dS": r(m, n + 2)}


def logistic_cross_entropy(r, m, k, n):
    for weight, smoothing in product(row_weights(r, m), [0.0, 0.1, 0.5]):
        inputs = {"S": r(m, n), "T": (r(m, n) > 0).astype(r(1).dtype), "weight": weight}
        yield inputs | {"smoothing": smoothing}, {"dS": r(m, n)}


def gather(r, m, k, n):
    rows = np.arange(m)[::-2] if m else np.arange(0)
    for A in (r(m, n), r(m), (9 * r(m, n)).astype(int)):
        yield {"A": A, "rows": rows.copy()}, {"out": A[rows]}
    for A in (r(m, n).astype(float), r(m).astype(float)):  # rounded, where r is single
        yield {"A": A, "rows": rows.copy()}, {"out": A[rows].astype(r(1).dtype)}


def l2_penalty(r, m, k, n):
    yield {"W": r(m * n), "decay": 0.3}, {"g": r(m * n)}


def steps(*settings, moments):
    """Cases of an optimizer step, with one learning rate and with one a parameter."""

    def cases(r, m, k, n):
        for one in settings:
            for lr in (0.01, abs(r(m * n))):
                vectors = {name: abs(r(m * n)) for name in moments}
                theta = {"theta": r(m * n)} | vectors | {"work": r(m * n)}
                yield {"g": r(m * n), "lr": lr} | one, theta

    return cases


EPS = {"epsilon": 1e-8}
BETAS = [{"beta_1": 0.9, "beta_2": b, "t": t} | EPS for b in (0.999, 1 - 1e-9) for t in (1, 1000)]
RHO = [{"rho": rho} | EPS for rho in (0.9, 0.99999)]
CASES = {
    "dense_forward": dense_forward,
    "dense_backward": dense_backward,
    "batch_norm_forward": batch_norm_forward,
    "batch_norm_backward": batch_norm_backward,
    "softmax": softmax,
    "softmax_cross_entropy": softmax_cross_entropy,
    "logistic_cross_entropy": logistic_cross_entropy,
    "gather": gather,
    "l2_penalty": l2_penalty,
    "sgd_step": steps(
        *[{"momentum": 0.9, "nesterov": nesterov} for nesterov in (False, True)], moments=["v"]
    ),
    "adam_step": steps(*BETAS, moments=["m", "v"]),
    "amsgrad_step": steps(*BETAS, moments=["m", "v", "v_max"]),
    "adamax_step": steps(*BETAS, moments=["m", "u"]),
    "nadam_step": steps(*[one | {"a": 0.7, "b": 0.4} for one in BETAS], moments=["m", "v"]),
    "adagrad_step": steps(EPS, moments=["v"]),
    "rmsprop_step": steps(*RHO, moments=["v"]),
    "adadelta_step": steps(*RHO, moments=["v", "d"]),
}
SCRATCH = {"dense_forward": {"S"}, "dense_backward": {"D"}}  # besides every optimizer's `work`
every_kernel = pytest.mark.parametrize("name", CASES)
# These want their outputs in one piece, as the products of matrices in numpy do.
IN_ONE_PIECE = {"dense_forward", "dense_backward", "batch_norm_forward", "batch_norm_backward"}


def cases(name, dtype, shapes=SHAPES):
    rng = np.random.default_rng(3)
    for shape in shapes:
        yield from CASES[name](lambda *size: rng.normal(size=size).astype(dtype), *shape)


def call(module, name, inputs, outputs):
    """Call a kernel on copies of the outputs; return what it returns, or raises, and wrote."""
    copies = {id(A): None if A is None else A.copy() for A in outputs.values()}  # S may be Y
    arguments = inputs | {key: copies[id(A)] for key, A in outputs.items()}
    order = signature(getattr(definitions, name)).parameters
    with np.errstate(all="ignore"):
        try:
            value = getattr(module, name)(*[arguments[key] for key in order])
        except ZeroDivisionError as error:  # the mean over no rows
            return type(error), {}
    scratch = SCRATCH.get(name, set()) | {"work"}
    return value, {key: arguments[key] for key in outputs if key not in scratch}


def error(a, b):
    """Return the largest difference as a share of the largest number."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    assert a.shape == b.shape
    assert np.array_equal(np.isnan(a), np.isnan(b))
    a, b = np.nan_to_num(a), np.nan_to_num(b)
    return abs(a - b).max(initial=0.0) / (abs(b).max(initial=0.0) or 1.0)


def test_every_compiled_kernel_is_tested():
    assert set(KERNELS) == {*CASES, "dropout_mask"}


@every_kernel
@every_dtype
@pytest.mark.parametrize("layout", LAYOUTS)
def test_like_the_definition(name, dtype, layout):
    arrange, shapes = LAYOUTS[layout], SHAPES if layout == "contiguous" else FEW_SHAPES
    for inputs, outputs in cases(name, dtype, shapes):
        arranged = {key: arrange(A) if is_array(A) else A for key, A in inputs.items()}
        before = {key: A.copy() for key, A in arranged.items() if is_array(A)}
        value, written = call(compiled, name, arranged, outputs)
        expected, expected_written = call(definitions, name, inputs, outputs)
        assert type(value) is type(expected)
        if not isinstance(value, type(None) | type):
            assert error(value, expected) <= TOLERANCE[dtype]
        for key, A in expected_written.items():
            assert A is None or error(written[key], A) <= TOLERANCE[dtype], key
        assert all(np.array_equal(arranged[key], A) for key, A in before.items())


@every_dtype
def test_what_a_buffer_held_does_not_matter(dtype):
    for name, read in (("dense_forward", ()), ("dense_backward", ("dY",))):
        for inputs, outputs in cases(name, dtype):
            spoilt = {id(A): np.full_like(A, np.nan) for A in outputs.values() if A is not None}
            spoilt = {
                key: A if A is None or key in read else spoilt[id(A)] for key, A in outputs.items()
            }
            _, expected = call(compiled, name, inputs, outputs)
            _, written = call(compiled, name, inputs, spoilt)
            for key, A in expected.items():
                assert A is None or np.array_equal(written[key], A), key


def is_array(A):
    return isinstance(A, np.ndarray)


@every_kernel
@every_dtype
def test_writes_to_nothing_that_is_read_only(name, dtype):
    for inputs, outputs in cases(name, dtype, [(7, 3, 5)]):
        locked = {key: read_only(A.copy()) for key, A in outputs.items() if A is not None}
        arguments = {"dX": None} | inputs | locked
        order = signature(getattr(definitions, name)).parameters
        with pytest.raises(ValueError, match=r"read-only|array"):
            getattr(compiled, name)(*[arguments[key] for key in order])
        assert all(np.array_equal(locked[key], outputs[key]) for key in locked)


@pytest.mark.parametrize("name", [name for name in CASES if name not in IN_ONE_PIECE])
def test_takes_outputs_of_other_layouts(name):
    for inputs, outputs in cases(name, "float64", [(7, 3, 5)]):
        _, written = call(compiled, name, inputs, outputs)
        places = {key: np.repeat(A, 2, axis=-1)[..., ::2] for key, A in outputs.items()}
        order = signature(getattr(definitions, name)).parameters
        getattr(compiled, name)(*[(inputs | places)[key] for key in order])
        for key, A in written.items():
            assert error(places[key], A) <= 1e-13


@every_dtype
@pytest.mark.parametrize("kind", ["PCG64", "PCG64DXSM", "SFC64", "Philox", "MT19937"])
def test_dropout_draws_the_same_numbers(kind, dtype):
    for shape in [(0, 3), (1, 1), (1, 7), (33, 129), (200, 100), (5,)]:
        for keep in (1, 1 << 15, 50000, 65535):
            masks, after = [], []
            for module in (compiled, definitions):
                rng = np.random.Generator(getattr(np.random, kind)(4))
                rng.integers(0, 9, 1, "uint32")  # half a word is left over
                masks.append(np.full(shape, np.nan, dtype))
                module.dropout_mask(rng, keep, masks[-1])
                after.append([*rng.integers(0, 9, 3, "uint32"), *rng.random(3)])
            assert np.array_equal(*masks)
            assert after[0] == after[1]


def test_dropout_into_another_layout_draws_the_same_numbers():
    masks = np.empty((5, 7)), np.empty((5, 14))[:, ::2]
    for mask in masks:
        compiled.dropout_mask(np.random.default_rng(1), 1 << 15, mask)
    assert np.array_equal(*masks)


@every_dtype
@pytest.mark.parametrize("name", ["adam_step", "amsgrad_step", "rmsprop_step", "adagrad_step"])
def test_tiny_gradients(name, dtype):
    # their squares, or the square roots of those, are no normal numbers any more
    for inputs, outputs in cases(name, dtype, [(7, 3, 5)]):
        g = inputs["g"] * np.logspace(-45, 0, inputs["g"].size).astype(dtype)
        for key in set(outputs) - {"theta"}:
            outputs[key].fill(0.0)
        one, other = (call(m, name, inputs | {"g": g}, outputs) for m in (compiled, definitions))
        assert error(one[1]["theta"], other[1]["theta"]) <= TOLERANCE[dtype]


@every_dtype
def test_sums_over_many_rows(dtype, rng):
    S = (5 + rng.normal(size=(50000, 3))).astype(dtype)
    row, gamma = np.zeros((4, 3), dtype), np.ones(3, dtype)
    results = []
    for module in (compiled, definitions):
        mean, var, sigma, db, dW = *np.empty((4, 3), dtype), np.empty((3, 3), dtype)
        S_hat, Y = np.empty((2, *S.shape), dtype)
        module.batch_norm_forward(S, gamma, row[0], 1e-5, mean, var, sigma, S_hat, Y)
        D, dX = np.empty_like(S), None
        module.dense_backward(S, dW, ACTIVATIONS["identity"], S, S, S.copy(), D, dW, db, dX)
        results.append([mean.copy(), var.copy(), db.copy()])
    exact = [S.mean(0, dtype=float), S.var(0, dtype=float), S.sum(0, dtype=float)]
    for ours, numpys, true in zip(*results, exact, strict=True):
        bound = 2 * error(numpys, true) + (2e-5 if dtype == "float32" else 1e-12)
        assert error(ours, true) <= bound


# Whole trainings ----------------------------------------------------------------------------------


def curves(monkeypatch, run):
    """Return what `run` returns with the definitions and with the compiled kernels."""
    results = []
    for module in (definitions, compiled):
        with monkeypatch.context() as patch:
            for name in KERNELS:
                patch.setattr(kernels, name, getattr(module, name))
            results.append(run())
    return results


def data(dtype, case, k, m=50):
    rng = np.random.default_rng(8)
    X, Y = rng.normal(size=(m, 5)).astype(dtype), case.targets(rng, m, k)
    return X, Y.astype(dtype) if Y.dtype.kind == "f" else Y, rng.uniform(0.1, 3, m).astype(dtype)


PLAIN = Descent(OPTIMIZERS["adam"](), 0.01, Cosine(), n_epochs=5, alpha=0.1)
SOLVERS = {
    **{name: replace(PLAIN, optimizer=kind()) for name, kind in OPTIMIZERS.items()},
    "momentum": replace(PLAIN, optimizer=SGD(0.9)),
    "nesterov": replace(PLAIN, optimizer=SGD(0.9, nesterov=True), clip_norm=1.0),
    "decay": replace(PLAIN, weight_decay=0.1, max_norm=1.0),
}


# The solver sees nothing of the layers but the gradient: each with one of the other.
CURVES = [
    *[("two hidden", "gelu", solver) for solver in SOLVERS],
    *product(["two hidden", "batch norm", "batch norm and dropout"], ["relu", "tanh"], ["adam"]),
]


@every_dtype
@pytest.mark.parametrize(("order", "activation", "solver"), CURVES)
def test_same_curve(dtype, order, activation, solver, monkeypatch):
    def run():
        network = build(order, activation, dtype=dtype)
        generators = np.random.default_rng(1), np.random.default_rng(2)
        trainer = Trainer(network, SoftmaxCrossEntropy(0.1), SOLVERS[solver], *generators)
        listener = Spectator()
        descend(trainer, Batches(*data(dtype, LOSSES["softmax"], 2), 9), 5, listener)
        return listener.losses(), network.parameters.values.copy(), generators[1].random()

    one, other = curves(monkeypatch, run)
    rtol = {"float32": 1e-4, "float64": 1e-10}[dtype]
    assert len(one[0]) == 5
    assert_allclose(one[0], other[0], rtol=rtol)
    if order == "two hidden":  # batch norm undoes the offsets before it: their gradient is noise
        assert_allclose(one[1], other[1], rtol=rtol, atol=rtol)
    assert one[2] == other[2]


@pytest.mark.parametrize("name", LOSSES)
def test_same_curve_for_every_loss(name, monkeypatch):
    case = LOSSES[name]
    k = case.n_outputs[-1]

    def run():
        network = build("one hidden", "relu", n_out=k)
        trainer = Trainer(network, case.loss, PLAIN, *[np.random.default_rng(i) for i in (1, 2)])
        listener = Spectator()
        descend(trainer, Batches(*data("float64", case, k), 9), 5, listener)
        return listener.losses()

    assert_allclose(*curves(monkeypatch, run), rtol=1e-10)


@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu"])
def test_same_curve_of_lbfgs(activation, monkeypatch):
    def run():
        network, listener = build("two hidden", activation), Spectator()
        generators = np.random.default_rng(1), np.random.default_rng(2)
        trainer = Trainer(network, SoftmaxCrossEntropy(), PLAIN, *generators)
        batches = Batches(*data("float64", LOSSES["softmax"], 2), 9)
        outcome, _ = descend_lbfgs(trainer, batches, {"maxiter": 10}, listener)
        assert outcome is Outcome.MAX_EPOCHS
        return listener.losses()

    assert_allclose(*curves(monkeypatch, run), rtol=1e-6)
