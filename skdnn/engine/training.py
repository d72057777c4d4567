"""Training: the minibatch loop; `skdnn.engine.lbfgs` has the other way.

`Descent` is the specification (hyperparameters, never changed), `Trainer` the state (the network
and all that resuming it exactly needs), and `descend` the loop that runs a training's epochs.  What
every epoch leaves behind is an `EpochResult`; a `Listener` hears of it and may end the loop.

The objective of a batch, or of all rows, is L(θ) = (Σᵢ wᵢ ℓ(sᵢ, yᵢ) + ½ α ‖W‖²) / Σᵢ wᵢ over its
rows, W every weight matrix.

Examples
--------
A straight line:

>>> import numpy as np
>>> from skdnn.engine.initializers import Zeros
>>> from skdnn.engine.layers import Dense
>>> from skdnn.engine.losses import SquaredError
>>> from skdnn.engine.optimizers import SGD
>>> from skdnn.engine.schedules import Constant
>>> class Silent:
...     def on_epoch_begin(self):
...         pass
...
...     def on_epoch_end(self, epoch):
...         return None
>>> X = np.linspace(-1, 1, 20)[:, None]
>>> batches = Batches(X, 2 * X + 1, None, batch_size=5)
>>> network = Network([Dense(1, 1, Zeros())], "float64")
>>> descent = Descent(SGD(momentum=0.9), learning_rate=0.05, schedule=Constant(), n_epochs=100)
>>> shuffling, dropping = np.random.default_rng(0).spawn(2)
>>> trainer = Trainer(network, SquaredError(), descent, shuffling, dropping)
>>> descend(trainer, batches, 100, Silent()).name
'MAX_EPOCHS'
>>> network.parameters.theta.round(3)
array([2., 1.])
"""

import math
import time
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from skdnn.engine.arrays import own
from skdnn.engine.averaging import MovingAverage
from skdnn.engine.batches import Batch, Batches
from skdnn.engine.losses import Loss
from skdnn.engine.network import Network
from skdnn.engine.optimizers import Optimizer, State
from skdnn.engine.schedules import Schedule, Scheduled
from skdnn.engine.stopping import Outcome
from skdnn.engine.threads import DataParallel, one_blas_thread


@dataclass(frozen=True)
class Descent:
    """How to descend: one step a batch, at the rate lr = learning_rate · slowdown · schedule.

    A step evaluates the objective and its gradient g, clips g, decays W, calls the optimizer and
    limits the norms, in this order.  Parameters are not checked.

    Parameters
    ----------
    optimizer : Optimizer
        Turns a gradient into a step.
    learning_rate : float
        What the schedule's factor multiplies; positive.
    schedule : Schedule
        Factor of the learning rate, as a function of progress.
    n_epochs : int
        The whole of training, for the schedule, at least 1; `descend` is told how many to run.
    alpha : float, default=0.0
        L2 penalty ½ α ‖W‖², divided by the sum of the weights of the batch's rows; not negative.
    weight_decay : float or Scheduled, default=0.0
        Decoupled weight decay: W -= lr · weight_decay · W before each step; not negative
        (Loshchilov and Hutter, 2019, Algorithm 2, with lr for the schedule alone, as in PyTorch).
    clip_norm : float or None, default=None
        Largest ‖g‖₂, positive; a longer g, penalty included, is scaled back to it (Pascanu, Mikolov
        and Bengio, 2013, Algorithm 1).
    max_norm : float or None, default=None
        Largest norm of the weights into a unit, positive (see `Dense.limit_norms`).
    shuffle : bool, default=True
        Whether every epoch draws a new order of the rows.
    dropout : Schedule or None, default=None
        Factor of the rates of the dropout layers, as a function of progress; each rate times its
        factor must be in [0, 1).  None leaves them as they are.
    """

    optimizer: Optimizer
    learning_rate: float
    schedule: Schedule
    n_epochs: int
    alpha: float = 0.0
    weight_decay: float | Scheduled = 0.0
    clip_norm: float | None = None
    max_norm: float | None = None
    shuffle: bool = True
    dropout: Schedule | None = None


@dataclass(frozen=True)
class EpochResult:
    """The result of one pass over the data.

    Attributes
    ----------
    loss : float
        Mean of the batches' objectives, each before its step, weighted by the weights of their
        rows; not finite if the training diverged.  With L-BFGS the objective over all rows at
        the end of the iteration.
    learning_rate : float
        Learning rate of the last step; 1 with L-BFGS.
    seconds : float
        Time it took, in seconds, without validation.
    """

    loss: float
    learning_rate: float
    seconds: float


@dataclass
class Trainer:
    """A network in training, with all that resuming it exactly needs.

    Parameters
    ----------
    network : Network
        What is trained.
    loss : Loss
        What is made small.
    descent : Descent
        How.
    shuffling : Generator
        Where the order of the rows is drawn from.
    dropping : Generator
        Where dropout is drawn from.
    n_epochs : int, default=0
        Epochs run so far.
    n_samples : int, default=0
        Rows seen in them, each counted once an epoch.
    slowdown : float, default=1.0
        Factor of the learning rate that the rule "adaptive" has brought about.
    average : MovingAverage or None, default=None
        Average of all numbers of the network over the steps, batch norm's statistics included.  It
        starts afresh if they are not finite at the end of an epoch.  L-BFGS takes no such steps.

    Attributes
    ----------
    state : State
        What the optimizer accumulates.
    workers : DataParallel or None
        The threads, while they run.
    """

    network: Network
    loss: Loss
    descent: Descent
    shuffling: np.random.Generator
    dropping: np.random.Generator
    state: State = field(init=False)
    workers: DataParallel | None = field(init=False, default=None, repr=False)
    n_epochs: int = 0
    n_samples: int = 0
    slowdown: float = 1.0
    average: MovingAverage | None = None

    def __post_init__(self) -> None:
        self.network.prepare_training(self.dropping)
        self.reset_optimizer()

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "workers": None}  # threads cannot be pickled

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.network.prepare_training(self.dropping)

    def own(self) -> None:
        """Have numbers that may be written to, after a pickle whose arrays may not."""
        self.network.own()
        self.state.moments = [own(moment) for moment in self.state.moments]
        if self.average is not None:
            self.average.cast(self.network.dtype)

    def saved(self) -> tuple[Any, ...]:
        """Return all that training changes, numbers as a copy, for `restore`."""
        what = self.network, self.loss, self.descent
        streams = [stream.bit_generator.state for stream in (self.shuffling, self.dropping)]
        average = None if self.average is None else self.average.copy()
        rest = average, self.n_epochs, self.n_samples, self.slowdown
        return what, self.network.parameters.values.copy(), self.state.copy(), streams, rest

    def restore(self, saved: tuple[Any, ...]) -> None:
        """Go back to the state in which `saved` was called."""
        (self.network, self.loss, self.descent), values, self.state, streams, rest = saved
        self.network.parameters.values[:] = values
        self.release()  # an interrupt may have left the layers half bound to their numbers
        for stream, state in zip((self.shuffling, self.dropping), streams, strict=True):
            stream.bit_generator.state = state
        self.average, self.n_epochs, self.n_samples, self.slowdown = rest

    @property
    def predictor(self) -> Network:
        """The network at the numbers to predict with: itself, or a copy at their moving average."""
        if self.average is None or self.average.values is None:
            return self.network
        network = self.network.copy()
        network.parameters.values[:] = self.average.values
        return network

    @property
    def evaluator(self) -> Network | DataParallel:
        """What evaluates the objective: the network, or several threads with one each."""
        return self.workers or self.network

    def start_workers(self, batches: Batches, n_threads: int) -> None:
        """Share the rows of every batch out over threads, if that is worth it."""
        if n_threads > 1 and DataParallel.suits(self.network, batches.X, batches.batch_size):
            self.workers = DataParallel(self.network, n_threads)

    def release(self) -> None:
        """End the threads and release the buffers."""
        if self.workers is not None:
            self.workers.close()
            self.workers = None
        self.network.release()

    def reset_optimizer(self) -> None:
        """Forget what the optimizer has accumulated."""
        self.state = self.descent.optimizer.init(self.network.parameters.theta)

    def replace_network(self, network: Network) -> None:
        """Train another network from now on, whose parameters are cut in the same way."""
        if network is self.network:
            return
        same_dtype = network.dtype == self.network.dtype
        self.network = network
        network.prepare_training(self.dropping)
        if not same_dtype:
            self.reset_optimizer()
            if self.average is not None:
                self.average.cast(network.dtype)

    def change(self, loss: Loss, descent: Descent) -> None:
        """Use another loss or descent from now on; another kind of optimizer starts afresh."""
        if (loss, descent) == (self.loss, self.descent):
            return
        before, state = self.descent.optimizer, self.state
        self.loss, self.descent = loss, descent
        self.reset_optimizer()
        same_kind = type(before) is type(descent.optimizer)
        if same_kind and len(state.moments) == len(self.state.moments):
            self.state = state

    def progress(self, part: float = 0.0) -> float:
        """Return the share of training that is done, `part` of the running epoch included."""
        return min((self.n_epochs + part) / self.descent.n_epochs, 1.0)

    def learning_rate(self, part: float = 0.0) -> float:
        """Return the learning rate at this point of the running epoch."""
        descent = self.descent
        factor = descent.schedule(self.progress(part), self.n_samples)
        return descent.learning_rate * self.slowdown * factor

    def weight_decay(self, part: float = 0.0) -> float:
        """Return the weight decay at this point of the running epoch, before its factor lr."""
        decay = self.descent.weight_decay
        if isinstance(decay, Scheduled):
            return decay(self.progress(part), self.n_samples)
        return decay

    def run_epoch(self, batches: Batches) -> EpochResult:
        """Take one step for every batch; end early if the loss is not finite.

        It counts as an epoch then too.
        """
        start = time.perf_counter()
        total, total_weight, lr, n_batches = 0.0, 0.0, self.learning_rate(), len(batches)
        shuffling = self.shuffling if self.descent.shuffle else None
        with np.errstate(all="ignore"):  # a diverging loss is reported once, by the caller
            for i, batch in enumerate(batches.epoch(shuffling)):
                part = i / n_batches
                lr = self.learning_rate(part)
                value = self.step(batch, lr, part)
                total += value * batch.total
                total_weight += batch.total
                if not math.isfinite(value):
                    break
        if not np.isfinite(self.network.parameters.values).all():
            total = math.nan
            if self.average is not None:
                self.average.restart()
        self.count_epoch(batches.n)
        return EpochResult(total / total_weight, lr, time.perf_counter() - start)

    def evaluate(self, batches: Batches) -> float:
        """Return Σᵢ wᵢ ℓᵢ / Σᵢ wᵢ over all rows as at prediction, without penalty."""
        total, network = 0.0, self.predictor
        with np.errstate(all="ignore"):
            for X, T, weight, batch_total in batches.epoch():
                S = network.infer(X)
                value = self.loss.value(S, T, weight)
                total += value * batch_total
        return total / batches.weight_sum()

    def count_epoch(self, n_samples: int) -> None:
        """Note that another epoch over so many samples is over."""
        self.n_epochs += 1
        self.n_samples += n_samples

    def step(self, batch: Batch, lr: float, part: float = 0.0) -> float:
        """Move the parameters once and return the objective before the move.

        `part` of the running epoch is done, for the schedules of weight decay and dropout.
        """
        descent, network = self.descent, self.network
        if descent.dropout is not None:
            network.set_dropout_factor(descent.dropout(self.progress(part), self.n_samples))
        parameters, g = network.parameters, network.gradient
        value = (self.workers or network).loss_and_gradient(batch, self.loss, descent.alpha)
        if descent.clip_norm is not None:
            norm = math.sqrt(float(np.dot(g, g)))
            if norm > descent.clip_norm:
                g *= descent.clip_norm / norm
        factors = network.learning_rate_factors
        rates: Any = lr if factors is None else lr * factors
        if descent.weight_decay:
            W = parameters.weights
            W *= 1.0 - self.weight_decay(part) * (lr if factors is None else rates[: W.size])
        descent.optimizer.step(parameters.theta, g, self.state, rates)
        if descent.max_norm is not None:
            network.limit_norms(descent.max_norm)
        if self.average is not None:
            self.average.update(parameters.values)
        return value


class Listener(Protocol):
    """Is told of every epoch, and may end the training."""

    def on_epoch_begin(self) -> None:
        """An epoch begins."""

    def on_epoch_end(self, epoch: EpochResult) -> Outcome | None:
        """An epoch is over; return why to stop, or None to continue."""


def descend(trainer: Trainer, batches: Batches, n_epochs: int, listener: Listener) -> Outcome:
    """Run epochs until `listener` says why to stop, or all are run.

    An exception, KeyboardInterrupt too, passes, and leaves the network at the last step.

    Parameters
    ----------
    trainer : Trainer
        Its network and state move on.
    batches : Batches
        The data, in the network's dtype.
    n_epochs : int
        Largest number of epochs of this call.
    listener : Listener
        Told of each epoch.

    Returns
    -------
    Outcome
        What the listener said, else ``MAX_EPOCHS``.  A loss that is not finite ends an epoch, but
        the loop only if the listener says so.
    """
    with one_blas_thread() as n_threads:
        try:
            trainer.start_workers(batches, n_threads)
            for _ in range(n_epochs):
                listener.on_epoch_begin()
                outcome = listener.on_epoch_end(trainer.run_epoch(batches))
                if outcome is not None:
                    return outcome
        finally:
            trainer.release()
    return Outcome.MAX_EPOCHS
