"""L-BFGS over all rows, for small data: the training that takes no minibatches.

Examples
--------
A straight line:

>>> import numpy as np
>>> from skdnn.engine.initializers import Zeros
>>> from skdnn.engine.layers import Dense
>>> from skdnn.engine.losses import SquaredError
>>> from skdnn.engine.network import Network
>>> from skdnn.engine.optimizers import SGD
>>> from skdnn.engine.schedules import Constant
>>> from skdnn.engine.training import Descent
>>> class Silent:
...     def on_epoch_begin(self):
...         pass
...
...     def on_epoch_end(self, epoch):
...         return None
>>> X = np.linspace(-1, 1, 20)[:, None]
>>> batches = Batches(X, 2 * X + 1, None, batch_size=5)
>>> network = Network([Dense(1, 1, Zeros())], "float64")
>>> descent = Descent(SGD(), learning_rate=1.0, schedule=Constant(), n_epochs=100)
>>> shuffling, dropping = np.random.default_rng(0).spawn(2)
>>> trainer = Trainer(network, SquaredError(), descent, shuffling, dropping)
>>> outcome, message = descend_lbfgs(trainer, batches, {"maxiter": 100}, Silent())
>>> outcome.name, network.parameters.theta.round(3)
('CONVERGED', array([2., 1.]))
"""

import time
from typing import Any

import numpy as np
from scipy.optimize import minimize

from skdnn.engine import kernels
from skdnn.engine.arrays import Array
from skdnn.engine.batches import Batches
from skdnn.engine.stopping import Outcome
from skdnn.engine.threads import one_blas_thread
from skdnn.engine.training import EpochResult, Listener, Trainer


def descend_lbfgs(
    trainer: Trainer, batches: Batches, options: dict[str, float], listener: Listener
) -> tuple[Outcome, str]:
    """Minimise the objective over all rows with L-BFGS (Liu and Nocedal, 1989).

    The code is scipy's L-BFGS-B, without bounds.  The rows are visited in batches, whose gradients
    are added up, so the buffers stay small.  An exception, KeyboardInterrupt too, passes, and
    leaves the network at the last iterate.

    Parameters
    ----------
    trainer : Trainer
        Its network must be in float64; of its descent only alpha is used.
    batches : Batches
        The data.
    options : dict
        ``maxiter``, ``maxfun``, ``gtol`` of `scipy.optimize.minimize`.
    listener : Listener
        Told of each iteration, which counts as an epoch; may end the training.

    Returns
    -------
    outcome : Outcome
        Why it ended.
    message : str
        What the optimizer says.
    """
    objective = FullObjective(trainer, batches)
    iterations = LBFGSCallback(trainer, batches, listener)
    with np.errstate(all="ignore"), one_blas_thread() as n_threads:
        try:
            trainer.start_workers(batches, n_threads)
            result = minimize(
                objective, iterations.accepted.copy(), method="L-BFGS-B", jac=True,
                callback=iterations, options=options,
            )  # fmt: skip
            if result.nit == 0:  # nothing to improve, or nothing finite to start from
                iterations.record(result.x, float(result.fun))
        finally:
            trainer.release()
            iterations.settle()
    ended = Outcome.CONVERGED if result.success else Outcome.MAX_EPOCHS
    return iterations.outcome or ended, str(result.message)


class LBFGSCallback:
    """Tells a listener of the iterations of L-BFGS as epochs; scipy calls it after each.

    Attributes
    ----------
    accepted : ndarray of shape (p,)
        θ at the end of the last iteration.
    outcome : Outcome or None
        What the listener said last.
    """

    def __init__(self, trainer: Trainer, batches: Batches, listener: Listener):
        self.trainer, self.batches, self.listener = trainer, batches, listener
        self.accepted = trainer.network.parameters.theta.copy()
        self.outcome: Outcome | None = None
        self.start = time.perf_counter()

    def __call__(self, intermediate_result: Any) -> None:
        self.record(intermediate_result.x, float(intermediate_result.fun))
        if self.outcome is not None:
            raise StopIteration

    def record(self, x: Array, loss: float) -> None:
        """Take x as the end of an epoch."""
        self.accepted[:] = self.trainer.network.parameters.theta[:] = x
        self.trainer.count_epoch(self.batches.n)
        self.listener.on_epoch_begin()
        self.outcome = self.listener.on_epoch_end(
            EpochResult(loss, 1.0, time.perf_counter() - self.start)
        )
        self.start = time.perf_counter()

    def settle(self) -> None:
        """Move the network to the last iterate, with batch norm's statistics at that point."""
        parameters = self.trainer.network.parameters
        parameters.theta[:] = self.accepted
        if parameters.values.size > parameters.theta.size:
            FullObjective(self.trainer, self.batches)(self.accepted)
            self.trainer.release()


class FullObjective:
    """θ → (L, ∂L/∂θ), the objective over all rows and its gradient, a batch at a time.

    Moves the network to θ, shape (p,); the gradient is a new array.
    """

    def __init__(self, trainer: Trainer, batches: Batches):
        self.trainer, self.batches = trainer, batches
        self.weight_sum = batches.weight_sum()

    def __call__(self, theta: Array) -> tuple[float, Array]:
        network, loss = self.trainer.network, self.trainer.loss
        parameters = network.parameters
        parameters.theta[:] = theta
        value, gradient = 0.0, np.zeros_like(theta)
        for batch in self.batches.epoch():
            share = batch.total / self.weight_sum
            value += share * self.trainer.evaluator.loss_and_gradient(batch, loss)
            gradient += share * network.gradient
        W, decay = parameters.weights, self.trainer.descent.alpha / self.weight_sum
        if decay:
            value += kernels.l2_penalty(W, decay, gradient[: W.size])
        return value, gradient
