"""The regressor."""

import warnings
from dataclasses import KW_ONLY, dataclass
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.metaestimators import available_if

from skdnn.engine.arrays import Array
from skdnn.engine.losses import REGRESSION_LOSSES, Loss, facts_of
from skdnn.estimators._sklearn import HasMethods, Interval, StrOptions, fit_context
from skdnn.estimators.base import BaseMLP, has_minibatches
from skdnn.estimators.checks import validate_what_was_set
from skdnn.estimators.data import Dataset, as_numbers, check_range, check_scale, read_y
from skdnn.estimators.fitted import quiet
from skdnn.estimators.hyperparameters import Activations, LayerSizes, compute_dtype
from skdnn.estimators.labels import one_column
from skdnn.estimators.targets import RegressionTarget


@dataclass(eq=False, repr=False)
class MLPRegressor(RegressorMixin, BaseMLP):
    """Deep neural network for regression.

    A drop-in for `sklearn.neural_network.MLPRegressor` with dropout, batch normalisation, more
    activations, optimizers, initialisers, losses and schedules, all as flat hyperparameters.

    Parameters
    ----------
    loss : str or loss object, default="squared_error"
        "squared_error", ½ Σ (s - y)² over the outputs; "absolute_error"; "huber"; "quantile";
        "poisson", half the deviance of exp(s), for y ≥ 0; "gamma", likewise, for y > 0.  Or an
        object of your own, such as one for expectiles (see `docs/extending.md`).
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
        Smallest improvement of the training loss that counts: tol or, if the smallest loss so far
        is below 1, tol times that loss, so that data without noise are learned to the end.  Of the
        validation score R² it is likewise tol, or tol times 1 - R²; of other scores it is tol.
        "lbfgs" ends when no component of the gradient is larger than tol.  It also ends when the
        loss falls by less than 2.2e-9 of itself in an iteration, which is scipy's rule; a tol below
        the default lowers this share in proportion, down to 1.4e-14, for those who want the exact
        minimum.  With "absolute_error", "huber" and "quantile" it is always 1.4e-14.
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
        Share of the rows that early stopping holds out if `fit` gets no `X_val`: at least two.
    beta_1, beta_2 : float, default=0.9 and 0.999
        Decay of the moments of "adam", "adamax", "nadam" and "amsgrad".
    epsilon : float, default=1e-8
        Keeps the divisions of the adaptive solvers finite.
    n_iter_no_change : int or inf, default=10
        Epochs in a row without improvement that are allowed.
    max_fun : int, default=15000
        Largest number of evaluations of the loss by "lbfgs".
    normalize_y : bool, default=True
        Whether to train on standardised targets and build the scale into the last layer,
        so that `coefs_` is a plain network that predicts y itself.  Loss, `tol`, `alpha` and
        `huber_delta` then refer to targets of unit scale.  With "squared_error" centre and scale
        are mean and standard deviation of y.  With "absolute_error", "huber" and "quantile" they
        are its median and its interquartile range over 1.349: for normal y that is the standard
        deviation, whatever outliers there are.  If the quartiles coincide, the scale is the median
        distance of the other y from them, over 0.674.  "poisson" and "gamma" leave y as it is, for
        with their logarithmic link its scale is no more than the last bias.
    huber_delta : float, default=1.35
        Size of a residual at which the "huber" loss goes over from a parabola into a line.  With
        `normalize_y` it counts in robust standard deviations of y, as the epsilon of scikit-learn's
        `HuberRegressor` counts in those of the residuals; without, it is in the units of y.
    quantile : float, default=0.5
        The quantile that the loss "quantile" estimates, in (0, 1).
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
        What early stopping watches: None is the estimator's own score (R²), "loss" the
        validation loss; or any scorer of scikit-learn, which gets the rows of a DataFrame as a
        DataFrame and must return a number.  As long as no score says anything (because it is nan or
        infinite, or y is constant) the validation loss decides; if none ever does, a warning says
        so.
    dtype : {"float32", "float64"}, default="float32"
        Precision of the computations, or what numpy takes for it, such as ``np.float64``; "lbfgs"
        always takes float64.

    Attributes
    ----------
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
        "identity", or "exp" with "poisson" and "gamma".

    See Also
    --------
    MLPClassifier : The same for class labels.

    Notes
    -----
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
    >>> import numpy as np
    >>> from skdnn import MLPRegressor
    >>> X = np.linspace(-1, 1, 400)[:, None]
    >>> y = 1e6 * np.sin(3 * X[:, 0])
    >>> net = MLPRegressor(hidden_layer_sizes=(32, 32), activation="tanh", solver="lbfgs",
    ...                    random_state=0).fit(X, y)
    >>> net.score(X, y) > 0.999
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseMLP._parameter_constraints,
        "loss": [StrOptions(REGRESSION_LOSSES.keys()), HasMethods("value_and_gradient")],
        "normalize_y": ["boolean"],
        "huber_delta": [Interval(Real, 0, None, closed="neither")],
        "quantile": [Interval(Real, 0, 1, closed="neither")],
    }

    loss: str | Loss = "squared_error"
    hidden_layer_sizes: LayerSizes = (100,)
    activation: Activations = "relu"
    _: KW_ONLY
    normalize_y: bool = True
    huber_delta: float = 1.35
    quantile: float = 0.5

    # Targets -------------------------------------------------------------------------

    def _check_y(self, y: Any) -> Any:
        y = one_column(as_numbers(read_y(y, type(self).__name__)))
        check_range(y, compute_dtype(self), "y")
        allowed = facts_of(self.loss, REGRESSION_LOSSES).y_range
        outside = ~allowed.holds(y)
        if outside.any():
            raise ValueError(
                f"loss={self.loss!r} needs y {allowed}: {y[outside][0]:g} is among the values of y."
            )
        return y

    def _new_target(self, data: Dataset, classes: Any) -> Any:
        return RegressionTarget.of(data.y, self._standardised_by())

    def _measure_target(self, train: Dataset) -> None:
        y, weight, dtype = train.rows_of(train.y), train.rows_of(train.weight), compute_dtype(self)
        self._target = target = self._target.measured(y, weight)
        check_scale(target.scale, dtype, "y")
        blurred = np.abs(target.centre) * np.finfo(dtype).eps > 0.01 * target.scale
        if target.standardised_by and np.any(blurred & (y.max(axis=0) != y.min(axis=0))):
            warnings.warn(
                f"The mean of y is so large beside its spread that {dtype} blurs the predictions: "
                "use dtype='float64', or subtract a constant from y."
            )

    def _check_target(self, y: Any, incremental: bool) -> None:
        before, link = self._target, facts_of(self.loss, REGRESSION_LOSSES).out_activation
        rescales = before.standardised_by is not None, self._standardised_by() is not None
        if rescales[0] != rescales[1] or link != before.loss.out_activation:
            raise ValueError(
                "A network can only be trained further on the same scale of y: not with "
                f"normalize_y={self.normalize_y} and loss={self.loss!r} after the fit before."
            )

    def _truth(self, data: Dataset) -> Any:
        return data.y

    def _standardised_by(self) -> str | None:
        """Return what y is standardised by, if it is."""
        loss = facts_of(self.loss, REGRESSION_LOSSES)
        return loss.standardised_by if self.normalize_y else None

    def _loss(self, target: Any) -> Loss:
        return target.objective(self.loss, vars(self))

    def _weigh_classes(self, train: Dataset) -> None:
        pass

    def _effective_weight(self, T: Array, weight: Array | None) -> Array | None:
        return weight

    # Learning bit by bit -------------------------------------------------------------

    @available_if(has_minibatches)
    @validate_what_was_set
    @fit_context(prefer_skip_nested_validation=True)
    @quiet
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one epoch over X and y.

        k calls equal one `fit` of k epochs, bit for bit, given the same data.  What `normalize_X`
        and `normalize_y` shift and scale by is measured in the first call.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Numbers to predict.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        self : object
            The estimator, trained further.

        Raises
        ------
        ValueError
            If a parameter or the data is invalid, `early_stopping` is set, the shape of X or y is
            not that of the call before, or the loss was not finite.
            The estimator is then as it was, and after a KeyboardInterrupt too.
        """
        return self._partial_fit(X, y, sample_weight)

    # Prediction ----------------------------------------------------------------------

    @quiet
    def predict(self, X: Any) -> Any:
        """Predict y.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            In the units of y; float32 if X is, else float64.
        """
        S, dtype = self._raw_scores(X)
        predicted = self._target.predict(S.astype(dtype, copy=False))
        return predicted.ravel() if predicted.shape[1] == 1 else predicted

    @quiet
    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return R², the share of the variance of y that is explained.

        Parameters
        ----------
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            True numbers.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        float
            At most 1; 0 is as good as the mean of y.  With several outputs the mean of theirs.
        """
        return super().score(X, y, sample_weight)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        y_range = facts_of(self.loss, REGRESSION_LOSSES).y_range
        tags.target_tags.positive_only = y_range.low >= 0
        return tags
