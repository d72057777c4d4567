"""The same network trained by hand in PyTorch, JAX and bare numpy products, and by skorch.

Each builder returns functions without arguments that train from new weights and return nothing.
Hidden layers are ReLU, the optimizer is Adam; two classes are one logistic output, as in skdnn
and scikit-learn, more are a softmax.
"""

import math
from itertools import pairwise

import numpy as np


def n_outputs(n_classes):
    """Return the number of outputs that a classifier of so many classes has."""
    return 1 if n_classes == 2 else n_classes


def layer_sizes(n_in, hidden, n_classes):
    """Return the (inputs, outputs) of every layer."""
    sizes = [n_in, *hidden, n_outputs(n_classes)]
    return list(pairwise(sizes))


# The matrix products ------------------------------------------------------------------


def bare_products(layers, n_rows, batch, epochs):
    """Return a function that does the matrix products of a whole fit and nothing else.

    Those of a step are X W for every layer and backwards Xᵀ dS and, but for the first layer,
    dS Wᵀ, in float32, into buffers that are there already.
    """
    rng = np.random.default_rng(0)

    def products(n):
        """Return the (A, B, out) of every product of a step on n rows."""
        calls = []
        for i, (n_in, n_out) in enumerate(layers):
            X, W, dS = (
                rng.standard_normal(shape, np.float32)
                for shape in ((n, n_in), (n_in, n_out), (n, n_out))
            )
            calls += [(X, W, np.empty_like(dS)), (X.T, dS, np.empty_like(W))]
            if i > 0:
                calls.append((dS, W.T, np.empty_like(X)))
        return calls

    whole, rest = products(batch), products(n_rows % batch)

    def run():
        for _ in range(epochs):
            for _ in range(n_rows // batch):
                for A, B, out in whole:
                    np.dot(A, B, out=out)
            if n_rows % batch:
                for A, B, out in rest:
                    np.dot(A, B, out=out)

    return run


# PyTorch ------------------------------------------------------------------------------


def torch_network(layers, dropout=0.0, batch_norm=False):
    """Return an `nn.Sequential`."""
    from torch import nn

    modules = []
    for n_in, n_out in layers[:-1]:
        modules.append(nn.Linear(n_in, n_out))
        if batch_norm:
            modules.append(nn.BatchNorm1d(n_out))
        modules.append(nn.ReLU())
        if dropout:
            modules.append(nn.Dropout(dropout))
    return nn.Sequential(*modules, nn.Linear(*layers[-1]))


def torch_tensors(X, y, layers):
    """Return X and y as PyTorch's losses want them."""
    import torch

    logistic = layers[-1][1] == 1
    y = torch.from_numpy(y)
    return torch.from_numpy(X.astype(np.float32)), y.float()[:, None] if logistic else y


class TorchTraining:
    """A network in PyTorch with its optimizer, ready to be trained epoch by epoch."""

    def __init__(self, layers, batch, **regularisation):
        import torch

        self.network = torch_network(layers, **regularisation)
        logistic = layers[-1][1] == 1
        self.loss = torch.nn.BCEWithLogitsLoss() if logistic else torch.nn.CrossEntropyLoss()
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=1e-3, fused=True)
        self.batch = batch

    def epoch(self, X, y):
        """Pass over the shuffled rows once and return the mean loss."""
        import torch

        total = 0.0
        for rows in torch.randperm(len(X)).split(self.batch):
            self.optimizer.zero_grad()
            inputs, targets = X.index_select(0, rows), y.index_select(0, rows)  # beats X[rows]
            loss = self.loss(self.network(inputs), targets)
            loss.backward()
            self.optimizer.step()
            total += loss.item() * len(rows)
        return total / len(X)


def torch_fit(X, y, layers, batch, epochs, **regularisation):
    """Return a function that trains in a loop written by hand."""
    X, y = torch_tensors(X, y, layers)

    def run():
        training = TorchTraining(layers, batch, **regularisation)
        for _ in range(epochs):
            training.epoch(X, y)

    return run


def skorch_fit(X, y, layers, batch, epochs):
    """Return a function that trains the same network with skorch."""
    import skorch
    import torch

    X, y = torch_tensors(X, y, layers)
    logistic = layers[-1][1] == 1
    options = {} if logistic else {"criterion": torch.nn.CrossEntropyLoss}
    net = (skorch.NeuralNetBinaryClassifier if logistic else skorch.NeuralNetClassifier)(
        torch_network,
        module__layers=layers,
        optimizer=torch.optim.Adam,
        optimizer__fused=True,
        lr=1e-3,
        max_epochs=epochs,
        batch_size=batch,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
        **options,
    )
    X, y = X.numpy(), y.numpy().ravel()
    return lambda: net.fit(X, y)


# JAX ----------------------------------------------------------------------------------


def jax_fit(X, y, layers, batch, epochs):
    """Return functions that train with an epoch in one jitted scan: compiled before, and not."""
    import jax
    import jax.numpy as jnp
    import optax

    X, y = jnp.asarray(X, jnp.float32), jnp.asarray(y, jnp.int32)
    optimizer = optax.adam(1e-3)
    logistic = layers[-1][1] == 1

    def loss(parameters, X, y):
        for W, b in parameters[:-1]:
            X = jax.nn.relu(X @ W + b)
        W, b = parameters[-1]
        S = X @ W + b
        if logistic:
            return optax.sigmoid_binary_cross_entropy(S[:, 0], y).mean()
        return optax.softmax_cross_entropy_with_integer_labels(S, y).mean()

    def epoch(state, X, y, order):
        def step(state, rows):
            parameters, moments = state
            value, gradient = jax.value_and_grad(loss)(parameters, X[rows], y[rows])
            updates, moments = optimizer.update(gradient, moments)
            return (optax.apply_updates(parameters, updates), moments), value * len(rows)

        n_whole = len(order) // batch * batch
        state, values = jax.lax.scan(step, state, order[:n_whole].reshape(-1, batch))
        total = values.sum()
        if n_whole < len(order):
            state, value = step(state, order[n_whole:])
            total += value
        return state, total / len(order)

    compiled_epoch = jax.jit(epoch, donate_argnums=0)
    rng = np.random.default_rng(0)

    def run():
        parameters = []
        for n_in, n_out in layers:
            W = rng.standard_normal((n_in, n_out), np.float32) * np.float32(math.sqrt(2 / n_in))
            parameters.append((jnp.asarray(W), jnp.zeros(n_out)))
        state = parameters, optimizer.init(parameters)
        for _ in range(epochs):
            order = jnp.asarray(rng.permutation(len(X)).astype(np.int32))
            state, value = compiled_epoch(state, X, y, order)
            float(value)
        jax.block_until_ready(state)

    def compile_and_run():
        jax.clear_caches()
        run()

    return run, compile_and_run
