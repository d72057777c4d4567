"""The size of the gradient, layer by layer."""

import copy
from collections.abc import Iterable, Mapping
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state, check_scalar

from skdnn.engine.arrays import Array
from skdnn.engine.batches import Batches
from skdnn.estimators.base import BaseMLP
from skdnn.estimators.data import Dataset
from skdnn.estimators.run import Run
from skdnn.inspection.plotting import pyplot, styled
from skdnn.inspection.steps import by_name, split_steps

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.lines import Line2D


def prepare(estimator: Any, X: Any, y: Any, sample_weight: Any) -> tuple[BaseMLP, Run, Dataset]:
    """Return a copy of the network's estimator, its run before the first step, and the rows.

    If the network is fitted, its copy is ready to be trained further, and the steps of a pipeline
    before it are used as they are.  If it is not, its copy has initial weights, and clones of the
    steps are fitted.  The estimator itself is not changed.
    """
    steps, net = split_steps(estimator)
    fitted = hasattr(net, "_network")
    for step in steps:
        X = step.transform(X) if fitted else clone(step).fit_transform(X, y)
    net = copy.deepcopy(net) if fitted else clone(net)
    net._validate_params()
    net.set_params(early_stopping=False, batch_size="auto")  # all rows are used, as one batch
    run, train, _ = net._start(X, y, sample_weight, resuming=fitted, incremental=fitted)
    return net, run, train


@np.errstate(all="ignore")  # the norms are infinite if the network has diverged
def gradient_norms(
    estimator: Any,
    X: Any,
    y: Any,
    sample_weight: Any = None,
    *,
    max_rows: int = 10_000,
    random_state: int | np.random.RandomState | None = None,
) -> Array:
    """Return the root mean square of the entries of ∂L/∂W for every Dense layer."""
    net, run, train = prepare(estimator, X, y, sample_weight)
    batches, network = net._batches(train), run.network
    rng = check_random_state(random_state) if batches.n > max_rows else None
    at_once = Batches(
        batches.X, batches.T, batches.weight, max_rows,
        rows=batches.rows, dtype=network.dtype, scaling=batches.scaling,
    )  # fmt: skip
    batch = next(at_once.epoch(rng))
    network.layers = [layer for layer in network.layers if not layer.masks]
    network.prepare_training(np.random.default_rng(0))  # unused, without dropout
    network.loss_and_gradient(batch, run.plan.loss, net.alpha)
    return np.array([np.sqrt(np.mean(np.square(layer.dW, dtype=float))) for layer in network.dense])


class GradientFlowDisplay:
    """Norm of the gradient of the weights, layer by layer.

    If the norm shrinks by orders of magnitude from the output towards the input, the gradient
    vanishes: the first layers hardly learn.

    It is recommended to use `from_estimator` or `from_estimators` to create a display.  All
    parameters are stored as attributes.

    Parameters
    ----------
    gradients : dict of str to ndarray of shape (n_layers,)
        By name, the root mean square of the entries of ∂L/∂W for every weight matrix W, from the
        input to the output.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the curves.
    figure_ : matplotlib Figure
        Figure containing the axes.
    lines_ : list of matplotlib Line2D
        The curves, one for each estimator.

    See Also
    --------
    ActivationDisplay : Dead units and saturated activations, which stop the gradient.

    Notes
    -----
    L is the objective of training, evaluated on all rows as one batch.  Batch norm takes its
    statistics from this batch, and dropout is left out.  L includes the penalty.  If the gradient
    of the loss vanishes, the gradient of the penalty may be all that is left; ``alpha=0`` shows the
    gradient of the loss alone.  A gradient of zero has no point on the logarithmic axis.

    References
    ----------
    Y. Bengio, P. Simard and P. Frasconi (1994), "Learning long-term dependencies with gradient
    descent is difficult".

    X. Glorot and Y. Bengio (2010), "Understanding the difficulty of training deep feedforward
    neural networks".

    Examples
    --------
    If the initial weights are too small for so many layers, the gradient vanishes:

    >>> from sklearn.datasets import load_iris
    >>> from skdnn import MLPClassifier
    >>> from skdnn.inspection import GradientFlowDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> nets = {
    ...     init: MLPClassifier([16] * 5, init=init, alpha=0, random_state=0)
    ...     for init in ("he_normal", "normal")
    ... }
    >>> display = GradientFlowDisplay.from_estimators(nets, X, y)
    >>> he, normal = display.gradients.values()
    >>> bool(he[0] > 1e6 * normal[0])
    True
    """

    ax_: "Axes"
    figure_: "Figure | SubFigure"
    lines_: "list[Line2D]"

    def __init__(self, *, gradients: dict[str, Array]) -> None:
        self.gradients = gradients

    def plot(
        self, ax: "Axes | None" = None, *, line_kw: dict[str, Any] | None = None
    ) -> "GradientFlowDisplay":
        """Plot the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to plot on.  With None a figure is made.
        line_kw : dict, default=None
            Keyword arguments of `matplotlib.axes.Axes.plot` for all curves.

        Returns
        -------
        self : GradientFlowDisplay
            The display, with the attributes that hold what was drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        plt = pyplot(type(self).__name__)
        if ax is None:
            _, ax = plt.subplots(layout="constrained")
        self.ax_, self.figure_, self.lines_ = ax, ax.figure, []
        for name, norms in self.gradients.items():
            kw = styled(plt.Line2D, {"label": name, "marker": "o"}, line_kw)
            positive = np.where(norms > 0, norms, np.nan)  # a logarithmic axis has no zero
            self.lines_ += ax.plot(np.arange(1, len(norms) + 1), positive, **kw)
        ax.set(yscale="log", xlabel="weight matrix, from input to output")
        ax.set_ylabel("root mean square of ∂L/∂W")
        ax.locator_params(axis="x", integer=True)
        ax.legend()
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        *,
        sample_weight: Any = None,
        max_rows: int = 10_000,
        random_state: int | np.random.RandomState | None = None,
        name: str | None = None,
        ax: "Axes | None" = None,
        line_kw: dict[str, Any] | None = None,
    ) -> "GradientFlowDisplay":
        """Draw the norms of the gradient of an estimator, before or after it is fitted.

        Parameters
        ----------
        estimator : MLPClassifier, MLPRegressor, Pipeline or search
            A network, a pipeline that ends in one, or a fitted search over either.  If the network
            is not fitted, the gradient is the one before the first step of ``fit(X, y)``.  The
            estimator is not changed.
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Inputs, as for `fit`.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class labels or numbers.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        max_rows : int, default=10_000
            Greatest number of rows to use.  If X has more, this many are drawn at random.  The
            memory needed is that of one training step on these rows.
        random_state : int, RandomState instance or None, default=None
            Seed for drawing the rows.  Initial weights depend on the estimator's `random_state`.
        name : str, default=None
            Name in the legend; None is the name of the network's class.
        ax : matplotlib Axes, default=None
            Axes to plot on; see `plot`.
        line_kw : dict, default=None
            Keyword arguments of `matplotlib.axes.Axes.plot` for the curve.

        Returns
        -------
        display : GradientFlowDisplay
            The display, drawn.

        Raises
        ------
        NotFittedError
            If a search is not fitted.
        TypeError
            If the estimator neither is nor ends in a network of skdnn.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from skdnn import MLPClassifier
        >>> from skdnn.inspection import GradientFlowDisplay
        >>> X, y = load_iris(return_X_y=True)
        >>> net = MLPClassifier((16, 16), random_state=0)
        >>> GradientFlowDisplay.from_estimator(net, X, y).gradients["MLPClassifier"].shape
        (3,)
        """
        name = type(split_steps(estimator)[1]).__name__ if name is None else name
        return cls.from_estimators(
            {name: estimator},
            X,
            y,
            sample_weight=sample_weight,
            max_rows=max_rows,
            random_state=random_state,
            ax=ax,
            line_kw=line_kw,
        )

    @classmethod
    def from_estimators(
        cls,
        estimators: Mapping[str, Any] | Iterable[Any],
        X: Any,
        y: Any,
        *,
        sample_weight: Any = None,
        max_rows: int = 10_000,
        random_state: int | np.random.RandomState | None = None,
        ax: "Axes | None" = None,
        line_kw: dict[str, Any] | None = None,
    ) -> "GradientFlowDisplay":
        """Draw the norms of the gradients of several estimators in the same axes.

        Parameters
        ----------
        estimators : dict of str to estimator, or iterable of estimators
            Estimators, as for `from_estimator`.  A dict gives their names; without it they are
            named after their classes and numbered from 1.
        X, y, sample_weight, max_rows, random_state, ax, line_kw
            As for `from_estimator`.  All estimators get the same rows.

        Returns
        -------
        display : GradientFlowDisplay
            The display, drawn.

        Raises
        ------
        NotFittedError
            If a search is not fitted.
        TypeError
            If an estimator neither is nor ends in a network of skdnn.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from skdnn import MLPClassifier
        >>> from skdnn.inspection import GradientFlowDisplay
        >>> X, y = load_iris(return_X_y=True)
        >>> nets = [MLPClassifier([16] * depth, random_state=0) for depth in (2, 4)]
        >>> display = GradientFlowDisplay.from_estimators(nets, X, y)
        >>> {name: norms.shape for name, norms in display.gradients.items()}
        {'MLPClassifier 1': (3,), 'MLPClassifier 2': (5,)}
        """
        check_scalar(max_rows, "max_rows", Integral, min_val=1)
        seed = check_random_state(random_state).randint(2**31 - 1)
        options = {"max_rows": max_rows, "random_state": seed}
        gradients = {
            name: gradient_norms(estimator, X, y, sample_weight, **options)
            for name, estimator in by_name(estimators).items()
        }
        return cls(gradients=gradients).plot(ax, line_kw=line_kw)
