"""A run: a network in training, and all that resuming it exactly needs.

A call of ``fit`` or ``partial_fit`` makes a `Plan`, begins a run under it or resumes one, and
trains.  A run knows its plan, and nothing of the estimator.
"""

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from sklearn.utils import check_random_state

from skdnn.engine.arrays import Array
from skdnn.engine.batches import Batches
from skdnn.engine.lbfgs import descend_lbfgs
from skdnn.engine.network import Network
from skdnn.engine.stopping import BestState, Outcome, Patience
from skdnn.engine.training import Listener, Trainer, descend
from skdnn.estimators.plan import Plan


class Streams(NamedTuple):
    """Independent streams of random numbers, drawn before anything else happens."""

    initial: np.random.Generator
    split_seed: int
    shuffling: np.random.Generator
    dropout: np.random.Generator

    @classmethod
    def of(cls, random_state: int | np.random.RandomState | None) -> "Streams":
        """Return the streams that spring from a `random_state`."""
        entropy = int(check_random_state(random_state).randint(2**31 - 1))
        initial, splitting, shuffling, dropout = (
            np.random.default_rng(s) for s in np.random.SeedSequence(entropy).spawn(4)
        )
        return cls(initial, int(splitting.integers(2**31)), shuffling, dropout)


@dataclass
class Call:
    """A call of ``fit`` or ``partial_fit``, from its first epoch on.

    Attributes
    ----------
    epochs_before : int
        Epochs of the run that were over when the call began.
    initial_values : ndarray of shape (n,) or None
        Parameters with which it began; None when it is over.
    outcome : Outcome or None
        Why it ends; None as long as it does not.
    recovered : bool
        Whether it diverged, and better parameters than its last ones were put back.
    """

    epochs_before: int = 0
    initial_values: Array | None = None
    outcome: Outcome | None = None
    recovered: bool = False

    @property
    def is_unfinished(self) -> bool:
        """Whether epochs may be left; in a checkpoint, the next `fit` runs them."""
        return self.initial_values is not None


@dataclass
class Run:
    """A network in training, with all that has been seen of it so far.

    Attributes
    ----------
    plan : Plan
        What the last call asked for.
    trainer : Trainer
        The network, the optimizer's state, the streams for shuffling and dropout.
    split_seed : int
        Seed of the validation split, so that resuming splits in the same way.
    patience : Patience
        How long nothing has improved.
    best : BestState
        Parameters of the best epoch, by validation score or else by training loss.  After a
        divergence they are those that were restored.  After resuming from a fitted network whose
        run was not kept they are those of that network.
    history : dict of str to list of float
        One entry an epoch, nan for what was not measured in it.
    scored : bool
        Whether patience and best compare validation scores.  With early stopping the validation
        loss stands in for them as long as they say nothing.
    call : Call
        The last call.
    """

    plan: Plan
    trainer: Trainer
    split_seed: int
    patience: Patience
    best: BestState = field(default_factory=BestState)
    history: dict[str, list[float]] = field(default_factory=lambda: {"loss": []})
    scored: bool = False
    call: Call = field(default_factory=Call)

    @classmethod
    def begin(cls, plan: Plan, streams: Streams, network: Network | None = None) -> "Run":
        """Begin with new weights, or with those of `network`."""
        if network is None:
            network = plan.new_network()
            network.initialize(streams.initial)
        trainer = Trainer(network, plan.loss, plan.descent, streams.shuffling, streams.dropout)
        return cls(plan, trainer, streams.split_seed, plan.new_patience())

    def resume(self, plan: Plan) -> None:
        """Get ready for another call, under another plan or the same one."""
        self.trainer.own()
        self.trainer.replace_network(adapted(self.network, plan))
        self.trainer.change(plan.loss, plan.descent)
        if not plan.is_comparable(self.plan):
            self.forget_best()
        self.plan, new = plan, plan.new_patience()
        self.patience.tol, self.patience.n_iter_no_change = new.tol, new.n_iter_no_change
        if not self.call.is_unfinished and self.patience.count > new.n_iter_no_change:
            self.patience.count = 0  # the last call used it up

    def train(self, batches: Batches, listener: Listener, n_epochs: int) -> str | None:
        """Run epochs, note why they ended, and return what L-BFGS says of it."""
        if self.plan.lbfgs is None:
            self.call.outcome = descend(self.trainer, batches, n_epochs, listener)
            return None
        if n_epochs == 0:
            self.call.outcome = Outcome.MAX_EPOCHS
            return f"max_iter={self.plan.max_iter} leaves none to run"
        options = self.plan.lbfgs | {"maxiter": n_epochs}
        self.call.outcome, message = descend_lbfgs(self.trainer, batches, options, listener)
        return message

    # What has been seen ----------------------------------------------------------------

    @property
    def network(self) -> Network:
        """The network in training."""
        return self.trainer.network

    @property
    def early_stopping(self) -> bool:
        """Whether the validation score decides which epoch is kept."""
        return self.plan.stopping.early_stopping

    @property
    def values(self) -> Array:
        """All numbers of the network in training."""
        return self.network.parameters.values

    @property
    def n_epochs(self) -> int:
        """Epochs of all calls."""
        return len(self.history["loss"])

    @property
    def losses(self) -> list[float]:
        """The losses of the last call, one an epoch."""
        return self.history["loss"][self.call.epochs_before :]

    def epochs_left(self, max_iter: int) -> int:
        """Return how many epochs a call of `fit` may run: those that one cut short left, or all."""
        return max(max_iter - len(self.losses), 0) if self.call.is_unfinished else max_iter

    def record(self, **values: float) -> None:
        """Append one entry to the history."""
        length = self.n_epochs
        for name, value in values.items():
            self.history.setdefault(name, [math.nan] * length).append(value)
        for column in self.history.values():
            if len(column) == length:  # measured earlier, but not in this epoch
                column.append(math.nan)

    def forget_best(self, scored: bool = False) -> None:
        """Compare no more with the epochs so far; `scored` says what is compared from now on."""
        self.best, self.scored = BestState(), scored
        self.patience.best, self.patience.count = -math.inf, 0

    # Calls -----------------------------------------------------------------------------

    def begin_call(self) -> None:
        """Begin to count the epochs of another call."""
        self.call = Call(self.n_epochs, self.values.copy())

    def end_call(self) -> None:
        """Note that the call is over."""
        self.call.initial_values = None

    @contextmanager
    def undone_on_error(self) -> Iterator[None]:
        """Give the run back the state it has now, in place, if what is inside fails."""
        fields, n_epochs, saved = dict(vars(self)), self.n_epochs, self.trainer.saved()
        fields |= {name: copy.deepcopy(fields[name]) for name in ("patience", "best", "call")}
        measured = set(self.history)
        try:
            yield
        except BaseException:
            vars(self).update(fields)
            for name in set(self.history) - measured:
                del self.history[name]
            for column in self.history.values():
                del column[n_epochs:]
            self.trainer.restore(saved)
            raise

    def recover_from_interrupt(self, n_samples: int) -> None:
        """After an interrupt, undo what an epoch of so many samples left half done.

        An epoch that was run but not recorded does not count, and parameters that are not finite
        are replaced by the best.
        """
        trainer = self.trainer
        if trainer.n_epochs > self.n_epochs:  # its validation was interrupted
            trainer.n_epochs, trainer.n_samples = self.n_epochs, trainer.n_samples - n_samples
        if not np.isfinite(self.values).all():
            best = self.best.values
            self.values[:] = self.call.initial_values if best is None else best
            trainer.reset_optimizer()

    # Parameters ------------------------------------------------------------------------

    def return_to_best(self) -> None:
        """Go back to the parameters of the best epoch, from which training may be resumed."""
        best = self.best.values
        if best is not None and not np.array_equal(self.values, best):
            self.values[:] = best
            self.trainer.reset_optimizer()

    def take_over(self, network: Network) -> None:
        """Take over numbers that the user has set; the best epoch so far says nothing of them."""
        self.values[:] = network.parameters.values
        self.forget_best()
        if self.call.is_unfinished:
            self.call.initial_values = self.values.copy()

    def predictor(self, latest: bool = False, own: bool = False) -> Network:
        """Return the network that predicts: the one place that says which numbers do.

        With early stopping they are the parameters of the best epoch, in a copy, unless the
        `latest` are wanted; else those in training, in a copy if it is to `own` them.
        """
        if not self.early_stopping and not own:
            return self.network.replica()
        network = self.network.copy()
        if self.early_stopping and not latest and self.best.values is not None:
            network.parameters.values[:] = self.best.values
        return network


def adapted(network: Network, plan: Plan) -> Network:
    """Return `network` with the layers and the dtype of a plan, which must not change its shape."""
    new = plan.new_network()
    if new.layers == network.layers and new.dtype == network.dtype:
        return network
    if new.parameters.slots != network.parameters.slots:
        raise ValueError(
            "A fitted network can only be trained further if hidden_layer_sizes and "
            "batch_norm are as in the previous call to fit."
        )
    new.parameters.values[:] = network.parameters.values
    return new
