"""What goes into the activations of a network, and what comes out."""

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

FLAT = 0.05  # share of the steepest slope below which an activation is saturated
WIDE = np.linspace(-50.0, 50.0, 10001)[None]  # where slopes are looked up; 0 is among them
CUT = 3  # times the second-highest bar is where a higher one is cut off
COLORS = "tab:blue", "tab:orange"


@dataclass(frozen=True)
class Distribution:
    """How the entries of an array are distributed.

    Parameters
    ----------
    shares : ndarray of shape (n_bins,)
        Share of the entries in every bin.
    edges : ndarray of shape (n_bins + 1,)
        Where the bins begin and end.
    mean, std : float
        Mean and standard deviation of the entries.
    """

    shares: Array
    edges: Array
    mean: float
    std: float

    @classmethod
    def of(cls, A: Array, bins: int) -> "Distribution":
        """Return that of the entries of A; the bins leave out the last per mille at each end."""
        low, high = np.quantile(A, [0.001, 0.999])
        counts, edges = np.histogram(A, bins, (low, high))
        return cls(counts / A.size, edges, float(A.mean(dtype=float)), float(A.std(dtype=float)))

    def __str__(self) -> str:
        return f"{self.mean:.2g} ± {self.std:.2g}".replace("-", "−")


@dataclass(frozen=True)
class LayerActivations:
    """The activations X = σ(S) of a hidden layer over some rows.

    Parameters
    ----------
    activation : str
        Name of σ.
    S, X : Distribution
        Pre-activations, behind batch norm if there is any, and activations.
    dead : ndarray of bool of shape (n_units,)
        The units with σ'(S) = 0 on every row: no gradient comes through them.
    saturated : float or None
        Share of the entries of S where σ' is below 5 % of its maximum; None for an activation that
        does not level off on both sides.
    """

    activation: str
    S: Distribution
    X: Distribution
    dead: Array
    saturated: float | None

    @classmethod
    def of(cls, activation: Activation, S: Array, X: Array, bins: int) -> "LayerActivations":
        """Return those of S and X of shape (n_rows, n_units)."""
        slopes = slope(activation, WIDE, forward(activation, WIDE))
        flat = FLAT * slopes.max()
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
        """Say how many units are dead, and how many activations saturated."""
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
    """Refuse pre-activations over which no histogram can be counted."""
    if not np.isfinite(np.ptp(S)):
        raise ValueError(
            f"The pre-activations overflow {S.dtype}: values of X or of the weights are too large."
        )


def hidden_layers(network: Network, X: Any) -> Iterator[tuple[Activation, Array, Array]]:
    """Yield σ, S and X = σ(S) of one hidden layer after the other, as at prediction."""
    for layer, following in pairwise(network.layers):
        S = layer.preactivation(X)
        if S is None:
            X = layer.infer(X)
            continue
        check_range(S)
        X = forward(layer.activation, S)
        if not following.couples_rows:
            yield layer.activation, S, X


def draw(ax: "Axes", A: Distribution, kw: dict[str, Any]) -> "StepPatch":
    """Draw a histogram; a bar far above all others is cut off, with its share beside it."""
    second, highest = np.partition(A.shares, -2)[-2:]
    if highest > CUT * second > 0:
        peak = int(A.shares.argmax())
        at_left = peak < A.shares.size / 2  # then there is room to its right
        x, side = A.edges[peak + at_left], "left" if at_left else "right"
        ax.text(x, 0.97 * CUT * second, f" {highest:.0%} ", ha=side, va="top", fontsize="small")
        ax.set_ylim(0, CUT * second)
    return ax.stairs(A.shares, A.edges, **kw)


def inset_grid(ax: "Axes", n_rows: int, n_columns: int) -> Array:
    """Return rows of axes inside the box of one, with room for their titles and labels."""
    size = 0.75 / n_columns, 0.55 / n_rows
    corners = [
        [(i / n_columns, 1 - (j + 0.75) / n_rows) for i in range(n_columns)] for j in range(n_rows)
    ]
    return np.array([[ax.inset_axes((*corner, *size)) for corner in row] for row in corners])


class ActivationDisplay:
    """Distribution of pre-activations and activations, hidden layer by hidden layer.

    It is recommended to use `from_estimator` to create a display.  All parameters are stored as
    attributes.

    Parameters
    ----------
    layers : list of LayerActivations
        What is drawn, one a hidden layer.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (2, n_hidden_layers)
        Axes of the pre-activations, in the first row, and of the activations.
    bounding_ax_ : matplotlib Axes or None
        The axes in whose place they are; None if `plot` was given an array of axes.
    figure_ : matplotlib Figure
        Figure containing them.
    histograms_ : ndarray of matplotlib StepPatch of shape (2, n_hidden_layers)
        The histograms.

    See Also
    --------
    GradientFlowDisplay : Norms of the gradients, layer by layer.

    Notes
    -----
    A unit is *dead* where the derivative of its activation is zero on every row, so that no
    gradient reaches its weights; a unit of "relu" is then zero everywhere.  An activation that
    levels off on both sides, such as "tanh" or "logistic", is *saturated* where its derivative is
    below 5 % of its maximum.

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
            One to put all in the place of, or one for every histogram, also as a list of so many,
            row by row.  With None a figure is made.
        hist_kw : dict, default=None
            Keyword arguments of `matplotlib.axes.Axes.stairs` for all histograms.

        Returns
        -------
        self : ActivationDisplay
            The display, with the attributes that hold what was drawn.

        Raises
        ------
        ImportError
            If there is no matplotlib.
        ValueError
            If `ax` is an array of another size.
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
        """Draw what goes into and comes out of the activations of a fitted network.

        Parameters
        ----------
        estimator : MLPClassifier, MLPRegressor, Pipeline or search
            A fitted network, or a pipeline that ends in one, or a search whose best estimator is
            or ends in one.
        X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features)
            Inputs, as for `predict`.
        bins : int, default=50
            Bins of a histogram, at least 2.
        max_rows : int, default=10_000
            So many rows of X are used at most, drawn at random; the memory needed is a few times
            that of the activations of the widest layer on them.
        random_state : int, RandomState instance or None, default=None
            Seed of that draw.
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
            If it is, or ends in, something else than a network of skdnn.
        ValueError
            If the network has no hidden layers, or its pre-activations overflow.

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
        with np.errstate(all="ignore"):  # what is not finite gets a message
            layers = [LayerActivations.of(*layer, bins) for layer in hidden_layers(net.network_, X)]
        if not layers:
            raise ValueError("The network has no hidden layers: hidden_layer_sizes is ().")
        return cls(layers=layers).plot(ax, hist_kw=hist_kw)
