"""A network: a chain of layers over one parameter vector."""

import copy
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from scipy import sparse

from skdnn.engine import kernels
from skdnn.engine.arrays import Array
from skdnn.engine.batches import Batch
from skdnn.engine.layers import Affine, Dense, Layer
from skdnn.engine.losses import Loss
from skdnn.engine.parameters import ParameterVector

CHUNK_NUMBERS = 2**17  # numbers in the widest array of a chunk at prediction


class Network:
    """Layer after layer: S = f_L(… f₂(f₁(X))); the gradient by backpropagation.

    Rumelhart, Hinton and Williams (1986); Bishop (2006, sec. 5.3).  X has shape (m, n_in), S
    (m, n_scores), θ (p,).

    Parameters
    ----------
    layers : sequence of Layer
        The chain, the first layer first.  Each layer's n_out is the n_in of the next; the last
        layer returns the raw scores.
    dtype : {"float32", "float64"}
        Type of all numbers.
    parameters : ParameterVector, default=None
        Numbers in that type, cut as the layers want them; None makes new ones, all zero.

    Attributes
    ----------
    parameters : ParameterVector
        All numbers of the network.
    gradient : ndarray of shape (p,)
        ∂L/∂θ of the last `loss_and_gradient`; made by `prepare_training`.
    work : int
        Multiplications a row at prediction.
    learning_rate_factors : ndarray of shape (p,) or None
        Factor of the learning rate of every parameter; made by `prepare_training`.

    Examples
    --------
    >>> import numpy as np
    >>> from skdnn.engine.activations import Tanh
    >>> from skdnn.engine.initializers import get_initializer
    >>> from skdnn.engine.layers import Activate, Dense
    >>> glorot = get_initializer("glorot_uniform")
    >>> layers = [Dense(3, 5, glorot), Activate(5, Tanh()), Dense(5, 2, glorot)]
    >>> network = Network(layers, "float32")
    >>> network.initialize(np.random.default_rng(0))
    >>> network.infer(np.ones((4, 3), "float32")).shape
    (4, 2)
    >>> network.parameters.theta.size
    32

    A step of gradient descent:

    >>> from skdnn.engine.losses import SquaredError
    >>> batch = Batch.of(np.ones((4, 3), "float32"), np.ones((4, 2), "float32"))
    >>> network.prepare_training(np.random.default_rng(0))
    >>> before = network.loss_and_gradient(batch, SquaredError())
    >>> network.parameters.theta -= 0.1 * network.gradient
    >>> network.loss_and_gradient(batch, SquaredError()) < before
    True
    """

    def __init__(
        self, layers: Sequence[Layer], dtype: Any, parameters: ParameterVector | None = None
    ):
        self.layers = list(layers)
        if parameters is None:
            parameters = ParameterVector([s for layer in layers for s in layer.slots], dtype)
        self.parameters = parameters
        self._at_prediction = [layer for layer in self.layers if not layer.masks]
        self._widest = max(layer.n_out for layer in self._at_prediction)
        self.work = sum(layer.work for layer in self.layers)
        self._bind()
        # what `prepare_training` makes, and the buffers for batches of m rows
        self.rng: Any = None
        self.learning_rate_factors: Array | None = None
        self.gradient = self._dW = np.empty(0, self.dtype)
        self._m, self._dS = -1, np.empty(0, self.dtype)

    def _bind(self) -> None:
        for layer, views in self._views_by_layer(self.parameters.values):
            layer.bind(views)

    def _views_by_layer(self, vector: Array) -> list[tuple[Any, list[Any]]]:
        """Cut `vector` and return every layer that has parameters with its views."""
        views = iter(self.parameters.cut(vector))
        return [(layer, [next(views) for _ in layer.slots]) for layer in self.layers if layer.slots]

    @property
    def dtype(self) -> np.dtype:
        return self.parameters.values.dtype

    def own(self) -> None:
        """Have numbers that may be written to; another network on them keeps what it had."""
        parameters = self.parameters.own()
        if parameters is not self.parameters:
            self.parameters = parameters
            self._bind()

    def initialize(self, rng: np.random.Generator) -> None:
        """Set all parameters to where training starts, layer by layer."""
        for layer, _ in self._views_by_layer(self.parameters.values):
            layer.initialize(rng)

    def initialize_from_data(self, X: Any, rng: np.random.Generator) -> None:
        """Move the parameters, after `initialize`, to where training on such rows starts best.

        Layer by layer, each on what those below return by then: see `Dense` and
        `initializers.from_preactivations`.

        Parameters
        ----------
        X : ndarray or csr_array of shape (m, n_in)
            Some rows, such as those of the first batch, in the network's dtype.
        rng : Generator
            Where a layer draws from.
        """
        for layer in self._at_prediction:
            if layer.slots:
                layer.initialize_from_data(X, rng)  # type: ignore[attr-defined]
            X = layer.infer(X)

    def infer(self, X: Any) -> Any:
        """Return the raw scores of the rows of X as at prediction; touches no buffer."""
        for layer in self._at_prediction:
            X = layer.infer(X)
        return X

    @property
    def n_scores(self) -> int:
        """Columns of the raw scores."""
        return self._at_prediction[-1].n_out

    @property
    def dense(self) -> list[Dense]:
        """The layers with a weight matrix, from the first to the last."""
        return [layer for layer in self.layers if isinstance(layer, Dense)]

    @property
    def input_layer(self) -> Affine:
        """The layer that the columns of X go into; only dropout may stand before it."""
        return self._at_prediction[0]  # type: ignore[return-value]

    @property
    def output_layer(self) -> Affine:
        """The layer that returns the raw scores."""
        return self._at_prediction[-1]  # type: ignore[return-value]

    def infer_in_chunks(self, X: Any, S: Array | None = None) -> Array:
        """Return the raw scores of all rows of X, of any dtype, some rows at a time.

        Only a chunk is ever converted to the network's dtype, and the memory needed besides
        the result, ``S`` if it is given, depends on the widest layer alone.

        Raises
        ------
        ValueError
            If X has a value beyond that dtype.
        """
        widest = self._widest if sparse.issparse(X) else max(self._widest, X.shape[1])
        n, chunk = X.shape[0], max(CHUNK_NUMBERS // widest, 1)
        if S is None and n <= chunk:
            return self.infer(self._cast(X))
        S = np.empty((n, self.n_scores), self.dtype) if S is None else S
        buffers = [np.empty(min(n, chunk) * widest, self.dtype) for _ in range(2)]
        for start in range(0, n, chunk):
            rows = slice(start, start + chunk)
            self._infer_chunk(X[rows], buffers, S[rows])
        return S

    def _infer_chunk(self, X: Any, buffers: list[Array], S: Array) -> None:
        """S = raw scores of some rows, from one of two buffers into the other and back."""
        here, there = buffers
        m = X.shape[0]
        X = self._cast(X, here)
        *others, last = self._at_prediction
        for layer in others:
            X = layer.infer(X, there[: m * layer.n_out].reshape(m, layer.n_out))
            here, there = there, here
        last.infer(X, S)

    def _cast(self, X: Any, buffer: Array | None = None) -> Any:
        """Return X in the network's dtype, if it is not already, in the buffer if there is one."""
        if X.dtype == self.dtype:
            return X
        try:
            with np.errstate(all="ignore", over="raise"):  # nothing but the conversion is in here
                if buffer is None or sparse.issparse(X):
                    return X.astype(self.dtype)
                cast = buffer[: X.size].reshape(X.shape)
                np.copyto(cast, X, casting="unsafe")
                return cast
        except FloatingPointError:
            raise ValueError(
                f"Input X contains infinity or a value too large for {self.dtype!r}."
            ) from None

    def prepare_training(self, rng: np.random.Generator) -> None:
        """Make the gradient; `rng` is where dropout draws from."""
        self.rng = rng
        self.learning_rate_factors = self.parameters.learning_rate_factors()
        self.gradient = np.zeros_like(self.parameters.theta)
        self._dW = self.gradient[: self.parameters.weights.size]
        self._m = -1
        for i, (layer, views) in enumerate(self._views_by_layer(self.gradient)):
            layer.bind_gradient(views, propagate=i > 0)

    def _allocate(self, m: int) -> None:
        for layer in self.layers:
            layer.allocate(m, self.dtype, self.rng)
        self._dS = np.empty((m, self.n_scores), self.dtype)
        self._m = m

    def set_dropout_factor(self, factor: float) -> None:
        """Let every dropout layer drop `factor` times its rate from now on, until `release`."""
        for layer in self.layers:
            if layer.masks:
                layer.factor = factor  # type: ignore[attr-defined]

    def limit_norms(self, max_norm: float) -> None:
        """Make the weights into every unit no longer than `max_norm`."""
        for layer in self.layers:
            if layer.slots:
                layer.limit_norms(max_norm)  # type: ignore[attr-defined]

    def forward(self, X: Any) -> Any:
        """Return the raw scores of a batch as in training; call `prepare_training` before."""
        if X.shape[0] != self._m:
            self._allocate(X.shape[0])
        for layer in self.layers:
            X = layer.forward(X)
        return X

    def backward(self, dS: Array) -> None:
        """Carry ∂L/∂S down the chain; every layer writes its share of `gradient`.

        ``dS`` is overwritten.
        """
        for layer in reversed(self.layers):
            dS = layer.backward(dS)
            if dS is None:
                return

    def loss_and_gradient(self, batch: Batch, loss: Loss, alpha: float = 0.0) -> float:
        """Evaluate the objective on a batch, and its gradient into `gradient`.

        L(θ) = (Σᵢ wᵢ ℓ(sᵢ, yᵢ) + ½ α ‖W‖²) / Σᵢ wᵢ, where W is every weight matrix.

        Parameters
        ----------
        batch : Batch
            Rows, their targets and their weights.
        loss : Loss
            ℓ.
        alpha : float, default=0.0
            Strength of the L2 penalty.

        Returns
        -------
        float
            L(θ).
        """
        value = self.partial_loss_and_gradient(batch, loss)
        return value + self.add_penalty(alpha / batch.total)

    def partial_loss_and_gradient(self, batch: Batch, loss: Loss, share: float = 1.0) -> float:
        """Evaluate share · Σᵢ wᵢ ℓᵢ / Σᵢ wᵢ over some rows, and its gradient into `gradient`.

        Arguments as `loss_and_gradient`'s; ``share`` is the share that these rows have of the
        weight of a larger batch.
        """
        X, T, weight, _ = batch
        S = self.forward(X)
        value = loss.value_and_gradient(S, T, weight, self._dS)
        if share != 1.0:
            self._dS *= share
        self.backward(self._dS)
        return share * value

    def add_penalty(self, decay: float) -> float:
        """Return ½ decay ‖W‖², W every weight matrix, and add decay · W to `gradient`."""
        if not decay:
            return 0.0
        return kernels.l2_penalty(self.parameters.weights, decay, self._dW)

    def release(self) -> None:
        """Release the buffers, and with them the last batch."""
        fresh = self.replica()
        if self.rng is not None:
            fresh.prepare_training(self.rng)
        vars(self).update(vars(fresh))  # at once: an interrupt finds all of it done, or nothing

    def copy(self) -> "Network":
        """Return an independent network with the same numbers."""
        return self.on(copy.deepcopy(self.parameters))

    def in_double(self) -> "Network":
        """Return an independent network with the same numbers in float64."""
        parameters = ParameterVector(self.parameters.slots, "float64")
        parameters.values[:] = self.parameters.values
        return self.on(parameters)

    def replica(self) -> "Network":
        """Return another network on the same numbers, with buffers of its own."""
        return self.on(self.parameters)

    def on(self, parameters: ParameterVector) -> "Network":
        """Return another network with the same layers on other numbers, cut in the same way."""
        return Network(made(self._specifications()), parameters.values.dtype, parameters)

    def __getstate__(self) -> tuple[Any, ...]:
        return self._specifications(), self.parameters

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        specifications, parameters = state
        Network.__init__(self, made(specifications), parameters.values.dtype, parameters)

    def _specifications(self) -> list[tuple[type, dict[str, Any]]]:
        """Return the class and the fields that make each layer, without views and buffers."""
        return [
            (type(layer), {f.name: getattr(layer, f.name) for f in fields(layer) if f.init})  # type: ignore[arg-type]
            for layer in self.layers
        ]


def made(specifications: list[tuple[type, dict[str, Any]]]) -> list[Layer]:
    """Return new layers from their classes and fields."""
    return [layer(**fields_of_it) for layer, fields_of_it in specifications]
