"""What several tests of the engine share: the table of losses, chains of layers, traces."""

import json
import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from skdnn.engine import losses
from skdnn.engine.activations import get_activation
from skdnn.engine.initializers import get_initializer
from skdnn.engine.layers import (
    PBLD,
    Activate,
    BatchNorm,
    Dense,
    Dropout,
    MemberDense,
    MemberScale,
    ParametricActivate,
    PeriodicEmbedding,
    Scale,
    SharedDense,
)
from skdnn.engine.network import Network
from skdnn.engine.stopping import Outcome

TRACES = np.load(Path(__file__).parents[1] / "data" / "torch_traces.npz")


def settings_of(kind: str) -> list:
    return json.loads(str(TRACES[f"{kind}_settings"]))


# Losses -------------------------------------------------------------------------------------------


def numbers(rng, m, k):
    return rng.normal(size=(m, k))


def far_numbers(rng, m, k):
    """Numbers that no score of a test comes near, so that no kink is crossed."""
    return rng.choice([-50.0, 50.0], (m, k)) + rng.normal(size=(m, k))


def counts(rng, m, k):
    return rng.poisson(2.0, (m, k)).astype(float)


def positive_numbers(rng, m, k):
    return rng.gamma(2.0, size=(m, k)) + 0.1


def bits(rng, m, k):
    return rng.integers(0, 2, (m, k)).astype(float)


def labels(rng, m, k):
    return rng.integers(0, k, m)


def half_numbers(rng, m, k):
    """Targets that two members share."""
    return numbers(rng, m, k // 2)


def half_labels(rng, m, k):
    return labels(rng, m, k // 2)


def several_labels(rng, m, k, sizes):
    assert sum(sizes) == k
    return np.column_stack([rng.integers(0, size, m) for size in sizes])


@dataclass(frozen=True)
class LossCase:
    loss: losses.Loss
    targets: object  # (rng, m, k) -> Y
    n_outputs: tuple[int, ...] = (1, 3)


LOSSES = {
    "squared error": LossCase(losses.SquaredError(), numbers),
    "absolute error": LossCase(losses.AbsoluteError(), far_numbers),
    "huber": LossCase(losses.Huber(0.5), numbers),
    "quantile": LossCase(losses.Quantile(0.3), far_numbers),
    "poisson": LossCase(losses.Poisson(), counts),
    "gamma": LossCase(losses.Gamma(), positive_numbers),
    "logistic": LossCase(losses.LogisticCrossEntropy(), bits),
    "logistic smoothed": LossCase(losses.LogisticCrossEntropy(0.1), bits),
    "logistic squared error": LossCase(losses.LogisticSquaredError(0.1), bits),
    "hinge": LossCase(losses.Hinge(1.0), bits),
    "perceptron": LossCase(losses.Hinge(0.0), bits),
    "softmax": LossCase(losses.SoftmaxCrossEntropy(), labels, (2, 3)),
    "softmax smoothed": LossCase(losses.SoftmaxCrossEntropy(0.1), labels, (3,)),
    "softmax squared error": LossCase(losses.SoftmaxSquaredError(0.1), labels, (3,)),
    "multiclass hinge": LossCase(losses.MulticlassHinge(1.0), labels, (3,)),
    "multiclass perceptron": LossCase(losses.MulticlassHinge(0.0), labels, (3,)),
    "per output": LossCase(
        losses.PerOutput(losses.SoftmaxCrossEntropy(), (2, 3)),
        partial(several_labels, sizes=(2, 3)),
        (5,),
    ),
    "members": LossCase(losses.MeanOverMembers(losses.SquaredError(), 2), half_numbers, (2, 6)),
    "members of softmax": LossCase(
        losses.MeanOverMembers(losses.SoftmaxCrossEntropy(0.1), 2), half_labels, (6,)
    ),
}
LOSSES_AND_OUTPUTS = [(name, k) for name, case in LOSSES.items() for k in case.n_outputs]


# Networks -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Order:
    """Which layers in which order."""

    widths: tuple[int, ...] = (4,)
    batch_norm: bool = False
    separate: bool = False  # the activation in a layer of its own, as after batch norm
    dropout: float = 0.0
    input_dropout: float = 0.0
    sparse: bool = False
    scale: bool = False
    parametric: bool = False
    embedding: type | None = None
    members: bool = False  # as many as there are outputs, each with one of them


ORDERS = {
    "linear": Order(()),
    "one hidden": Order(),
    "two hidden": Order((4, 3)),
    "one activation layer": Order(separate=True),
    "activation layers": Order((4, 3), separate=True),
    "batch norm": Order((4, 3), batch_norm=True),
    "dropout": Order((4, 3), dropout=0.3),
    "batch norm and dropout": Order((4,), batch_norm=True, dropout=0.3),
    "input dropout": Order(input_dropout=0.3),
    "sparse": Order(sparse=True),
    "sparse input dropout": Order(sparse=True, input_dropout=0.3),
    "scale": Order(scale=True),
    "sparse scale": Order(sparse=True, scale=True),
    "parametric activations": Order((4, 3), parametric=True),
    "pbld": Order(embedding=PBLD, scale=True),
    "periodic": Order(embedding=PeriodicEmbedding),
    "members": Order((4, 3), members=True),
}


def build(order="one hidden", activation="tanh", n_in=5, n_out=2, dtype="float64", seed=0):
    """Return a network of this order with random parameters, the offsets included."""
    if isinstance(order, str):
        order = ORDERS[order]
    init, sigma = get_initializer("glorot_uniform"), get_activation(activation)
    layers = [Dropout(n_in, order.input_dropout)] if order.input_dropout else []
    if order.embedding:
        layers.append(order.embedding(n_in, (0, 2, 4), n_frequencies=3, width=2, std=0.5))
        n_in = layers[-1].n_out
    layers += [Scale(n_in, rate=6.0)] if order.scale else []
    layers += [MemberScale(n_in, n_out)] if order.members else []
    for width in order.widths:
        if order.members:
            layers.append(SharedDense(n_out, n_in, width, init, sigma))
        elif order.parametric:
            layers += [Dense(n_in, width, init), ParametricActivate(width, sigma)]
        elif order.batch_norm or order.separate:
            layers.append(Dense(n_in, width, init))
            layers += [BatchNorm(width, momentum=0.1)] if order.batch_norm else []
            layers.append(Activate(width, sigma))
        else:
            layers.append(Dense(n_in, width, init, sigma))
        if order.dropout:
            layers.append(Dropout(width, order.dropout))
        n_in = width
    last = MemberDense(n_out, n_in, 1, init) if order.members else Dense(n_in, n_out, init)
    network = Network([*layers, last], dtype)
    rng = np.random.default_rng(seed)
    network.initialize(rng)
    network.parameters.theta += 0.3 * rng.normal(size=network.parameters.theta.size)
    return network


def slope_along(f, x, d, h=1e-6):
    """Central difference of f at x along d."""
    return (f(x + h * d) - f(x - h * d)) / (2 * h)


# Trainings ----------------------------------------------------------------------------------------


@dataclass
class Spectator:
    """Watches, and asks to stop after so many epochs."""

    stop_after: float = math.inf

    def __post_init__(self):
        self.epochs, self.n_begun = [], 0

    def on_epoch_begin(self):
        self.n_begun += 1

    def on_epoch_end(self, epoch):
        self.epochs.append(epoch)
        return Outcome.STOPPED if len(self.epochs) >= self.stop_after else None

    def losses(self):
        return [epoch.loss for epoch in self.epochs]
