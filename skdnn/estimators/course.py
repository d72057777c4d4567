"""A training under an estimator: what it remembers, how it begins and how it goes on.

A call of ``fit`` or ``partial_fit`` is `begin` or `resume`, then `running.run`.
"""

import copy
import math
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from sklearn.utils import check_random_state

from skdnn.engine.network import Network
from skdnn.engine.stopping import BestState, Outcome, Patience
from skdnn.engine.training import Trainer
from skdnn.estimators.construction import (
    build_descent,
    build_layers,
    build_network,
    compute_dtype,
)
from skdnn.estimators.weights import fingerprint


@dataclass
class Course:
    """A training and what has been seen of it so far: all that going on needs.

    Attributes
    ----------
    trainer : Trainer
        The network, the optimizer's state, the generators for shuffling and dropout.
    patience : Patience
        How long nothing has improved.
    best : BestState
        Parameters at the end of the best epoch, by validation score or else by training loss.
        After a divergence they are those that are kept; if a training begins again from a fitted
        network alone, they are its parameters.
    history : dict of str to list of float
        One entry an epoch, nan for what was not watched in it.
    split_seed : int
        Seed of the validation split, so that going on splits in the same way.
    watched : tuple
        What the scores that patience and best compare are scores of.
    scored : bool
        Whether these scores are validation scores.  With early stopping the validation loss stands
        in for them as long as they say nothing.
    epochs_before : int
        Epochs that were done when the last call began.
    initial_values : ndarray of shape (n,) or None
        Parameters with which the last call began; None when that call is over.
    outcome : Outcome or None
        Why the last call ends; None while it goes on.
    published : int or None
        Fingerprint of the network that predicts, as it was made from the one in training.
    mended : bool
        Whether the last call diverged, and better parameters than its last ones were put back.
    """

    trainer: Trainer
    patience: Patience
    split_seed: int
    watched: tuple
    best: BestState = field(default_factory=BestState)
    history: dict[str, list[float]] = field(default_factory=dict)
    scored: bool = False
    epochs_before: int = 0
    initial_values: np.ndarray | None = None
    outcome: Outcome | None = None
    published: int | None = None
    mended: bool = False

    @property
    def running(self) -> bool:
        """Whether the last call is not over; in a checkpoint, the next `fit` runs what is left."""
        return self.initial_values is not None

    @property
    def losses(self) -> list[float]:
        """The losses of the last call, one an epoch."""
        return self.history.get("loss", [])[self.epochs_before :]

    def epochs_left(self, max_iter: int) -> int:
        """Return how many epochs a call of `fit` may run: those that one cut short left, or all."""
        return max(max_iter - len(self.losses), 0) if self.running else max_iter

    @property
    def n_epochs(self) -> int:
        """Epochs of all calls."""
        return len(self.history.get("loss", []))

    @contextmanager
    def undone_on_error(self):
        """Give the course back the state it has now, in place, if what is inside fails."""
        fields, n_epochs, saved = dict(vars(self)), self.n_epochs, self.trainer.saved()
        fields |= {name: copy.deepcopy(fields[name]) for name in ("patience", "best")}
        watched = set(self.history)
        try:
            yield
        except BaseException:
            vars(self).update(fields)
            for name in set(self.history) - watched:
                del self.history[name]
            for column in self.history.values():
                del column[n_epochs:]
            self.trainer.restore(saved)
            raise

    def forget_best(self, scored: bool = False) -> None:
        """Compare no more with what was watched so far; `scored` says what is watched from now."""
        self.best, self.scored = BestState(), scored
        self.patience.best, self.patience.count = -math.inf, 0

    def mend_interrupted(self, n_samples: int) -> None:
        """After an interrupt, undo what an epoch of so many samples left half done.

        An epoch that was run but not recorded does not count, and parameters that are not finite
        are replaced by the best.
        """
        trainer = self.trainer
        if trainer.n_epochs > self.n_epochs:  # its validation was interrupted
            trainer.n_epochs, trainer.n_samples = self.n_epochs, trainer.n_samples - n_samples
        values = trainer.network.parameters.values
        if not np.isfinite(values).all():
            values[:] = self.initial_values if self.best.values is None else self.best.values
            trainer.reset_optimizer()

    def begin_call(self) -> None:
        """Begin to count the epochs of another call."""
        self.epochs_before = self.n_epochs
        self.initial_values = self.trainer.network.parameters.values.copy()
        self.outcome, self.mended = None, False

    def return_to_best(self) -> None:
        """Let training go on, if it does, from the best parameters."""
        values = self.trainer.network.parameters.values
        if self.best.values is not None and not np.array_equal(values, self.best.values):
            values[:] = self.best.values
            self.trainer.reset_optimizer()

    def go_on_from(self, network: Network) -> None:
        """Take over numbers that someone has set: what was seen before is not about them."""
        values = self.trainer.network.parameters.values
        values[:] = network.parameters.values
        self.forget_best()
        if self.running:
            self.initial_values = values.copy()

    def record(self, **values: float) -> None:
        """Append one entry to the history."""
        length = self.n_epochs
        for name, value in values.items():
            column = self.history.setdefault(name, [math.nan] * length)
            column.append(value)
        for column in self.history.values():
            if len(column) == length:  # watched earlier, but not in this epoch
                column.append(math.nan)


def random_streams(random_state) -> tuple[np.random.Generator, ...]:
    """Return independent streams for initial weights, validation split, shuffling, dropout."""
    entropy = int(check_random_state(random_state).randint(2**31 - 1))
    return tuple(np.random.default_rng(s) for s in np.random.SeedSequence(entropy).spawn(4))


def begin(estimator, network: Network | None = None) -> Course:
    """Start a training, from new weights or from those of `network`."""
    warn_of_dropped(vars(estimator).get("_course"))
    initial, splitting, shuffling, dropping = random_streams(estimator.random_state)
    target = estimator._target
    if network is None:
        network = build_network(estimator, estimator.n_features_in_, target.n_scores)
        network.initialize(initial)
    trainer = Trainer(
        network,
        estimator._loss(target),
        build_descent(estimator),
        shuffling,
        dropping,
    )
    seed = int(splitting.integers(2**31))
    return Course(trainer, patience(estimator), seed, watched(estimator, trainer))


def warn_of_dropped(course: Course | None) -> None:
    """Warn if a training that was cut short is dropped."""
    if course is not None and course.running and course.losses:
        warnings.warn(
            f"A training that was cut short after {len(course.losses)} epochs is dropped, and "
            "another begins: set warm_start=True to go on."
        )


def patience(estimator) -> Patience:
    """Return the stopping rule; L-BFGS has its own, unless a validation score decides."""
    own_rule = estimator.solver == "lbfgs" and not estimator.early_stopping
    return Patience(estimator.tol, math.inf if own_rule else estimator.n_iter_no_change)


def watched(estimator, trainer: Trainer) -> tuple:
    """Return what the watched scores depend on: if it changes, they cannot be compared."""
    scoring = estimator.scoring if estimator.early_stopping else None
    return estimator.early_stopping, scoring, trainer.loss, trainer.network.dtype.name


def resume(estimator) -> Course:
    """Go on with the last training or, if its state was not kept, from the weights it gave."""
    course: Course | None = vars(estimator).get("_course")
    if course is None:
        return _begin_again(estimator)
    trainer, new = course.trainer, patience(estimator)
    trainer.own()
    if fingerprint(estimator._network) != course.published:
        course.go_on_from(estimator._unpublished(estimator._network.copy()))
    trainer.replace_network(adapted(estimator, trainer.network))
    trainer.change(estimator._loss(estimator._target), build_descent(estimator))
    if watched(estimator, trainer) != course.watched:
        course.watched = watched(estimator, trainer)
        course.forget_best()
    course.patience.tol, course.patience.n_iter_no_change = new.tol, new.n_iter_no_change
    if course.running:  # of a checkpoint: the same call goes on
        return course
    if course.patience.count > new.n_iter_no_change:
        course.patience.count = 0  # it had ended, and is asked to go on
    warn_of_schedule_end(estimator, trainer)
    return course


def _begin_again(estimator) -> Course:
    """Start a training from the weights of the fitted network, and append to its history."""
    network = adapted(estimator, estimator._unpublished(estimator._network.copy()))
    course = begin(estimator, network)
    course.history = {name: list(values) for name, values in estimator.history_.items()}
    if not estimator.early_stopping and estimator.best_loss_ is not None:
        values = network.parameters.values.copy()
        course.best = BestState(-estimator.best_loss_, estimator.best_iter_, values)
    course.trainer.n_epochs = len(estimator.loss_curve_)
    course.trainer.n_samples = estimator.t_
    warn_of_schedule_end(estimator, course.trainer)
    return course


def warn_of_schedule_end(estimator, trainer: Trainer) -> None:
    """Warn if the schedule is at its end, so that nothing more will be learned."""
    if trainer.progress() >= 1.0 and trainer.learning_rate() < 1e-4 * estimator.learning_rate_init:
        warnings.warn(
            f"learning_rate={estimator.learning_rate!r} is at its end after {trainer.n_epochs} "
            "epochs, and nothing more will be learned: raise max_iter to the number of all epochs."
        )


def adapted(estimator, network: Network) -> Network:
    """Return `network` under the present hyperparameters, which must not change its shape."""
    layers = build_layers(estimator, estimator.n_features_in_, estimator._target.n_scores)
    if layers == network.layers and network.dtype == compute_dtype(estimator):
        return network
    new = Network(layers, compute_dtype(estimator))
    if new.parameters.slots != network.parameters.slots:
        raise ValueError(
            "A fitted network can only be trained further where hidden_layer_sizes and "
            "batch_norm are as in the previous call to fit."
        )
    new.parameters.values[:] = network.parameters.values
    return new


def epochs_left(estimator) -> int:
    """Return how many epochs the next `fit` may run."""
    course = vars(estimator).get("_course") if estimator.warm_start else None
    return estimator.max_iter if course is None else course.epochs_left(estimator.max_iter)
