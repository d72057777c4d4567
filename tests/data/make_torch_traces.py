"""Write torch_traces.npz, what PyTorch computes where `tests/engine` compares with it.

Run ``python make_torch_traces.py`` where PyTorch is installed; the tests need the file only.
Every input is drawn here with numpy and lies in the file beside the results.
"""

import json
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

torch.set_default_dtype(torch.float64)

SIZES = (4, 5, 3)
N_STEPS, BATCH_SIZE = 20, 8

# (name here, parameters here, PyTorch's class and parameters)
OPTIMIZERS = [
    ("sgd", 0.5, {}, torch.optim.SGD, {}),
    ("sgd", 0.05, {}, torch.optim.SGD, {}),
    ("sgd", 0.1, {"momentum": 0.9}, torch.optim.SGD, {"momentum": 0.9}),
    ("sgd", 0.3, {"momentum": 0.5}, torch.optim.SGD, {"momentum": 0.5}),
    *(
        ("sgd", lr, {"momentum": mu, "nesterov": True}, torch.optim.SGD,
         {"momentum": mu, "nesterov": True})
        for lr, mu in [(0.1, 0.9), (0.3, 0.5)]
    ),
    *(
        (name, lr, {"beta_1": b1, "beta_2": b2, "epsilon": eps}, kind,
         {"betas": (b1, b2), "eps": eps, **more})
        for name, kind, more in [
            ("adam", torch.optim.Adam, {}),
            ("amsgrad", torch.optim.Adam, {"amsgrad": True}),
            ("adamax", torch.optim.Adamax, {}),
            ("nadam", torch.optim.NAdam, {}),
        ]
        for lr, b1, b2, eps in [
            (0.01, 0.9, 0.999, 1e-8), (0.1, 0.5, 0.9, 1e-3), (0.03, 0.95, 0.5, 1e-6),
        ]
    ),
    ("adagrad", 0.1, {"epsilon": 1e-8}, torch.optim.Adagrad, {"eps": 1e-8}),
    ("adagrad", 0.5, {"epsilon": 1e-2}, torch.optim.Adagrad, {"eps": 1e-2}),
    *(
        ("rmsprop", lr, {"rho": rho, "epsilon": eps}, torch.optim.RMSprop,
         {"alpha": rho, "eps": eps})
        for lr, rho, eps in [(0.01, 0.9, 1e-8), (0.05, 0.99, 1e-3)]
    ),
    *(
        ("adadelta", lr, {"rho": rho, "epsilon": eps}, torch.optim.Adadelta,
         {"rho": rho, "eps": eps})
        for lr, rho, eps in [(1.0, 0.9, 1e-6), (3.0, 0.5, 1e-3)]
    ),
]  # fmt: skip
DECAYED = [
    ("adam", lr, {"beta_1": b1, "beta_2": b2, "epsilon": 1e-8}, torch.optim.AdamW,
     {"betas": (b1, b2)}, decay)
    for lr, b1, b2, decay in [(0.01, 0.9, 0.999, 0.1), (0.1, 0.5, 0.9, 0.5)]
]  # fmt: skip
ACTIVATIONS = [
    ("relu", {}, functional.relu),
    ("leaky_relu", {}, functional.leaky_relu),
    ("leaky_relu", {"slope": 0.2}, lambda s: functional.leaky_relu(s, 0.2)),
    ("elu", {}, functional.elu),
    ("elu", {"alpha": 0.7}, lambda s: functional.elu(s, 0.7)),
    ("selu", {}, functional.selu),
    ("softplus", {}, lambda s: functional.softplus(s, threshold=100)),
    ("gelu", {}, functional.gelu),
    ("silu", {}, functional.silu),
    ("mish", {}, functional.mish),
    ("tanh", {}, torch.tanh),
    ("logistic", {}, torch.sigmoid),
]


def traverse_optimizers(rng: np.random.Generator) -> dict:
    """Train a small tanh network and record θ = [W₁, W₂, b₁, b₂] after steps 1 and 20."""
    n_in, n_hidden, n_out = SIZES
    shapes = [(n_in, n_hidden), (n_hidden, n_out), (n_hidden,), (n_out,)]
    start = [rng.normal(scale=0.5, size=shape) for shape in shapes]
    X, y = rng.normal(size=(5 * BATCH_SIZE, n_in)), rng.integers(0, n_out, 5 * BATCH_SIZE)
    traces, settings = [], []
    for name, lr, here, kind, there, *decay in [*OPTIMIZERS, *DECAYED]:
        decay = decay[0] if decay else 0.0
        theta = [torch.tensor(part, requires_grad=True) for part in start]
        groups = [
            {"params": theta[:2], "weight_decay": decay},
            {"params": theta[2:], "weight_decay": 0.0},
        ]
        traces.append(train(theta, kind(groups, lr=lr, **there), X, y))
        settings.append([name, lr, here, decay])
    return {
        "net_start": np.concatenate([part.ravel() for part in start]),
        "net_X": X,
        "net_y": y,
        "net_thetas": np.array(traces),
        "net_settings": json.dumps(settings),
    }


def train(theta: list, optimizer, X, y) -> list:
    """Take the steps on the batches in turn."""
    W_1, W_2, b_1, b_2 = theta
    recorded = []
    for step in range(N_STEPS):
        first = step * BATCH_SIZE % len(X)
        rows = slice(first, first + BATCH_SIZE)
        optimizer.zero_grad()
        S = torch.tanh(torch.tensor(X[rows]) @ W_1 + b_1) @ W_2 + b_2
        functional.cross_entropy(S, torch.tensor(y[rows])).backward()
        optimizer.step()
        if step + 1 in (1, N_STEPS):
            recorded.append(np.concatenate([part.detach().numpy().ravel() for part in theta]))
    return recorded


def trace_activations() -> dict:
    """Values and derivatives over a grid that holds 0 and far ends."""
    grid = np.concatenate([[-40.0, -15.0], np.linspace(-6, 6, 25), [15.0, 40.0]])
    values, derivatives = [], []
    for _, _, function in ACTIVATIONS:
        s = torch.tensor(grid, requires_grad=True)
        x = function(s)
        x.sum().backward()
        values.append(x.detach().numpy())
        derivatives.append(s.grad.numpy())
    return {
        "activation_grid": grid,
        "activation_values": np.array(values),
        "activation_derivatives": np.array(derivatives),
        "activation_settings": json.dumps([setting[:2] for setting in ACTIVATIONS]),
    }


def trace_losses(rng: np.random.Generator) -> dict:
    """Weighted means over rows and their gradients, the outputs of a row added up."""
    m, k = 12, 3
    S, weight = 2 * rng.normal(size=(m, k)), rng.uniform(0.1, 2, m)
    Y = {
        "labels": rng.integers(0, k, m),
        "bits": rng.integers(0, 2, (m, k)).astype(float),
        "numbers": 2 * rng.normal(size=(m, k)),
        "counts": rng.poisson(2.0, (m, k)).astype(float),
    }
    bce = functional.binary_cross_entropy_with_logits
    functions = [
        ("SoftmaxCrossEntropy", {}, "labels",
         lambda s, y: functional.cross_entropy(s, y, reduction="none")),
        *(
            ("SoftmaxCrossEntropy", {"smoothing": e}, "labels",
             lambda s, y, e=e: functional.cross_entropy(s, y, label_smoothing=e, reduction="none"))
            for e in (0.1, 0.5)
        ),
        ("LogisticCrossEntropy", {}, "bits", lambda s, y: bce(s, y, reduction="none").sum(1)),
        *(
            ("Huber", {"delta": d}, "numbers",
             lambda s, y, d=d: functional.huber_loss(s, y, delta=d, reduction="none").sum(1))
            for d in (0.5, 1.5)
        ),
        ("SquaredError", {}, "numbers",
         lambda s, y: 0.5 * functional.mse_loss(s, y, reduction="none").sum(1)),
        ("AbsoluteError", {}, "numbers",
         lambda s, y: functional.l1_loss(s, y, reduction="none").sum(1)),
        ("Poisson", {}, "counts",
         lambda s, y: (functional.poisson_nll_loss(s, y, log_input=True, reduction="none")
                       + torch.special.xlogy(y, y) - y).sum(1)),
    ]  # fmt: skip
    values, gradients = [], []
    for _, _, kind, function in functions:
        s, w = torch.tensor(S, requires_grad=True), torch.tensor(weight)
        loss = (w * function(s, torch.tensor(Y[kind]))).sum() / w.sum()
        loss.backward()
        values.append(loss.item())
        gradients.append(s.grad.numpy())
    return {
        "loss_S": S,
        "loss_weight": weight,
        **{f"loss_{kind}": y for kind, y in Y.items()},
        "loss_values": np.array(values),
        "loss_gradients": np.array(gradients),
        "loss_settings": json.dumps([setting[:3] for setting in functions]),
    }


def trace_batch_norm(rng: np.random.Generator) -> dict:
    """A few batches of different sizes through a batch norm layer, then prediction."""
    sizes, n, momentum, epsilon = (6, 4, 7), 3, 0.2, 1e-3
    S, dY = 2 + 3 * rng.normal(size=(2, sum(sizes), n))
    gamma, beta = rng.normal(size=(2, n))
    layer = torch.nn.BatchNorm1d(n, eps=epsilon, momentum=momentum)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(gamma))
        layer.bias.copy_(torch.tensor(beta))
    results = []
    for end, m in zip(np.cumsum(sizes), sizes, strict=True):
        rows = slice(end - m, end)
        s = torch.tensor(S[rows], requires_grad=True)
        layer.zero_grad()
        y = layer(s)
        y.backward(torch.tensor(dY[rows]))
        results.append([y.detach(), s.grad, layer.weight.grad[None], layer.bias.grad[None]])
    layer.eval()
    names = ("Y", "dS", "dgamma", "dbeta")
    parts = {
        f"norm_{k}": np.vstack(p) for k, p in zip(names, zip(*results, strict=True), strict=True)
    }
    return parts | {
        "norm_sizes": np.array(sizes),
        "norm_settings": np.array([momentum, epsilon]),
        "norm_S": S,
        "norm_upstream": dY,
        "norm_gamma": gamma,
        "norm_beta": beta,
        "norm_mean": layer.running_mean.numpy(),
        "norm_var": layer.running_var.numpy(),
        "norm_infer": layer(torch.tensor(S)).detach().numpy(),
    }


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    parts = [
        traverse_optimizers(rng), trace_activations(), trace_losses(rng), trace_batch_norm(rng)
    ]  # fmt: skip
    traces = {name: value for part in parts for name, value in part.items()}
    np.savez_compressed(Path(__file__).with_name("torch_traces.npz"), **traces)
