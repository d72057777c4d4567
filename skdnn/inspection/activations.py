"""The pre-activations of a network, and its activations."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from numbers import Integral
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import check_scalar, resample

from skdnn.engine.activations import Activation
from skdnn.engine.arrays import Array
from skdnn.engine.network import Network
from skdnn.estimators.data import check_inputs
from skdnn.estimators.summary import activation_name
from skdnn.inspection.plotting import pyplot, styled
from skdnn.inspection.steps import fitted_network

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.patches import StepPatch

SATURATED_SLOPE = 0.05  # as a fraction of the steepest slope; below it an activation is saturated
SLOPE_GRID = np.linspace(-50.0, 50.0, 10001)[None]  # pre-activations, 0 among them
MAX_BAR_RATIO = 3  # a bar is cut off at so many times the height of the second-highest one
COLORS = "tab:blue", "tab:orange"  # of pre-activations and activations


@dataclass(frozen=True)
class Distribution:
    """How the entries of an array are distributed.

    Parameters
    ----------
    shares : ndarray of shape (n_bins,)
        Fraction of the entries in every bin.
    edges : ndarray of shape (n_bins + 1,)
        Edges of the bins.
    mean, std : float
        Mean and standard deviation of the entries.
    """

    shares: Array
    edges: Array
    mean: float
    std: float

    @classmethod
    def of(cls, A: Array, bins: int) -> "Distribution":
        """Return the distribution of the entries of A; the bins leave out 0.1 % at each end."""
        low, high = np.quantile(A, [0.001, 0.999])
        counts, edges = np.histogram(A, bins, (low, high))
        return cls(counts / A.size, edges, float(A.mean(dtype=float)), float(A.std(dtype=float)))

    def __str__(self) -> str:
        return f"{self.mean:.2g} ± {self.std:.2g}".replace("-", "−")


@dataclass(frozen=True)
class LayerActivations:
    """The activations X = σ(S) of a hidden layer on some rows.

    Parameters
    ----------
    activation : str
        Name of σ.
    S, X : Distribution
        Pre-activations, after batch norm if there is any, and activations.
    dead : ndarray of bool of shape (n_units,)
        Whether a unit has σ'(S) = 0 on every row.  No gradient comes through such a unit.
    saturated : float or None
        Fraction of the entries of S at which σ' is below 5 % of its maximum.  None if the
        activation does not level off on both sides.
    """

    activation: str
    S: Distribution
    X: Distribution
    dead: Array
    saturated: float | None

    @classmethod
    def of(cls, activation: Activation, S: Array, X: Array, bins: int) -> "LayerActivations":
        """Return the activations of a layer, for S and X of shape (n_rows, n_units)."""
        slopes = slope(activation, SLOPE_GRID, forward(activation, SLOPE_GRID))
        flat = SATURATED_SLOPE * slopes.max()
        levels_off = max(slopes[0, 0], slopes[0, -1]) < flat
        D = slope(activation, S, X)
        return cls(
            activation=activation_name(activation),
            S=Distribution.of(S, bins),
            X=Distribution.of(X, bins),
            dead=(D == 0).all(axis=0),
            saturated=float(np.less(D, flat).mean()) if levels_off else None,
        )

    @property
    def health(self) -> str:
        """How many units are dead, and how many activations saturated, as text."""
        n_dead, n_units = self.dead.sum(), self.dead.size
        dead = f"{n_dead} of {n_units} dead ({n_dead / n_units:.0%})"
        return dead if self.saturated is None else f"{dead}, {self.saturated:.0%} saturated"


def forward(activation: Activation, S: Array) -> Array:
    """Return σ(S)."""
    X = np.empty_like(S)
    activation.forward(S, X)
    return X


def slope(activation: Activation, S: Array, X: Array) -> Array:
    """Return σ'(S), where X = σ(S)."""
    D = np.empty_like(S)
    activation.derivative(S, X, D)
    return D


def check_range(S: Array) -> None:
    """Raise an error if the pre-activations are too large for a histogram."""
    if not np.isfinite(np.ptp(S)):
        raise ValueError(
            f"The pre-activations overflow {S.dtype}: values of X or of the weights are too large."
        )


def hidden_layers(network: Network, X: Any) -> Iterator[tuple[Activation, Array, Array]]:
    """Yield σ, S and X = σ(S) of one hidden layer after the other, computed as in `predict`."""
    for layer, following in pairwise(network.layers):
        S = layer.preactivation(X)
        if S is None:
            X = layer.infer(X)
            continue
        check_range(S)
        activation = layer.activation  # type: ignore[attr-defined]  # it has one, since it has S
        X = forward(activation, S)
        if not following.couples_rows:
            yield activation, S, X


def draw(ax: "Axes", A: Distribution, kw: dict[str, Any]) -> "StepPatch":
    """Draw a histogram.

    A bar that is far higher than all others is cut off, and its height is written beside it.
    """
    second, highest = np.partition(A.shares, -2)[-2:]
    top = MAX_BAR_RATIO * second
    if highest > top > 0:
        peak = int(A.shares.argmax())
        at_left = peak < A.shares.size / 2  # so there is room to its right
        x, side = A.edges[peak + at_left], "left" if at_left else "right"
        ax.text(x, 0.97 * top, f" {highest:.0%} ", ha=side, va="top", fontsize="small")
        ax.set_ylim(0, top)
    return ax.stairs(A.shares, A.edges, **kw)


def inset_grid(ax: "Axes", n_rows: int, n_columns: int) -> Array:
    """Return a grid of axes in the box of `ax`, with room for titles and labels."""
    size = 0.75 / n_columns, 0.55 / n_rows
    corners = [
        [(i / n_columns, 1 - (j + 0.75) / n_rows) for i in range(n_columns)] for j in range(n_rows)
    ]
    return np.array([[ax.inset_axes((*corner, *size)) for corner in row] for row in corners])


class ActivationDisplay:
    """Distribution of the pre-activations and of the activations of every hidden layer.

    It is recommended to use `from_estimator` to create a display.  All parameters are stored as
    attributes.

    Parameters
    ----------
    layers : list of LayerActivations
        The hidden layers, from the first to the last.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (2, n_hidden_layers)
        Axes of the pre-activations, in the first row, and of the activations, in the second.
    bounding_ax_ : matplotlib Axes or None
        The axes in whose place `axes_` are; None if `plot` was given an array of axes.
    figure_ : matplotlib Figure
        Figure containing the axes.
    histograms_ : ndarray of matplotlib StepPatch of shape (2, n_hidden_layers)
        The histograms.

    See Also
    --------
    GradientFlowDisplay : Norms of the gradients of the layers.

    Notes
    -----
    A unit is *dead* if the derivative of its activation is zero on every row, so that no gradient
    reaches its weights.  If its activation is "relu", its output is then zero on every row.

    An activation that levels off on both sides, such as "tanh" or "logistic", is *saturated* at an
    input if its derivative there is below 5 % of its maximum.

    References
    ----------
    X. Glorot and Y. Bengio (2010), "Understanding the difficulty of training deep feedforward
    neural networks".

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skdnn import MLPClassifier
    >>> from skdnn.inspection import ActivationDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> net = MLPClassifier((16, 8), learning_rate="cosine", max_iter=20, random_state=0)
    >>> display = ActivationDisplay.from_estimator(net.fit(X, y), X)
    >>> display.axes_.shape
    (2, 2)
    >>> [layer.dead.size for layer in display.layers]
    [16, 8]
    """

    axes_: Array
    bounding_ax_: "Axes | None"
    figure_: "Figure | SubFigure"
    histograms_: Array

    def __init__(self, *, layers: list[LayerActivations]) -> None:
        self.layers = layers

    def plot(self, ax: Any = None, *, hist_kw: dict[str, Any] | None = None) -> "ActivationDisplay":
        """Plot the histograms.

        Parameters
        ----------
        ax : matplotlib Axes or array-like of Axes of shape (2, n_hidden_layers), default=None
            One axes, in whose place all histograms are drawn, or one for every histogram.  The
            latter can also be a flat list, row by row.  With None a figure is made.
        hist_kw : dict, default=None
            Keyword arguments of `matplotlib.axes.Axes.stairs` for all histograms.

        Returns
        -------
        self : ActivationDisplay
            The display, with the attributes that hold what was drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `ax` is an array of another shape.
        """
        self.axes_ = self._grid(pyplot(type(self).__name__), ax)
        from matplotlib.patches import StepPatch

        self.figure_ = self.axes_[0, 0].figure
        self.histograms_ = np.empty_like(self.axes_)
        for i, layer in enumerate(self.layers):
            for j, A in enumerate((layer.S, layer.X)):
                kw = styled(StepPatch, {"fill": True, "color": COLORS[j]}, hist_kw)
                self.histograms_[j, i] = draw(self.axes_[j, i], A, kw)
        self._label_axes()
        return self

    def _grid(self, plt: ModuleType, ax: Any) -> Array:
        """Return the axes to plot on."""
        shape = 2, len(self.layers)
        if ax is None:
            size = 0.8 + 2.6 * shape[1], 5.2
            ax = plt.figure(figsize=size, layout="constrained").add_subplot()
        if isinstance(ax, plt.Axes):
            ax.set_axis_off()
            self.bounding_ax_, place = ax, ax.get_subplotspec()
            if place is None:
                return inset_grid(ax, *shape)
            return place.subgridspec(*shape).subplots(squeeze=False)
        self.bounding_ax_, axes = None, np.asarray(ax, dtype=object)
        if axes.shape not in (shape, (axes.size,)) or axes.size != shape[0] * shape[1]:
            raise ValueError(f"ax must be one axes or an array of shape {shape}. Got {axes.shape}.")
        return axes.reshape(shape)

    def _label_axes(self) -> None:
        for i, (layer, (top, bottom)) in enumerate(zip(self.layers, self.axes_.T, strict=True), 1):
            top.set_title(f"Hidden {i}\n{layer.S}", fontsize="small")
            bottom.set_title(f"{layer.X}\n{layer.health}", fontsize="small")
            top.set_xlabel("pre-activation")
            bottom.set_xlabel(layer.activation)
        for ax in self.axes_[:, 0]:
            ax.set_ylabel("share of entries")

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        bins: int = 50,
        max_rows: int = 10_000,
        random_state: int | np.random.RandomState | None = None,
        ax: Any = None,
        hist_kw: dict[str, Any] | None = None,
    ) -> "ActivationDisplay":
        """Draw the pre-activations and the activations of a fitted network.

        Parameters
        ----------
        estimator : MLPClassifier, MLPRegressor, Pipeline or search
            A fitted network, a pipeline that ends in one, or a search whose best estimator is
            either.
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Inputs, as for `predict`.
        bins : int, default=50
            Number of bins of a histogram, at least 2.
        max_rows : int, default=10_000
            Greatest number of rows to use.  If X has more, this many are drawn at random.  The
            memory needed is a few times the size of the widest layer's activations on these rows.
        random_state : int, RandomState instance or None, default=None
            Seed for drawing the rows.
        ax : matplotlib Axes or array-like of Axes of shape (2, n_hidden_layers), default=None
            Axes to plot on; see `plot`.
        hist_kw : dict, default=None
            Keyword arguments of `matplotlib.axes.Axes.stairs` for all histograms.

        Returns
        -------
        display : ActivationDisplay
            The display, drawn.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If the estimator neither is nor ends in a network of skdnn.
        ValueError
            If the network has no hidden layers, or if its pre-activations overflow.

        Examples
        --------
        Large weights saturate the activations:

        >>> from sklearn.datasets import load_iris
        >>> from skdnn import MLPClassifier
        >>> from skdnn.inspection import ActivationDisplay
        >>> X, y = load_iris(return_X_y=True)
        >>> net = MLPClassifier((8,), activation="tanh", solver="lbfgs", random_state=0).fit(X, y)
        >>> net.coefs_[0][:] *= 100
        >>> display = ActivationDisplay.from_estimator(net, X)
        >>> display.layers[0].saturated > 0.9
        True
        """
        steps, net = fitted_network(estimator)
        check_scalar(bins, "bins", Integral, min_val=2)
        check_scalar(max_rows, "max_rows", Integral, min_val=1)
        if np.shape(X)[:1] > (max_rows,):
            X = resample(X, replace=False, n_samples=max_rows, random_state=random_state)
        for step in steps:
            X = step.transform(X)
        X = check_inputs(net, X, reset=False)
        with np.errstate(all="ignore"):  # an overflow raises an error of its own
            layers = [LayerActivations.of(*layer, bins) for layer in hidden_layers(net.network_, X)]
        if not layers:
            raise ValueError("The network has no hidden layers: hidden_layer_sizes is ().")
        return cls(layers=layers).plot(ax, hist_kw=hist_kw)
