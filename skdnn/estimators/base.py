"""What the classifier and the regressor share: how they are fitted."""

import copy
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import is_regressor
from sklearn.callback import CallbackSupportMixin

from skdnn.engine.batches import Batches
from skdnn.engine.network import Network
from skdnn.engine.stopping import BestState
from skdnn.estimators._sklearn import fit_context
from skdnn.estimators.callbacks import EpochCallbacks
from skdnn.estimators.calls import run_call
from skdnn.estimators.checks import CONSTRAINTS, check_combination, warn_of_no_effect
from skdnn.estimators.data import Dataset
from skdnn.estimators.fitted import quiet, without_callbacks
from skdnn.estimators.hyperparameters import compute_dtype
from skdnn.estimators.monitoring import Monitor
from skdnn.estimators.plan import Plan, make_plan
from skdnn.estimators.run import Run, Streams, adapted
from skdnn.estimators.scaling import rescale_inputs, scaling_of, unscale_inputs
from skdnn.estimators.tasks import NO_WEIGHT, TaskMLP
from skdnn.estimators.validation import OwnScore, Scoring, Validation
from skdnn.estimators.weights import fingerprint, in_place_of


@contextmanager
def unchanged_on_error(estimator: Any) -> Iterator[Callable[[], None]]:
    """Give the estimator back the attributes it had if what is inside fails.

    Yields a function that lets the estimator keep, even then, the attributes it has when called.
    """
    before = dict(vars(estimator))

    def keep() -> None:
        before.clear()
        before.update(vars(estimator))

    try:
        yield keep
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


def has_minibatches(estimator: Any) -> bool:
    """Whether the estimator can learn bit by bit."""
    if estimator.solver == "lbfgs":
        raise AttributeError(
            "partial_fit is only available for stochastic optimizers. lbfgs is not stochastic."
        )
    return True


class BaseMLP(CallbackSupportMixin, TaskMLP):
    """A multilayer perceptron over the engine, and how it is fitted; see the two estimators."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = CONSTRAINTS
    _run: Run | None  # as long as a call goes on, and after it if training may be resumed

    # Fitting -------------------------------------------------------------------------

    @fit_context(prefer_skip_nested_validation=True)
    @quiet
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Self:
        """Fit the network to X and y.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Inputs; CSR stays sparse.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class labels or numbers.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, not negative; a row of weight zero is as good as removed.
        X_val, y_val, sample_weight_val : array-like, default=None
            Rows to validate on after every epoch, instead of a `validation_fraction` of X.
            Their loss and score are in `history_`; with `early_stopping` they decide.  A pipeline
            passes them on as they are: ``Pipeline(steps, transform_input=["X_val"])`` lets X_val
            go through the steps before, as X does (see `docs/from_sklearn.md`).  Columns of X_val
            that are in other units than those of X are a warning.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or the data is invalid, or the loss was not finite in any epoch.
            The estimator is then as it was.
        KeyboardInterrupt
            If the user interrupts.  What has been learned so far is kept, as the class's notes say.
        """
        metadata = {} if sample_weight is None else {"sample_weight": sample_weight}
        callbacks = EpochCallbacks(self, self._epochs_left(), self._snapshot, X, y, metadata)
        with unchanged_on_error(self) as keep:
            fitted = hasattr(self, "_network")
            resuming = self.warm_start and fitted
            given = X_val, y_val, sample_weight_val
            validation_data = None if all(part is None for part in given) else given
            if resuming:  # a copy, so that failing leaves no trace in the fitted model
                self._run = copy.deepcopy(vars(self).get("_run"))
            run, train, held_out = self._start(
                X, y, sample_weight, validation_data, resuming=resuming
            )
            batches, n_epochs = self._batches(train), run.n_epochs
            try:
                self._train(run, batches, self._validation(held_out, run), callbacks)
                if self.early_stopping:
                    run.return_to_best()
                self._publish(run)
                callbacks.end()
            except KeyboardInterrupt:
                if run.n_epochs > n_epochs or not fitted:
                    run.recover_from_interrupt(batches.n)
                    self._publish(run)
                    keep()
                raise
            if not self.warm_start:
                del self._run
        return self

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any, classes: Any = None) -> Self:
        if self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        with unchanged_on_error(self):
            before, kept = vars(self).get("_network"), vars(self).get("_run")
            with nullcontext() if kept is None else kept.undone_on_error():
                resuming, how = before is not None, {"classes": classes, "incremental": True}
                run, train, _ = self._start(X, y, sample_weight, resuming=resuming, **how)
                self._train(run, self._batches(train, incremental=True), incremental=True)
                self._publish(run, before)
        return self

    def _start(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        validation_data: tuple[Any, Any, Any] | None = None,
        *,
        resuming: bool,
        classes: Any = None,
        incremental: bool = False,
    ) -> tuple[Run, Dataset, Dataset | None]:
        """Get as far as the first step: return the run, the training rows, those held out.

        Random numbers are drawn first, then rows are held out, and what is learned from rows, such
        as the scale of y, is learned from the training rows alone.
        """
        check_combination(self)
        if not (resuming and incremental):
            warn_of_no_effect(self, has_validation_data=validation_data is not None)
        data = self._check_data(X, y, sample_weight, reset=not resuming)
        if resuming:
            self._check_target(data.rows_of(data.y), incremental)
        else:
            self._target = self._new_target(data, classes)
        data = data.encoded(self._target)
        kept: Run | None = vars(self).get("_run") if resuming else None
        source = Streams.of(self.random_state) if kept is None else kept
        train, held_out = self._hold_out(data, validation_data, source.split_seed)
        self._learn_from_rows(train, resuming)
        n_in, n_out = self.n_features_in_, self._target.n_scores
        self._target = replace(self._target, loss=self._loss(self._target))
        plan = make_plan(self, n_in, n_out, self._target.loss)
        self._run = run = self._run_under(plan, source, resuming)
        return run, train, held_out

    def _run_under(self, plan: Plan, source: Run | Streams, resuming: bool) -> Run:
        """Resume the run that was kept, or begin one with streams of random numbers."""
        if isinstance(source, Run):
            self._resume(source, plan)
            return source
        if resuming:
            return self._begin_again(plan, source)
        self._warn_of_dropped_run()
        return Run.begin(plan, source)

    def _learn_from_rows(self, train: Dataset, resuming: bool) -> None:
        """Measure the scales of y and X, unless the fitted network has them, and weigh classes."""
        if not resuming:
            self._measure_target(train)
            self._scaling = scaling_of(train, self)
        elif self._scaling is not None and not self.normalize_X:
            raise ValueError(
                "A network can only be trained further on the same scale of X: not with "
                "normalize_X=False after a fit that scaled columns."
            )
        self._weigh_classes(train)

    def _resume(self, run: Run, plan: Plan) -> None:
        """Resume the last run; weights that the user has set since then are taken over."""
        if fingerprint(self._network) != self._fingerprint:
            run.trainer.own()
            run.take_over(self._in_training_units(self._network.copy()))
        run.resume(plan)

    def _begin_again(self, plan: Plan, streams: Streams) -> Run:
        """Begin a run with the weights of the fitted network, and append to its history."""
        network = adapted(self._in_training_units(self._network.copy()), plan)
        run = Run.begin(plan, streams, network)
        run.history = {name: list(values) for name, values in self.history_.items()}
        if not self.early_stopping and self.best_loss_ is not None:
            run.best = BestState(-self.best_loss_, self.best_iter_, run.values.copy())
        run.trainer.n_epochs, run.trainer.n_samples = run.n_epochs, self.t_
        return run

    def _warn_of_schedule_end(self, run: Run) -> None:
        """Warn if the schedule is at its end, so that nothing more will be learned."""
        trainer = run.trainer
        if trainer.progress() >= 1.0 and trainer.learning_rate() < 1e-4 * self.learning_rate_init:
            warnings.warn(
                f"learning_rate={self.learning_rate!r} is at its end after {trainer.n_epochs} "
                "epochs, and nothing more will be learned: raise max_iter to the number of all "
                "epochs."
            )

    def _warn_of_dropped_run(self) -> None:
        """Warn if a fit that was cut short is dropped."""
        run = vars(self).get("_run")
        if run is not None and run.call.is_unfinished and run.losses:
            warnings.warn(
                f"A training that was cut short after {len(run.losses)} epochs is dropped, and "
                "another begins: set warm_start=True to go on."
            )

    def _epochs_left(self) -> int:
        """Return how many epochs the next `fit` may run."""
        run = vars(self).get("_run") if self.warm_start else None
        return self.max_iter if run is None else run.epochs_left(self.max_iter)

    def _train(
        self,
        run: Run,
        batches: Batches,
        validation: Validation | None = None,
        callbacks: EpochCallbacks | None = None,
        incremental: bool = False,
    ) -> None:
        if not run.call.is_unfinished:
            self._warn_of_schedule_end(run)
        monitor = Monitor(run, validation, bool(self.verbose), callbacks)
        run_call(run, batches, monitor, incremental)
        monitor.warn_of_silence(batches.T)

    def _validation(self, held_out: Dataset | None, run: Run) -> Validation | None:
        if held_out is None:
            return None
        held_out = held_out.compact()
        X, T, weight = held_out.X, held_out.T, held_out.weight
        training_weight = self._training_weight(T, weight)
        if training_weight is not None and not training_weight.any():
            raise ValueError(NO_WEIGHT.format("validation row"))
        score: OwnScore | Scoring | None = None
        if self.scoring is None:
            score = OwnScore(self._target, self._truth(held_out), weight)
        elif self.scoring != "loss":
            named = held_out.named()
            given, lacks = X if named is None else named, self._target.lacks_classes(T)
            snapshot = lambda: self._as_fitted(run, latest=True)  # noqa: E731
            score = Scoring(self.scoring, snapshot, given, held_out.y, weight, lacks)
        constant = is_regressor(self) and bool(np.all(T[:1] == T))
        X = X if self._scaling is None else self._scaling.apply(X)
        wanted = self._target.wanted(T, compute_dtype(self))
        return Validation(X, wanted, training_weight, score, constant)

    # The fitted model ----------------------------------------------------------------

    @property
    def _rescales(self) -> bool:
        """Whether the network in training and the one from X to y have other numbers."""
        return self._target.rescales or self._scaling is not None

    def _in_units_of_data(self, network: Network) -> Network:
        """Turn a network in training into one from X to y, both in their units, in place."""
        if self._target.rescales:
            self._target.rescale(network)
        if self._scaling is not None:
            rescale_inputs(network, self._scaling)
        return network

    def _in_training_units(self, network: Network) -> Network:
        """Turn a network that predicts into one to train on, in place."""
        if self._scaling is not None:
            unscale_inputs(network, self._scaling)
        if self._target.rescales:
            self._target.unscale(network)
        return network

    def _fitted_attributes(
        self, run: Run, *, latest: bool = False, frozen: bool = False
    ) -> dict[str, Any]:
        """Return all that `fit` sets, as if training had stopped now; nothing is set here.

        The network has the parameters of the best epoch with early stopping, else, or if `latest`,
        those of the last step.  It shares its numbers with the network in training if they may be
        the same.  If `frozen`, neither they nor the history change when training continues.
        """
        network = run.predictor(latest, own=frozen or self._rescales)
        network = self._in_units_of_data(network)
        history = {k: list(column) for k, column in run.history.items()} if frozen else run.history
        losses, best = history["loss"], run.best
        attributes: dict[str, Any] = {
            "_network": network,
            "_fingerprint": fingerprint(network),
            "t_": run.trainer.n_samples,
            "n_layers_": len(network.dense) + 1,
            "n_outputs_": self._target.n_scores,
            "out_activation_": run.plan.loss.out_activation,
            "history_": history,
            "loss_curve_": losses,
            "loss_": losses[-1] if losses else np.nan,
            "n_iter_": len(run.losses),
            "best_iter_": best.epoch,
            "best_loss_": -best.score,
            "validation_scores_": None,
            "best_validation_score_": None,
        }
        if run.call.recovered:
            attributes["loss_"] = min(filter(np.isfinite, losses))
        if run.early_stopping:
            scores = history.get("validation_score", [])
            # the validation loss stands in for scores that say nothing
            stood_in = best.epoch and not run.scored
            attributes["best_loss_"], attributes["validation_scores_"] = None, scores
            attributes["best_validation_score_"] = (
                scores[best.epoch - 1] if stood_in else best.score
            )
        return attributes

    def _publish(self, run: Run, before: Network | None = None) -> None:
        """Set the fitted attributes; views of the network that predicted before stay views."""
        attributes = self._fitted_attributes(run)
        if self._rescales:
            attributes["_network"] = in_place_of(before, attributes["_network"])
        self.__dict__.update(attributes)

    def _as_fitted(self, run: Run, **how: bool) -> Any:
        """Return a copy without callbacks, fitted as if training had stopped now.

        It can be resumed: it shares the run and, if they are the same, its numbers.
        """
        fitted = without_callbacks(self)
        fitted.__dict__.update(self._fitted_attributes(run, **how))
        return fitted

    def _snapshot(self) -> dict[str, Any]:
        """Return the attributes after the latest epoch for callbacks, which may keep them."""
        assert self._run is not None
        return self._fitted_attributes(self._run, latest=True, frozen=True)
