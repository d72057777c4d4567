"""A network as a diagram."""

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from skdnn.engine.arrays import Array
from skdnn.estimators.base import BaseMLP
from skdnn.estimators.summary import LayerSummary, summarize
from skdnn.inspection.plotting import pyplot, styled
from skdnn.inspection.steps import fitted_network

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection, PathCollection
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.text import Text

MAX_UNITS_WITHOUT_GAP = 8  # of a wider layer only the units at both ends are drawn
LAYER_COLORS = {"Input": "lightgrey", "Output": "tab:orange"}
HIDDEN_COLOR = "tab:blue"
MAX_NAME_CHARACTERS = 20  # of a unit; a longer name is cut


def unit_heights(n_units: int) -> Array:
    """Return the heights at which to draw the units of a layer, from top to bottom, around 0.

    Up to 8 units are all drawn.  Of a wider layer only the units at both ends are drawn, with a gap
    between them.  The column of units grows by one whenever the layer becomes twice as wide.

    Examples
    --------
    >>> unit_heights(4)
    array([ 1.5,  0.5, -0.5, -1.5])
    >>> unit_heights(64)
    array([ 5.,  4.,  3.,  2.,  1., -1., -2., -3., -4., -5.])
    """
    if n_units <= MAX_UNITS_WITHOUT_GAP:
        return (n_units - 1) / 2 - np.arange(n_units)
    top = (MAX_UNITS_WITHOUT_GAP - 1 + np.log2(n_units / MAX_UNITS_WITHOUT_GAP)) / 2
    upper = top - np.arange(np.ceil(top - 0.75))
    return np.concatenate([upper, -upper[::-1]])


def drawn(names: Any, n_drawn: int) -> list[str]:
    """Return the names of the units that are drawn, each cut to at most 20 characters."""
    first, last = names[: (n_drawn + 1) // 2], names[len(names) - n_drawn // 2 :]
    kept = map(str, [*first, *last])
    return [shortened(name) for name in kept]


def shortened(name: str) -> str:
    n = MAX_NAME_CHARACTERS
    return name if len(name) <= n else f"{name[: n - 1]}…"


def counted(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def caption(layer: LayerSummary) -> str:
    """Return the text below a layer."""
    lines: list[Any] = [
        counted(layer.n_units, "feature" if layer.name == "Input" else "unit"),
        layer.batch_norm and "batch norm",
        layer.activation,
        layer.dropout and f"dropout {layer.dropout:g}",
        layer.n_parameters and counted(layer.n_parameters, "parameter"),
        layer.n_statistics and counted(layer.n_statistics, "statistic"),
    ]
    return "\n".join(filter(None, lines))


def output_names(net: BaseMLP) -> list[Any] | None:
    """Return which class each output of a fitted classifier stands for; None for a regressor."""
    classes = getattr(net, "classes_", None)
    if classes is None:
        return None
    if isinstance(classes, list):
        return [f"{j}: {c}" for j, of_output in enumerate(classes) for c in of_output]
    return list(classes[-net.n_outputs_ :])  # of two classes, only the second has an output


class NetworkDisplay:
    """Diagram of a network: its layers from left to right, with a caption below each.

    It is recommended to use `from_estimator` to create a display.  All parameters are stored as
    attributes.

    Parameters
    ----------
    layers : list of LayerSummary
        The layers, from the input to the output.
    feature_names : array-like of str of shape (n_features,), default=None
        Names of the units of the input.
    output_names : array-like of shape (n_outputs,), default=None
        Names of the units of the output.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the diagram.
    figure_ : matplotlib Figure
        Figure containing the axes.
    units_ : list of matplotlib PathCollection
        The circles, one collection for each layer.  If a layer has more than 8 units, some are left
        out.
    edges_ : list of matplotlib LineCollection
        The lines between each layer and the next.
    captions_ : list of matplotlib Text
        Texts below the layers: units, batch norm, activation, dropout, trained parameters, and the
        statistics of batch norm, which are not trained.

    See Also
    --------
    skdnn.MLPClassifier.summary : The same information as a table.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skdnn import MLPClassifier
    >>> from skdnn.inspection import NetworkDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> net = MLPClassifier((64, 32), dropout=0.2, learning_rate="cosine", max_iter=10)
    >>> display = NetworkDisplay.from_estimator(net.fit(X, y))
    >>> print(display.captions_[1].get_text())
    64 units
    relu
    dropout 0.2
    320 parameters
    """

    ax_: "Axes"
    figure_: "Figure | SubFigure"
    units_: "list[PathCollection]"
    edges_: "list[LineCollection]"
    captions_: "list[Text]"

    def __init__(
        self, *, layers: list[LayerSummary], feature_names: Any = None, output_names: Any = None
    ) -> None:
        self.layers = layers
        self.feature_names = feature_names
        self.output_names = output_names

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        unit_kw: dict[str, Any] | None = None,
        edge_kw: dict[str, Any] | None = None,
    ) -> "NetworkDisplay":
        """Plot the diagram.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to plot on.  With None a figure of a size that suits the network is made.
        unit_kw : dict, default=None
            Keyword arguments of `matplotlib.axes.Axes.scatter` for all circles.
        edge_kw : dict, default=None
            Keyword arguments of `matplotlib.collections.LineCollection` for all lines.

        Returns
        -------
        self : NetworkDisplay
            The display, with the attributes that hold what was drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        plt = pyplot(type(self).__name__)
        columns = [unit_heights(layer.n_units) for layer in self.layers]
        top = max(column[0] for column in columns)
        if ax is None:
            n_named = sum(names is not None for names in (self.feature_names, self.output_names))
            size = 1.6 * len(columns) + 1.2 * n_named, 0.56 * top + 2.4
            _, ax = plt.subplots(figsize=size, layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        self._draw_edges(columns, edge_kw or {})
        self._draw_units(columns, unit_kw or {})
        self._write_captions(top + 0.8)
        self._name_units(columns[0], self.feature_names, x=-0.15, ha="right")
        self._name_units(columns[-1], self.output_names, x=len(columns) - 0.85, ha="left")
        total = sum(layer.n_parameters for layer in self.layers)
        ax.set(xlim=(-0.5, len(columns) - 0.5), ylim=(-top - 0.8, top + 1.8))
        ax.set_title(f"{total:,} parameters")
        ax.set_axis_off()
        return self

    def _draw_edges(self, columns: list[Array], kw: dict[str, Any]) -> None:
        from matplotlib.collections import LineCollection

        kw = styled(LineCollection, {"color": "0.8", "linewidth": 0.5, "zorder": 1}, kw)
        self.edges_ = []
        for x, (left, right) in enumerate(pairwise(columns)):
            lines = [((x, a), (x + 1, b)) for a in left for b in right]
            self.edges_.append(LineCollection(lines, **kw))
            self.ax_.add_collection(self.edges_[-1])

    def _draw_units(self, columns: list[Array], kw: dict[str, Any]) -> None:
        from matplotlib.collections import PathCollection

        self.units_ = []
        for x, (layer, column) in enumerate(zip(self.layers, columns, strict=True)):
            options: dict[str, Any] = {"s": 90, "edgecolor": "0.2", "linewidth": 0.8}
            if "c" not in kw:  # `scatter` alone takes it as a colour
                options["color"] = LAYER_COLORS.get(layer.name, HIDDEN_COLOR)
            options = styled(PathCollection, options, kw)
            self.units_.append(self.ax_.scatter(np.full(len(column), x), column, **options))
            if len(column) < layer.n_units:
                self.ax_.plot([x] * 3, [-0.35, 0.0, 0.35], ".", color="0.2", markersize=3)

    def _write_captions(self, height: float) -> None:
        self.captions_ = []
        for x, layer in enumerate(self.layers):
            self.ax_.text(x, height, layer.name, ha="center", weight="bold")
            text = self.ax_.text(x, -height, caption(layer), ha="center", va="top", size="small")
            self.captions_.append(text)

    def _name_units(self, column: Array, names: Any, **place: Any) -> None:
        if names is None:
            return
        for y, name in zip(column, drawn(names, len(column)), strict=True):
            self.ax_.text(y=y, s=name, va="center", size="small", parse_math=False, **place)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        ax: "Axes | None" = None,
        unit_kw: dict[str, Any] | None = None,
        edge_kw: dict[str, Any] | None = None,
    ) -> "NetworkDisplay":
        """Draw a fitted network.

        Parameters
        ----------
        estimator : MLPClassifier, MLPRegressor, Pipeline or search
            A fitted network, a pipeline that ends in one, or a search whose best estimator is
            either.
        ax : matplotlib Axes, default=None
            Axes to plot on; see `plot`.
        unit_kw : dict, default=None
            Keyword arguments of `matplotlib.axes.Axes.scatter` for all circles.
        edge_kw : dict, default=None
            Keyword arguments of `matplotlib.collections.LineCollection` for all lines.

        Returns
        -------
        display : NetworkDisplay
            The display, drawn.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If the estimator neither is nor ends in a network of skdnn.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from skdnn import MLPClassifier
        >>> from skdnn.inspection import NetworkDisplay
        >>> X, y = load_iris(return_X_y=True, as_frame=True)
        >>> net = MLPClassifier((6,), learning_rate="cosine", max_iter=10).fit(X, y)
        >>> NetworkDisplay.from_estimator(net).ax_.get_title()
        '51 parameters'
        """
        _, net = fitted_network(estimator)
        display = cls(
            layers=summarize(net.network_, net.n_features_in_, net.out_activation_),
            feature_names=getattr(net, "feature_names_in_", None),
            output_names=output_names(net),
        )
        return display.plot(ax, unit_kw=unit_kw, edge_kw=edge_kw)
