"""Threads: as many as BLAS may use, if the work is worth them.

The matrix products of a small network are slower on two threads than on one.  So BLAS gets one
thread inside `fit` and `predict`, and the rows of a batch are split over the threads instead: each
takes its rows through a network of its own on the same numbers.  There are as many threads as the
user, the environment or joblib allowed BLAS before, and BLAS gets them back afterwards.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from functools import cache
from typing import Any

import numpy as np
from scipy import sparse
from threadpoolctl import ThreadpoolController

from skdnn.engine.arrays import Array
from skdnn.engine.batches import Batch
from skdnn.engine.losses import Loss
from skdnn.engine.network import Network

MIN_PARALLEL_WORK = 4e7  # multiplications in a step that make up for waking a thread


@cache
def blas() -> ThreadpoolController:
    """Return the handle of the BLAS libraries that are loaded; to find them takes milliseconds."""
    return ThreadpoolController().select(user_api="blas")


class BlasLimit:
    """Limits BLAS to one thread while any caller is inside.

    The limit holds for the whole process, so callers are counted.  If each caller restored what it
    found, one that enters while another is inside would restore 1.
    """

    def __init__(self) -> None:
        self.lock, self.inside = threading.Lock(), 0
        self.found: list[int] = []

    def enter(self) -> int:
        """Return how many threads BLAS may use at the moment."""
        with self.lock:
            counts = [library.num_threads for library in blas().lib_controllers]
            if self.inside == 0:
                self.found = counts
                self._set([1] * len(counts))
            self.inside += 1
        return max(counts, default=1)

    def leave(self) -> None:
        with self.lock:
            self.inside -= 1
            if self.inside == 0:
                self._set(self.found)

    @staticmethod
    def _set(counts: list[int]) -> None:
        for library, n in zip(blas().lib_controllers, counts, strict=True):
            library.set_num_threads(n)
            # threadpoolctl 3.8 lets only one thread set OpenBLAS's: another may be the next
            getattr(library, "clear_controlling_thread", lambda: None)()


BLAS_LIMIT = BlasLimit()


@contextmanager
def one_blas_thread() -> Iterator[int]:
    """Give BLAS one thread, and yield how many it had, which the caller may use.

    A thread that is not the main one is somebody's worker already, and gets one.

    Yields
    ------
    int
        At least 1.

    Examples
    --------
    >>> with one_blas_thread() as n_threads:
    ...     n_threads >= 1
    True
    """
    is_main = threading.current_thread() is threading.main_thread()
    allowed = BLAS_LIMIT.enter()
    try:
        yield allowed if is_main else 1
    finally:
        BLAS_LIMIT.leave()


def infer(network: Network, X: Any) -> Array:
    """Return the raw scores of the rows of X, on several threads if there are many rows.

    As `Network.infer_in_chunks`: X of shape (n, n_in), dense or csr_array, gives (n, n_scores), and
    raises ValueError if a value of X is beyond the network's dtype.
    """
    if X.shape[0] * network.work < MIN_PARALLEL_WORK:
        return network.infer_in_chunks(X)
    with one_blas_thread() as n_threads:
        if n_threads == 1:
            return network.infer_in_chunks(X)
        parts = split_rows(X.shape[0], n_threads)
        S = np.empty((X.shape[0], network.n_scores), network.dtype)
        with ThreadPoolExecutor(n_threads) as pool:
            running = [submit(pool, network.infer_in_chunks, X[rows], S[rows]) for rows in parts]
            for task in running:
                task.result()
    return S


def submit(pool: ThreadPoolExecutor, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
    """Run a function on a thread under the caller's `numpy.errstate`."""
    return pool.submit(copy_context().run, function, *arguments)


def split_rows(m: int, n: int) -> list[slice]:
    """Cut m rows into n parts whose lengths differ by 1 at most.

    Examples
    --------
    >>> split_rows(5, 2)
    [slice(0, 2, None), slice(2, 5, None)]
    """
    return [slice(m * i // n, m * (i + 1) // n) for i in range(n)]


class DataParallel:
    """Share the rows of a batch out over threads: ∂L/∂θ = Σⱼ (ωⱼ / ω) ∂Lⱼ/∂θ.

    Lⱼ is the mean loss over the rows of thread j, ωⱼ the sum of their weights, and ω the sum of all
    weights.  Each thread has a network of its own, with buffers of its own, on the same parameters.
    The gradients are added up in a fixed order, so the same number of threads gives the same
    numbers.  Dropout's masks are drawn for the whole batch, so they do not depend on the threads.

    Parameters
    ----------
    network : Network
        The one in training, after `Network.prepare_training`; takes the first share.
    n_threads : int
        Number of threads, at least 2, the caller's included.

    Attributes
    ----------
    networks : list of Network
        One a thread, `network` first, whose gradient is the gradient of the batch.

    Examples
    --------
    >>> from skdnn.engine.initializers import get_initializer
    >>> from skdnn.engine.layers import Dense
    >>> from skdnn.engine.losses import SquaredError
    >>> network = Network([Dense(3, 1, get_initializer("zeros"))], "float64")
    >>> network.prepare_training(np.random.default_rng(0))
    >>> workers = DataParallel(network, n_threads=2)
    >>> workers.loss_and_gradient(Batch.of(np.ones((4, 3)), np.ones((4, 1))), SquaredError())
    0.5
    >>> network.gradient
    array([-1., -1., -1., -1.])
    >>> workers.close()
    """

    def __init__(self, network: Network, n_threads: int):
        self.networks = [network, *(network.replica() for _ in range(n_threads - 1))]
        for other in self.networks[1:]:
            other.prepare_training(network.rng)
        self.pool = ThreadPoolExecutor(n_threads - 1)

    @staticmethod
    def suits(network: Network, X: Any, batch_size: int) -> bool:
        """Whether a step is large enough, and its rows do not depend on each other."""
        independent = not any(layer.couples_rows for layer in network.layers)
        work = 3 * batch_size * network.work  # X W, Xᵀ dS, dS Wᵀ
        return independent and not sparse.issparse(X) and work >= MIN_PARALLEL_WORK

    def loss_and_gradient(self, batch: Batch, loss: Loss, alpha: float = 0.0) -> float:
        """Evaluate the objective, as `Network.loss_and_gradient` does; X must be dense.

        The gradient is written into the `gradient` of the first network.
        """
        first, *others = self.networks
        rows = split_rows(len(batch.T), len(self.networks))
        self._draw_masks(rows)

        def run(network: Network, part: Batch) -> float:
            if part.total == 0.0:  # no rows, or none of weight
                network.gradient.fill(0.0)
                return 0.0
            return network.partial_loss_and_gradient(part, loss, part.total / batch.total)

        own, *parts = (batch.part(some) for some in rows)
        running = [submit(self.pool, run, *each) for each in zip(others, parts, strict=True)]
        value = run(first, own)
        for task, network in zip(running, others, strict=True):
            value += task.result()
            first.gradient += network.gradient
        return value + first.add_penalty(alpha / batch.total)

    def _draw_masks(self, parts: list[slice]) -> None:
        first = self.networks[0]
        for layers in zip(*(network.layers for network in self.networks), strict=True):
            if layers[0].masks:
                mask = layers[0].draw(parts[-1].stop, first.dtype, first.rng)
                for layer, rows in zip(layers, parts, strict=True):
                    layer.next_mask = mask[rows]

    def close(self) -> None:
        """End the threads."""
        self.pool.shutdown()
