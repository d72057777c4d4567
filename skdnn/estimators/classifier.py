"""The classifier."""

from dataclasses import KW_ONLY, dataclass
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_consistent_length

from skdnn.engine.arrays import Array
from skdnn.engine.losses import YES_NO_LOSSES, Loss, facts_of
from skdnn.estimators._sklearn import (
    HasMethods,
    Interval,
    StrOptions,
    check_sample_weight,
    fit_context,
)
from skdnn.estimators.base import BaseMLP, has_minibatches
from skdnn.estimators.checks import validate_what_was_set
from skdnn.estimators.data import Dataset, read_y
from skdnn.estimators.fitted import quiet
from skdnn.estimators.hyperparameters import Activations, LayerSizes
from skdnn.estimators.label_targets import (
    BinaryTarget,
    MulticlassTarget,
    classification_target,
)
from skdnn.estimators.labels import as_plain, check_labels, distinct, distinct_named, one_column


def has_probabilities(estimator: Any) -> bool:
    """Whether the loss is one of probabilities."""
    if facts_of(estimator.loss, YES_NO_LOSSES).out_activation not in ("logistic", "softmax"):
        raise AttributeError(f"probability estimates are not available for loss={estimator.loss!r}")
    return True


def same_classes(classes: Any, fitted: Any) -> bool:
    """Whether `classes`, in any order, are the classes of the fitted model."""
    if isinstance(fitted, list):
        return len(classes) == len(fitted) and all(map(same_classes, classes, fitted))
    return np.array_equal(distinct_named(classes), fitted)


@dataclass(eq=False, repr=False)
class MLPClassifier(ClassifierMixin, BaseMLP):
    """Deep neural network for classification.

    A drop-in for `sklearn.neural_network.MLPClassifier` with dropout, batch normalisation, more
    activations, optimizers, initialisers, losses and schedules, all as flat hyperparameters.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(100,)
        Units of every hidden layer.  ``()`` is a linear model.
    activation : str, activation object or list of them, default="relu"
        Of the hidden layers: "relu", "identity" ("linear"), "logistic" ("sigmoid"), "tanh",
        "leaky_relu", "elu", "selu", "softplus", "gelu", "silu" ("swish"), "mish", or "step" (a
        threshold, trained straight-through); an object such as ``LeakyReLU(0.2)`` from
        `skdnn.engine.activations`; or a list, one a hidden layer.
    solver : str, default="adam"
        "adam", "sgd" (plain, with momentum, or Nesterov's), "adagrad", "rmsprop", "adadelta"
        (made for ``learning_rate_init=1``), "adamax", "nadam", "amsgrad"; or "lbfgs", which works
        on all rows at once, in double precision, and suits small data.
    alpha : float, default=0.0001
        Strength of the L2 penalty ½ alpha ‖W‖², which is divided by the number of samples in the
        batch and added to the loss.  If the samples have weights, it is divided by the sum of
        their weights.  With "lbfgs" the batch is all samples.  Biases and the parameters of batch
        norm are not penalised.
    batch_size : int or "auto", default="auto"
        Rows of a minibatch; "auto" is ``min(200, n_samples)``.
    learning_rate : str or callable, default="constant"
        Schedule of the learning rate, for every solver but "lbfgs".  "constant" keeps it.
        "invscaling" divides it by (t + 1) ** power_t, where t is the number of samples seen with
        "sgd", and a ten-thousandth of it with other solvers.  "adaptive" divides it by 5 whenever
        training would have stopped for lack of improvement.  The others change it over `max_iter`
        epochs: "exponential" falls to 1 %; "step" falls to a tenth at 1/2 and again at 3/4;
        "cosine" falls to 0; "one_cycle" rises for 30 % and then falls; "coslog4" has four waves.
        Every call of `partial_fit` counts as an epoch.  An object from `skdnn.engine.schedules`
        is taken too, such as ``Exponential(final=0.1)``.
    learning_rate_init : float, default=0.001
        Learning rate that the schedule multiplies.
    power_t : float, default=0.5
        Exponent of "invscaling".
    max_iter : int, default=200
        Largest number of epochs; with "lbfgs" of iterations.
    shuffle : bool, default=True
        Whether every epoch draws a new order of the rows.
    random_state : int, RandomState instance or None, default=None
        Seed of the initial weights, the validation split, the shuffling and dropout.  Each has a
        stream of its own, so that dropout, for example, does not change the initial weights.
    tol : float, default=1e-4
        Smallest improvement of the training loss (or validation score) that counts.  "lbfgs" ends
        when no component of the gradient is larger than tol.  It also ends when the loss falls by
        less than 2.2e-9 of itself in an iteration, which is scipy's rule; a tol below the default
        lowers this share in proportion, down to 1.4e-14, for those who want the exact minimum.
    verbose : bool, default=False
        Whether to print, for every epoch, scikit-learn's lines ("Iteration 1, loss = 0.69314718",
        and "Validation score: 0.500000" if there is one) and a line of our own with the loss on the
        validation data, the learning rate and the seconds.
    warm_start : bool, default=False
        Whether `fit` resumes the training of the last `fit`, with its weights, optimizer state,
        schedule and random streams.  After `early_stopping` it resumes from the best epoch.  If
        you have changed `coefs_` or `intercepts_`, it resumes from your values.
    momentum : float, default=0.9
        Momentum of "sgd", in [0, 1].
    nesterovs_momentum : bool, default=True
        Whether the momentum of "sgd" is Nesterov's.
    early_stopping : bool, default=False
        Whether to watch a validation score instead of the training loss, and keep the
        parameters of its best epoch.
    validation_fraction : float, default=0.1
        Share of the rows that early stopping holds out if `fit` gets no `X_val`: at least two,
        with the shares of the classes as far as it can be.  A class of one row stays in training.
    beta_1, beta_2 : float, default=0.9 and 0.999
        Decay of the moments of "adam", "adamax", "nadam" and "amsgrad".
    epsilon : float, default=1e-8
        Keeps the divisions of the adaptive solvers finite.
    n_iter_no_change : int or inf, default=10
        Epochs in a row without improvement that are allowed.
    max_fun : int, default=15000
        Largest number of evaluations of the loss by "lbfgs".
    loss : str or loss object, default="log_loss"
        "log_loss" is cross-entropy; "squared_error" is the squared difference between
        probabilities and one-hot targets; "hinge" and "perceptron" give no probabilities.  Or an
        object of your own, such as a focal loss (see `docs/extending.md`).
    class_weight : dict, list of dict, "balanced" or None, default=None
        Weights of the classes; "balanced": inversely proportional to their frequencies.
    label_smoothing : float, default=0.0
        Share of the target that is spread over all classes alike.
    weight_decay : float, default=0.0
        Decoupled weight decay (AdamW), with every minibatch solver: before each step the
        weights shrink by the factor ``1 - lr * weight_decay``.  `alpha` adds
        ``alpha / batch_size * W`` to the gradient, which an adaptive solver then rescales
        weight by weight, but `weight_decay` acts on all alike; with plain "sgd" the two agree
        if ``weight_decay = alpha / batch_size``.
    dropout : float or list of float, default=0.0
        Share of the hidden units that are dropped in a training step.  A list has one value for
        each hidden layer.
    input_dropout : float, default=0.0
        Share of the columns of X that are dropped in a training step.
    batch_norm : bool, default=False
        Whether to normalise over the batch: Dense → batch norm → activation → dropout.
    batch_norm_momentum : float, default=0.1
        Weight of the newest batch in the running statistics that prediction uses.
    init : str, default="auto"
        Initial weights: "auto" is "glorot_uniform", scikit-learn's choice and the most accurate
        one in the measurements of `benchmarks/defaults.md`, but "lecun_normal" for "selu"; or
        "glorot_uniform", "glorot_normal" (also "xavier_…"), "he_uniform", "he_normal" (also
        "kaiming_…"), "lecun_uniform", "lecun_normal", "orthogonal", "normal" (standard deviation
        0.01), "zeros".
    bias_init : str, default="auto"
        Initial biases: "glorot_uniform", uniform in ±√(6 / (n_in + n_out)), scikit-learn's;
        "fan_in", uniform in ±1/√n_in, PyTorch's; "uniform", uniform in ±1; or "zeros", with which
        the kinks of all rectified units go through the origin.  "auto" is "zeros" if
        ``init="zeros"``, and otherwise "glorot_uniform".
    normalize_X : bool, default=True
        Whether the columns of X are shifted and scaled in training if they need it.  Shift and
        scale are then built into the first layer, so that `coefs_` is a plain network on X itself.
        Columns of numbers stay as they are if all of them are more or less standardised, or within
        [-1, 1]; otherwise each is shifted by its mean and divided by its standard deviation over
        the training rows.  A column of mostly one value is shifted by that value and divided by the
        root mean square of the deviations from it, unless these are of moderate size.  A flag (a
        column of two values, such as one-hot code) that fewer than a quarter of the rows have is
        made three times smaller if there are columns of numbers beyond [-1, 1] beside it.
        Sparse columns are not shifted.  `alpha`, `max_norm` and `weight_decay` act on the weights
        in training.  A network without hidden layers is a linear model: its X is left as it is.
    warmup : float, default=0.0
        Share of training over which the learning rate rises from 0, before the schedule begins.
        It has no effect with "one_cycle" and "coslog4", which rise by themselves.
    clip_norm : float or None, default=None
        Largest norm of the gradient.  A gradient with a larger norm is scaled down to it.
    max_norm : float or None, default=None
        Largest norm of the weights into any one unit.
    rho : float, default=0.9
        Decay of the running means of "rmsprop" and "adadelta".
    scoring : str, callable or None, default=None
        What early stopping watches: None is the estimator's own score (accuracy), "loss" the
        validation loss; or any scorer of scikit-learn, which gets the rows of a DataFrame as a
        DataFrame and must return a number.  As long as no score says anything (because it is nan or
        infinite, or y is constant) the validation loss decides; if none ever does, a warning says
        so.
    dtype : {"float32", "float64"}, default="float32"
        Precision of the computations, or what numpy takes for it, such as ``np.float64``; "lbfgs"
        always takes float64.

    Attributes
    ----------
    classes_ : ndarray or list of ndarray
        Class labels, sorted; a list, one an output, if y has several columns of classes.
        Objects that are numbers become an array of numbers; strings, in one column, one of text.
    coefs_, intercepts_ : list of ndarray
        Weights (n_in, n_out) and biases (n_out,) of every layer, views of one vector.  What is
        set there (an array written into, an entry, or the whole list assigned to) predicts, and
        a warm start or `partial_fit` resumes from it.  A ValueError names what does not fit.
    history_ : dict of list
        One entry an epoch: "loss", "learning_rate", "seconds" and, if there are validation rows,
        "validation_loss" and "validation_score".
    loss_, best_loss_ : float
        Loss, penalty included, of the last epoch (the smallest if training diverged), and the
        smallest; `best_loss_` is None with early stopping.
    loss_curve_ : list of float
        ``history_["loss"]``.
    validation_scores_, best_validation_score_ : list of float, float
        The validation score of every epoch, and of the best one; None without early stopping.
    best_iter_ : int
        Epoch of the best validation score, or else of the smallest loss, counted from 1.
    n_iter_ : int
        Epochs (iterations) of the last call.
    t_ : int
        Samples seen in all.
    n_features_in_, feature_names_in_ : int, ndarray of str
        Number of columns of X, and their names if all of them are strings.
    n_layers_, n_outputs_ : int
        Number of layers, with the input and the output; number of columns of the raw scores.
    out_activation_ : str
        "softmax", "logistic" or, with "hinge" and "perceptron", "identity".

    See Also
    --------
    MLPRegressor : The same for numbers.

    Notes
    -----
    The values of y say what the task is.  One column is a choice between its classes; if there is
    only one class, it is always predicted.  Several columns in which all values are 0 and 1 (or
    False and True) are an indicator matrix: as many labels, any of which may apply.  Several
    columns with any other value, such as 1 and 2, -1 and 1, or text, are as many choices between
    classes, for which `classes_`, `predict_proba` and `decision_function` are lists, as in forests.
    So a part of y means another task than the whole only if the part has no other values than 0 and
    1 but the whole has.  Two things prevent that: texts as labels, or a list of the `classes` of
    every column in the first call of `partial_fit`.

    Ctrl-C: KeyboardInterrupt always leaves `fit` and `partial_fit`, so that it ends loops,
    cross-validation and searches too.  What an interrupted `fit` has learned is kept: the
    parameters of the last step, with `early_stopping` those of the best epoch, with "lbfgs" those
    of the last iteration.  `n_iter_` is the number of finished epochs.
    The next `fit` with ``warm_start=True`` runs the epochs that are left.  If the estimator was
    fitted before and no epoch was finished, it stays as it was.  An interrupted `partial_fit`
    always leaves the estimator as it was.

    References
    ----------
    D. E. Rumelhart, G. E. Hinton and R. J. Williams (1986), "Learning representations by
    back-propagating errors".

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skdnn import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> net = MLPClassifier((32, 32), batch_size=32, max_iter=60, learning_rate="cosine",
    ...                     learning_rate_init=0.01, random_state=0)
    >>> net = make_pipeline(StandardScaler(), net).fit(X, y)
    >>> net.score(X, y) > 0.95
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseMLP._parameter_constraints,
        "loss": [StrOptions(YES_NO_LOSSES.keys()), HasMethods("value_and_gradient")],
        "class_weight": [dict, list, StrOptions({"balanced"}), None],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
    }

    hidden_layer_sizes: LayerSizes = (100,)
    activation: Activations = "relu"
    _: KW_ONLY
    loss: str | Loss = "log_loss"
    class_weight: Any = None
    label_smoothing: float = 0.0

    # Targets -------------------------------------------------------------------------

    def _check_y(self, y: Any, warn: bool = True) -> Any:
        y = as_plain(read_y(y, type(self).__name__, accept_sparse="csr"))
        check_labels(y)
        return one_column(y, warn)

    def _new_target(self, data: Dataset, classes: Any) -> Any:
        target = classification_target(data.rows_of(data.y), classes)
        self.classes_ = target.classes
        return target

    def _check_target(self, y: Any, incremental: bool) -> None:
        if incremental or not isinstance(self._target, BinaryTarget | MulticlassTarget):
            return
        classes = distinct(y) if y.ndim == 1 else self.classes_
        if not np.array_equal(classes, self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous "
                f"call to fit. Previously got {self.classes_}, `y` has {classes}"
            )

    def _loss(self, target: Any) -> Loss:
        return target.objective(self.loss, vars(self))

    def _truth(self, data: Dataset) -> Any:
        return data.T

    def _measure_target(self, train: Dataset) -> None:
        pass

    def _weigh_classes(self, train: Dataset) -> None:
        if self.class_weight is None:
            return
        T, weight = train.rows_of(train.T), train.rows_of(train.weight)
        self._class_weights = self._target.class_weights(self.class_weight, T, weight)

    def _effective_weight(self, T: Array, weight: Array | None) -> Array | None:
        if self.class_weight is None:
            return weight
        codes = T.reshape(len(T), -1).astype(int)
        of_classes = np.prod([w[c] for w, c in zip(self._class_weights, codes.T, strict=True)], 0)
        return of_classes if weight is None else weight * of_classes

    # Learning bit by bit -------------------------------------------------------------

    @available_if(has_minibatches)
    @validate_what_was_set
    @fit_context(prefer_skip_nested_validation=True)
    @quiet
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """Train for one epoch over X and y.

        k calls equal one `fit` of k epochs, bit for bit, given the same data.  What `normalize_X`
        shifts and scales by is measured in the first call.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        classes : array-like of shape (n_classes,) or list of them, default=None
            All classes that will ever come; needed in the first call only.  A list of the classes
            of every column makes several columns of y choices between classes, whatever they hold.

        Returns
        -------
        self : object
            The estimator, trained further.

        Raises
        ------
        ValueError
            If a parameter or the data is invalid, `early_stopping` is set, the shape of X or y is
            not that of the call before, or the loss was not finite; if the first call has no
            `classes`, or a later one has others; and if ``class_weight="balanced"``.
            The estimator is then as it was, and after a KeyboardInterrupt too.
        """
        if isinstance(self.class_weight, str):
            raise ValueError(
                "class_weight='balanced' is not supported for partial_fit, which does not see all "
                "of y: compute the weights with sklearn.utils.compute_class_weight and pass them "
                "as a dict."
            )
        if not hasattr(self, "_network"):
            if classes is None:
                raise ValueError("classes must be passed on the first call to partial_fit.")
        elif classes is not None and not same_classes(classes, self.classes_):
            raise ValueError(
                f"`classes={classes!r}` is not the same as on last call to partial_fit, was: "
                f"{self.classes_!r}"
            )
        return self._partial_fit(X, y, sample_weight, classes)

    # Prediction ----------------------------------------------------------------------

    @quiet
    def predict(self, X: Any) -> Any:
        """Predict class labels.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            The most probable class, or every label whose probability exceeds one half.  Text
            beside numbers is an array of objects.
        """
        S, _ = self._raw_scores(X)
        return self._target.labels(S)

    @quiet
    def decision_function(self, X: Any) -> Any:
        """Return the raw scores: the inputs of softmax or of the logistic function.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes), or list of ndarray
            For two classes one score, positive for the second, otherwise one a class; a list if y
            has several columns of classes.
        """
        S, dtype = self._raw_scores(X)
        return self._target.decision(S.astype(dtype, copy=False))

    @available_if(has_probabilities)
    @quiet
    def predict_proba(self, X: Any) -> Any:
        """Predict probabilities of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        ndarray of shape (n_samples, n_classes), or list of ndarray
            In float64, in the order of `classes_`; a list if y has several columns of
            classes.  With the losses "hinge" and "perceptron" there is no such method.
        """
        S, _ = self._raw_scores(X)
        return self._target.probabilities(S)

    @available_if(has_probabilities)
    @quiet
    def predict_log_proba(self, X: Any) -> Any:
        """Predict logarithms of the probabilities.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        ndarray of shape (n_samples, n_classes), or list of ndarray
            In the shape of `predict_proba`; minus infinity for a probability of zero.
        """
        P = self.predict_proba(X)
        return [np.log(P_j) for P_j in P] if isinstance(P, list) else np.log(P, out=P)

    @quiet
    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy; with several labels a row, all of them have to be right.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            True labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        float
            In [0, 1].
        """
        S, _ = self._raw_scores(X)
        y = self._check_y(y, warn=False)
        check_consistent_length(S, y)
        if sample_weight is not None:
            sample_weight = check_sample_weight(sample_weight, S, dtype=np.float64)
        return self._target.score(S, self._target.encode(y, strict=False), sample_weight)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
