"""What the classifier and the regressor share: parameters, fitting, raw scores."""

import copy
import warnings
from abc import ABC, abstractmethod
from contextlib import contextmanager, nullcontext
from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator, is_regressor
from sklearn.callback import CallbackSupportMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from skdnn.engine.batches import Batches
from skdnn.engine.layers import Dense
from skdnn.engine.network import Network
from skdnn.engine.threads import infer
from skdnn.estimators._sklearn import CALLBACK_ATTRIBUTES, fit_context
from skdnn.estimators.checks import CONSTRAINTS, check_combination, warn_of_no_effect
from skdnn.estimators.construction import compute_dtype, hidden_sizes
from skdnn.estimators.course import Course, begin, resume
from skdnn.estimators.data import Sample, about, check_sample, check_scale
from skdnn.estimators.held_out import warn_of_other_units, without_names
from skdnn.estimators.monitoring import Hooks, Monitor, NoHooks
from skdnn.estimators.plain import from_plain, to_plain
from skdnn.estimators.running import run
from skdnn.estimators.scaling import (
    ROUNDING,
    SINGLE_ROUNDING,
    fold,
    measure,
    unfold,
    warn_of_blur,
)
from skdnn.estimators.summary import as_text
from skdnn.estimators.targets import all_finite
from skdnn.estimators.validation import OwnScore, Scoring, Validation
from skdnn.estimators.weights import LayerList, fingerprint, in_place_of

NO_WEIGHT = "Every {} has weight zero: see `sample_weight` and `class_weight`."
LBFGS_BATCH = 4096  # rows whose activations are held at once in an L-BFGS evaluation

# Goes around every public method, so that numpy neither warns of floating point nor raises,
# whatever the caller has set.  What matters is found in the numbers, and is said in words.
quiet = np.errstate(all="ignore")


@contextmanager
def unchanged_on_error(estimator):
    """Give the estimator back the attributes it had if what is inside fails.

    Yields a function that lets the estimator keep, even then, the attributes it has when called.
    """
    before = dict(vars(estimator))

    def keep():
        before.clear()
        before.update(vars(estimator))

    try:
        yield keep
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


def without_callbacks(estimator):
    """Return a shallow copy that has no callbacks."""
    bare = copy.copy(estimator)
    for name in CALLBACK_ATTRIBUTES:
        vars(bare).pop(name, None)
    return bare


def has_minibatches(estimator) -> bool:
    """Whether the estimator can learn bit by bit."""
    if estimator.solver == "lbfgs":
        raise AttributeError(
            "partial_fit is only available for stochastic optimizers. lbfgs is not stochastic."
        )
    return True


class BaseMLP(CallbackSupportMixin, BaseEstimator, ABC):
    """A multilayer perceptron over the engine; see the two estimators."""

    _parameter_constraints: ClassVar[dict] = CONSTRAINTS

    # What the two estimators add -----------------------------------------------------

    @abstractmethod
    def _check_y(self, y):
        """Return y, validated, with a column vector flattened."""

    @abstractmethod
    def _new_target(self, sample: Sample, classes):
        """Return the target that y asks for."""

    @abstractmethod
    def _check_target(self, y, incremental):
        """Refuse a y that does not fit the target of the fitted model."""

    @abstractmethod
    def _loss(self, target):
        """Return the engine's loss."""

    @abstractmethod
    def _truth(self, sample: Sample):
        """Return what the score of the target compares predictions with."""

    @abstractmethod
    def _weigh_classes(self, sample: Sample) -> None:
        """Note the weights of the classes, balanced over the rows in use."""

    @abstractmethod
    def _effective_weight(self, Y, weight):
        """Return the weights of the rows, class weights included, or None."""

    # Copies and files ----------------------------------------------------------------

    def __getstate__(self):
        return to_plain(super().__getstate__())

    def __setstate__(self, state):
        super().__setstate__(from_plain(state))

    def __copy__(self):
        """Return an estimator with the same attributes, which it shares."""
        other = type(self).__new__(type(self))
        vars(other).update(vars(self))
        return other

    # Fitting -------------------------------------------------------------------------

    @fit_context(prefer_skip_nested_validation=True)
    @quiet
    def fit(self, X, y, sample_weight=None, *, X_val=None, y_val=None, sample_weight_val=None):
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
        hooks = Hooks(self, X, y, {} if sample_weight is None else {"sample_weight": sample_weight})
        with unchanged_on_error(self) as keep:
            fitted = hasattr(self, "_network")
            resuming = self.warm_start and fitted
            given = X_val, y_val, sample_weight_val
            held_out = None if all(part is None for part in given) else given
            check_combination(self)
            warn_of_no_effect(self, held_out is not None)
            sample = check_sample(self, X, y, sample_weight, reset=not resuming)
            sample = self._prepare_target(sample, resuming)
            if resuming:  # a copy, so that failing leaves no trace in the fitted model
                self._course = copy.deepcopy(vars(self).get("_course"))
            course = self._course = resume(self) if resuming else begin(self)
            train, held_out = self._hold_out(sample, held_out, course.split_seed)
            self._prepare_scaling(train, resuming)
            validation = None if held_out is None else self._validation(held_out)
            batches, n_epochs = self._batches(train), course.n_epochs
            try:
                self._train(course, batches, validation, hooks)
                if self.early_stopping:
                    course.return_to_best()
                self._publish(course)
                hooks.finish()
            except KeyboardInterrupt:
                if course.n_epochs > n_epochs or not fitted:
                    course.mend_interrupted(batches.n)
                    self._publish(course)
                    keep()
                raise
            if not self.warm_start:
                del self._course
        return self

    def _partial_fit(self, X, y, sample_weight, classes=None):
        if self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        with unchanged_on_error(self):
            resuming = hasattr(self, "_network")
            check_combination(self)
            if not resuming:
                warn_of_no_effect(self, has_validation_data=False)
            sample = check_sample(self, X, y, sample_weight, reset=not resuming)
            sample = self._prepare_target(sample, resuming, classes, incremental=True)
            self._prepare_scaling(sample, resuming)
            batches = self._batches(sample, incremental=True)
            course = vars(self).get("_course")
            with nullcontext() if course is None else course.undone_on_error():
                course = self._course = resume(self) if resuming else begin(self)
                self._train(course, batches, None, NoHooks(), incremental=True)
                self._publish(course, vars(self).get("_network"))
        return self

    def _prepare_target(self, sample: Sample, resuming, classes=None, incremental=False) -> Sample:
        """Decide what is to be predicted, or check that y still asks for the same, and encode y."""
        if resuming:
            self._check_target(sample.used(sample.y), incremental)
        else:
            self._target = self._new_target(sample, classes)
        sample = sample.encoded(self._target)
        self._weigh_classes(sample)
        return sample

    def _prepare_scaling(self, train: Sample, resuming: bool) -> None:
        """Decide what the columns of X go through; a fitted network stays with what it has."""
        if resuming and self._scaling is not None and not self.normalize_X:
            raise ValueError(
                "A network can only be trained further on the same scale of X: not with "
                "normalize_X=False after a fit that scaled columns."
            )
        if not resuming:
            # a network without hidden layers is a linear model: its penalty is on the weights of X
            scales = self.normalize_X and hidden_sizes(self)
            dtype, given = compute_dtype(self), getattr(train.given, "dtype", None)
            rounding = SINGLE_ROUNDING if "float32" in (dtype, str(given)) else ROUNDING
            found = measure(train.X, train.rows, train.weight, rounding) if scales else None
            self._scaling = found
            if found is not None:
                check_scale(self, found.scale, "A column of X")
                warn_of_blur(found, train.given, train.X, dtype)

    def _hold_out(self, sample: Sample, given, seed: int) -> tuple[Sample, Sample | None]:
        """Return the rows to train on and those to validate on, if any."""
        if given is not None:
            held_out = self._check_held_out(*given)
            warn_of_other_units(sample, held_out)
            return sample, held_out
        if not self.early_stopping:
            return sample, None
        labels = sample.used(sample.Y) if self._target.stratifies else None
        return sample.split(labels, self.validation_fraction, seed)

    def _train(self, course: Course, batches: Batches, validation, hooks, incremental=False):
        monitor = Monitor(
            course,
            validation,
            early_stopping=self.early_stopping,
            adaptive=self.learning_rate == "adaptive",
            verbose=bool(self.verbose),
            hooks=hooks,
        )
        hooks.watch(lambda: {"_network": self._published(course.trainer.network.copy())})
        run(self, course, batches, monitor, incremental)
        monitor.warn_of_silence(batches.Y)

    # Data ----------------------------------------------------------------------------

    def _wanted(self, Y):
        """Return encoded targets as the loss wants them."""
        return self._target.wanted(Y, compute_dtype(self))

    def _training_weight(self, Y, weight):
        """Return the effective weights in the dtype of the computations, or None."""
        weight = self._effective_weight(Y, weight)
        return None if weight is None else weight.astype(compute_dtype(self), copy=False)

    def _batches(self, sample: Sample, incremental: bool = False) -> Batches:
        Y, weight, rows = sample.used(sample.Y), sample.used(sample.weight), sample.rows
        Y, weight = self._wanted(Y), self._training_weight(Y, weight)
        if weight is not None and not weight.all():  # a class of weight zero
            used = np.flatnonzero(weight)
            if len(used) == 0:
                raise ValueError(NO_WEIGHT.format("row"))
            Y, weight, rows = Y[used], weight[used], used if rows is None else rows[used]
        if weight is not None and np.all(weight == 1):
            weight = None
        size = self._batch_rows(len(Y), incremental)
        return Batches(sample.X, Y, weight, size, rows, compute_dtype(self), self._scaling)

    def _batch_rows(self, n: int, incremental: bool) -> int:
        if self.solver == "lbfgs":  # batch norm wants the statistics of all rows at once
            return n if self.batch_norm else min(n, LBFGS_BATCH)
        if self.batch_size == "auto":
            return min(200, n)
        if self.batch_size > n and not incremental:  # chunks are as large as they are
            warnings.warn(
                "Got `batch_size` less than 1 or larger than sample size. It is going to be "
                f"clipped: batch_size={self.batch_size}, {n} samples."
            )
        return min(self.batch_size, n)

    def _check_held_out(self, X, y, sample_weight) -> Sample:
        if X is None or y is None:
            raise ValueError("X_val and y_val must be given together.")
        checker = without_names(self, X)
        held_out = check_sample(checker, X, y, sample_weight, reset=False, suffix="_val")
        with about("y", "_val"):
            held_out = held_out.encoded(self._target)
        if self.early_stopping and held_out.n < 2:
            raise ValueError("The validation set is too small: X_val has fewer than 2 rows.")
        return held_out

    def _validation(self, held_out: Sample) -> Validation:
        held_out = held_out.compact()
        X, Y, weight = held_out.X, held_out.Y, held_out.weight
        training_weight = self._training_weight(Y, weight)
        if training_weight is not None and not training_weight.any():
            raise ValueError(NO_WEIGHT.format("validation row"))
        score: OwnScore | Scoring | None = None
        if self.scoring is None:
            score = OwnScore(self._target, self._truth(held_out), weight)
        elif self.scoring != "loss":
            named = held_out.named()
            given = X if named is None else named
            score = Scoring(self, given, held_out.y, weight, self._target.lacks_classes(Y))
        constant = is_regressor(self) and bool(np.all(Y[:1] == Y))
        X = X if self._scaling is None else self._scaling.apply(X)
        return Validation(X, self._wanted(Y), training_weight, score, constant)

    # The fitted model ----------------------------------------------------------------

    def _published(self, network: Network) -> Network:
        """Turn a network in training into one from X to y, both in their units, in place."""
        if self._target.folds:
            self._target.fold(network)
        if self._scaling is not None:
            fold(self._scaling, network)
        return network

    def _unpublished(self, network: Network) -> Network:
        """Turn a network that predicts into one to train on, in place: undo `_published`."""
        if self._scaling is not None:
            unfold(self._scaling, network)
        if self._target.folds:
            self._target.unfold(network)
        return network

    def _publish(self, course: Course, before: Network | None = None) -> None:
        """Set the fitted attributes; views of the network that predicted before stay views."""
        trainer, history = course.trainer, course.history
        best = course.best
        # Where training goes on from other numbers than those that predict, the latter are a copy.
        apart = self._target.folds or self._scaling is not None or self.early_stopping
        network = trainer.network.copy() if apart else trainer.network.replica()
        if self.early_stopping and best.values is not None:
            network.parameters.values[:] = best.values
        network = self._published(network)
        self._network = in_place_of(before, network) if apart else network
        course.published = fingerprint(self._network)
        self.t_ = trainer.n_samples
        self.n_layers_ = len(network.dense) + 1
        self.n_outputs_ = self._target.n_scores
        self.out_activation_ = trainer.loss.out_activation
        self.history_ = history
        self.loss_curve_ = history.setdefault("loss", [])
        self.best_iter_ = best.epoch
        self.n_iter_ = len(course.losses)
        self.loss_ = self.loss_curve_[-1] if self.loss_curve_ else np.nan
        if course.mended:
            self.loss_ = min(filter(np.isfinite, self.loss_curve_))
        self.best_loss_ = self.validation_scores_ = self.best_validation_score_ = None
        if self.early_stopping:
            self.validation_scores_ = scores = history.get("validation_score", [])
            stood_in = best.epoch and not course.scored  # the validation loss, for silent scores
            self.best_validation_score_ = scores[best.epoch - 1] if stood_in else best.score
        else:
            self.best_loss_ = -best.score

    def _fitted_so_far(self):
        """Return a copy without callbacks, fitted as if training had stopped here.

        It can go on from here: it shares the course, and all numbers that need not differ.
        """
        fitted = without_callbacks(self)
        fitted._publish(self._course)
        return fitted

    @property
    def coefs_(self):
        """list of ndarray of shape (n_in, n_out): weight matrices, views of one vector.

        Training goes on from what is written there: into an array, to an entry, or to the whole.
        """
        return LayerList("coefs_", [layer.W for layer in self._dense_layers("coefs_")])

    @coefs_.setter
    def coefs_(self, values):
        self.coefs_.write(values)

    @property
    def intercepts_(self):
        """list of ndarray of shape (n_out,): bias vectors, views of one vector.

        Training goes on from what is written there: into an array, to an entry, or to the whole.
        """
        return LayerList("intercepts_", [layer.b for layer in self._dense_layers("intercepts_")])

    @intercepts_.setter
    def intercepts_(self, values):
        self.intercepts_.write(values)

    def summary(self) -> None:
        """Print the layers of the fitted network, with their sizes and numbers of parameters.

        "Statistics" are the running means and variances of batch norm, which are not trained.

        Examples
        --------
        >>> from skdnn import MLPRegressor
        >>> net = MLPRegressor(hidden_layer_sizes=(8,), solver="lbfgs", batch_norm=True,
        ...                    random_state=0)
        >>> net.fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0]).summary()
        Layer     Units  Batch norm  Activation  Parameters  Statistics
        ---------------------------------------------------------------
        Input         1
        Hidden 1      8  yes         relu                32          16
        Output        1              identity             9
        ---------------------------------------------------------------
        Total                                            41          16
        float64, 0.5 kB
        """
        check_is_fitted(self)
        print(as_text(self))

    def _dense_layers(self, attribute: str) -> list[Dense]:
        if "_network" not in vars(self):
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {attribute!r}: it is not fitted. "
                "A first fit or partial_fit makes the network whose weights can then be set."
            )
        if self._network.parameters.own() is not self._network.parameters:  # locked, or a file
            self._network = self._network.replica()
            self._network.own()
        return self._network.dense

    def _raw_scores(self, X):
        """Return the raw scores of the rows of X, of shape (n_samples, n_outputs_), and the dtype
        in which the user expects numbers: float32 if X is, else float64.
        """
        if not hasattr(self, "_network"):  # the check alone takes as long as a small network
            check_is_fitted(self)
        X = validate_data(self, X, reset=False, accept_sparse="csr")
        S = infer(self._network, X)
        if not all_finite(S) and S.dtype != np.float64:  # huge numbers inside the network
            rows = ~np.isfinite(S).all(axis=1)
            S = S.astype(np.float64)
            S[rows] = infer(self._network.in_double(), X[rows])
        return S, np.float32 if X.dtype == np.float32 else np.float64

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.multi_output = True
        return tags
