"""The candidates of a hyperparameter search and their scores."""

from itertools import cycle
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.ndimage import maximum_filter1d
from sklearn.exceptions import NotFittedError

from skdnn.engine.arrays import Array
from skdnn.inspection.hyperparameters import Hyperparameter
from skdnn.inspection.layout import Corner
from skdnn.inspection.plotting import pyplot, styled
from skdnn.inspection.search_results import (
    best_candidate,
    comparable,
    metric_name,
    read_hyperparameter,
    read_scores,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.colorbar import Colorbar
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.lines import Line2D
    from matplotlib.transforms import Transform

ROUND_MARKERS = "os^Dv<>p"
POINT_STYLE: dict[str, Any] = {"s": 40, "edgecolor": "white", "linewidth": 0.5}
FAILED_STYLE: dict[str, Any] = {
    "linestyle": "None",
    "marker": "x",
    "color": "grey",
    "label": "failed",
}
RING_STYLE: dict[str, Any] = {
    "s": 150,
    "facecolors": "none",
    "edgecolors": "black",
    "linewidths": 1.5,
    "zorder": 3,
}
DASH_STYLES: dict[str, dict[str, Any]] = {
    side: {"linestyle": "None", "marker": marker, "markersize": 14, "markeredgewidth": 2}
    for side, marker in {"x": "_", "y": "|"}.items()
}
# If there are margins, the candidates' axes have this (width, height), as fractions of the box.
# The (left, bottom, width, height) of the other axes are in units of the candidates' axes.
CANDIDATES_SIZE = 0.68, 0.77
ABOVE_BOUNDS = 0.0, 1.04, 1.0, 0.25
BESIDE_BOUNDS = 1.04, 0.0, 0.25, 1.0
COLORBAR_BOUNDS = 1.34, 0.0, 0.05, 1.0


def best_nearby(positions: Array, scores: Array) -> tuple[Array, Array, Array]:
    """Return the distinct positions in order, the best score at each, and the best score nearby.

    The best score nearby is the highest in a window around the position, which holds about a fifth
    of all positions.

    Examples
    --------
    >>> places, best, nearby = best_nearby(np.array([3, 1, 3]), np.array([0.5, 0.4, 0.8]))
    >>> places, best, nearby
    (array([1, 3]), array([0.4, 0.8]), array([0.4, 0.8]))
    """
    known = np.isfinite(positions) & np.isfinite(scores)
    places, index = np.unique(positions[known], return_inverse=True)
    best = np.full(len(places), -np.inf)
    np.maximum.at(best, index, scores[known])
    return places, best, maximum_filter1d(best, 2 * (len(places) // 10) + 1)


def outer_fence(scores: Array) -> float:
    """Return the score below which scores are far outliers; -inf if the quartiles are equal.

    Examples
    --------
    >>> outer_fence(np.array([-1e6, 0.5, 0.5, 0.75, 0.75, np.nan]))
    -0.25
    """
    low, high = np.nanquantile(scores, [0.25, 0.75])
    return float(low - 3 * (high - low)) if high > low else -np.inf


class SearchDisplay:
    """The candidates of a hyperparameter search over one or two hyperparameters.

    With two hyperparameters, each candidate is a point, and its colour is its score.  The margins
    show the best score for each value of either hyperparameter.  This is how Bergstra and Bengio
    (2012, fig. 1) compare grid search with random search.  With one hyperparameter, the y axis
    shows the score.

    It is recommended to use `from_search` to create a display.  All parameters are stored as
    attributes.

    Parameters
    ----------
    x : Hyperparameter
        Hyperparameter of the x axis.
    scores : array-like of shape (n_candidates,)
        Mean test scores; higher is better.  A candidate whose score is not finite has failed.
    y : Hyperparameter, default=None
        Hyperparameter of the y axis.  With None the y axis shows the scores.
    score_name : str, default="mean test score"
        Label of the scores.
    rounds : array-like of int of shape (n_candidates,), default=None
        Round in which the candidate was tried, if the search has several rounds.
    best_index : int, default=None
        Index of the candidate to mark as the best; None marks none.
    resources : array-like of shape (n_candidates,), default=None
        Resources that successive halving gave to the candidate.  Lines and margins show only the
        candidates that got the most, since scores from fewer resources are not comparable.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the candidates.
    figure_ : matplotlib Figure
        Figure containing all axes.
    points_ : list of matplotlib PathCollection
        The candidates, one collection for each round.
    failed_ : matplotlib Line2D or None
        Crosses that mark the failed candidates; None if there are none.
    best_ : matplotlib PathCollection or None
        Ring around the best candidate; None if none is marked.
    colorbar_ : matplotlib Colorbar or None
        Scale of the colours; None without `y`.
    marginal_axes_ : list of matplotlib Axes
        Axes of the margins: above for `x`, and at the right for `y`.  Empty without margins.
    axes_ : ndarray of matplotlib Axes
        `ax_` and the axes of the margins.
    lines_ : list of matplotlib Line2D
        Lines of the best score nearby, or dashes at the best score of each category: for `x` and,
        if there are margins, for `y`.

    See Also
    --------
    LossCurveDisplay : Loss and validation score by epoch.

    Notes
    -----
    If candidates of one round have the same position, the one with the best score is drawn on top.
    Later rounds are drawn over earlier ones.  The best score nearby is the highest among
    neighbouring values, about a fifth of all values.  Colours and margins leave out far outliers:
    scores more than three times the interquartile range below the lower quartile (Tukey, 1977).

    References
    ----------
    J. Bergstra and Y. Bengio (2012), "Random search for hyper-parameter optimization".

    J. W. Tukey (1977), "Exploratory data analysis", sec. 2D.

    Examples
    --------
    >>> from skdnn.inspection import Hyperparameter, SearchDisplay
    >>> alpha = Hyperparameter("alpha", [0.01, 0.1, 1.0], log=True)
    >>> solver = Hyperparameter("solver", ["adam", "sgd", "adam"])
    >>> display = SearchDisplay(x=alpha, y=solver, scores=[0.8, 0.9, 0.7], best_index=1).plot()
    >>> [label.get_text() for label in display.ax_.get_yticklabels()]
    ['adam', 'sgd']
    """

    ax_: "Axes"
    figure_: "Figure | SubFigure"
    points_: "list[PathCollection]"
    failed_: "Line2D | None"
    best_: "PathCollection | None"
    colorbar_: "Colorbar | None"
    marginal_axes_: "list[Axes]"
    axes_: Array
    lines_: "list[Line2D]"

    def __init__(
        self,
        *,
        x: Hyperparameter,
        scores: Any,
        y: Hyperparameter | None = None,
        score_name: str = "mean test score",
        rounds: Any = None,
        best_index: int | None = None,
        resources: Any = None,
    ) -> None:
        self.x = x
        self.scores = scores
        self.y = y
        self.score_name = score_name
        self.rounds = rounds
        self.best_index = best_index
        self.resources = resources

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        marginals: bool = True,
        scatter_kw: dict[str, Any] | None = None,
        line_kw: dict[str, Any] | None = None,
    ) -> "SearchDisplay":
        """Plot the candidates.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to plot on.  The margins and the scale of the colours take a part of them.  With
            None a figure is made.
        marginals : bool, default=True
            Whether margins show the best score for each value of `x` and of `y`.
        scatter_kw : dict, default=None
            Keyword arguments of `matplotlib.axes.Axes.scatter` for the candidates.
        line_kw : dict, default=None
            Keyword arguments of `matplotlib.axes.Axes.plot` for the lines of the best score.

        Returns
        -------
        self : SearchDisplay
            The display, with the attributes that hold what was drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If no score is finite, or if `scatter_kw` sets a colour although colours are scores.
        """
        plt = pyplot(type(self).__name__)
        from matplotlib.collections import PathCollection

        scatter_kw = styled(PathCollection, {}, scatter_kw)
        line_kw = styled(plt.Line2D, {}, line_kw)
        if self.y is not None and not {"c", "color", "facecolor"}.isdisjoint(scatter_kw):
            raise ValueError("scatter_kw must not set a colour: the colours are the scores.")
        scores = np.asarray(self.scores, dtype=float)
        scores = np.where(np.isfinite(scores), scores, np.nan)
        if np.isnan(scores).all():
            raise ValueError("All candidates failed: there is no score to show.")
        if ax is None:
            _, ax = plt.subplots(layout="constrained", figsize=(7.0, 5.5))
        self.ax_, self.figure_ = ax, ax.figure
        self.points_, self.lines_, self.marginal_axes_ = [], [], []
        self.failed_ = self.best_ = self.colorbar_ = None
        self.x.set_axis(ax, "x")
        if self.y is None:
            self._plot_scores(scores, scatter_kw, line_kw)
        else:
            self._plot_plane(self.y, scores, marginals, scatter_kw, line_kw)
        self.axes_ = np.array([ax, *self.marginal_axes_])
        return self

    def _plot_scores(
        self, scores: Array, scatter_kw: dict[str, Any], line_kw: dict[str, Any]
    ) -> None:
        """Plot the scores over x, and mark the failed candidates at the bottom."""
        ax, x, failed = self.ax_, self.x.positions, np.isnan(scores)
        best = "best by value" if self.x.is_categorical else "best nearby"
        ax.set_ylabel(self.score_name)
        self._plot_candidates(x, scores, scores, scatter_kw)
        best += "" if self.resources is None else ", most resources"
        self._plot_best(
            ax, self.x, "x", comparable(scores, self.resources), {"label": best} | line_kw
        )
        self._plot_failed(x[failed], np.full(failed.sum(), 0.03), ax.get_xaxis_transform())
        ax.legend()

    def _plot_plane(
        self,
        y: Hyperparameter,
        scores: Array,
        marginals: bool,
        scatter_kw: dict[str, Any],
        line_kw: dict[str, Any],
    ) -> None:
        """Plot the candidates over x and y, with their scores as colours."""
        ax, failed = self.ax_, np.isnan(scores)
        fence, lowest = outer_fence(scores), np.nanmin(scores)
        y.set_axis(ax, "y")
        colors = {"vmin": max(lowest, fence), "vmax": np.nanmax(scores)}
        xs, ys = self.x.positions, y.positions
        self._plot_candidates(xs, ys, scores, colors | scatter_kw)
        self._plot_failed(xs[failed], ys[failed], ax.transData)
        if marginals:
            last = comparable(scores, self.resources)
            self._plot_marginals(y, np.where(last < fence, np.nan, last), line_kw)
        self.colorbar_ = self.figure_.colorbar(
            self.points_[0],
            ax=ax,
            cax=ax.inset_axes(COLORBAR_BOUNDS) if marginals else None,
            extend="min" if lowest < self.points_[0].norm.vmin else "neither",
            label=self.score_name,
        )
        corner = {"loc": "lower left", "bbox_to_anchor": (1.02, 1.02), "frameon": False}
        handles: list[Any] = ax.legend(**corner if marginals else {}).legend_handles
        for handle in handles[: len(self.points_)]:
            handle.set(array=None, color="grey")  # a colour in the legend would look like a score

    def _plot_candidates(
        self, x: Array, y: Array, scores: Array, scatter_kw: dict[str, Any]
    ) -> None:
        """Plot the candidates of one round after the other, and a ring around the best."""
        rounds = np.zeros(len(scores), int) if self.rounds is None else np.asarray(self.rounds)
        numbers, order = np.unique(rounds), np.argsort(scores)  # the best are drawn last, on top
        for number, marker in zip(numbers, cycle(ROUND_MARKERS), strict=False):
            members = order[rounds[order] == number]
            label = f"round {number}" if len(numbers) > 1 else "candidates"
            style = POINT_STYLE | {"marker": marker, "label": label}
            if self.y is not None:
                style["c"] = scores[members]
            self.points_.append(self.ax_.scatter(x[members], y[members], **style | scatter_kw))
        best = self.best_index
        if best is not None and np.isfinite(x[best] + y[best]):
            label = f"best: {scores[best]:.3g}"
            self.best_ = self.ax_.scatter(x[best], y[best], label=label, **RING_STYLE)

    def _plot_failed(self, x: Array, y: Array, transform: "Transform") -> None:
        if len(x):
            (self.failed_,) = self.ax_.plot(x, y, transform=transform, **FAILED_STYLE)

    def _plot_best(
        self,
        ax: "Axes",
        hyperparameter: Hyperparameter,
        side: Literal["x", "y"],
        scores: Array,
        line_kw: dict[str, Any],
    ) -> None:
        """Plot the best score for each value of a hyperparameter.

        If the values are numbers, a line shows the best score nearby.
        """
        places, best, nearby = best_nearby(hyperparameter.positions, scores)

        def plot(values: Array, **style: Any) -> "list[Line2D]":
            data = (places, values) if side == "x" else (values, places)
            return ax.plot(*data, **{"color": "grey"} | style)

        if hyperparameter.is_categorical:
            self.lines_ += plot(best, **DASH_STYLES[side] | line_kw)
        else:
            plot(best, linestyle="None", marker=".", zorder=0)
            self.lines_ += plot(nearby, **line_kw)

    def _plot_marginals(self, y: Hyperparameter, scores: Array, line_kw: dict[str, Any]) -> None:
        """Plot the best score for each value of x above, and for each value of y at the right."""
        ax = self.ax_
        ax.set_axes_locator(Corner(ax, *CANDIDATES_SIZE, "SW"))
        above = ax.inset_axes(ABOVE_BOUNDS, sharex=ax, ylabel="best score")
        beside = ax.inset_axes(BESIDE_BOUNDS, sharey=ax, xlabel="best score")
        self.marginal_axes_ = [above, beside]
        self._plot_best(above, self.x, "x", scores, line_kw)
        self._plot_best(beside, y, "y", scores, line_kw)
        above.tick_params(which="both", labelbottom=False, labelsize="small")
        beside.tick_params(which="both", labelleft=False, labelsize="small", rotation=90)
        above.margins(y=0.1)
        beside.margins(x=0.1)
        above.locator_params(axis="y", nbins=3)
        beside.locator_params(axis="x", nbins=3)

    @classmethod
    def from_search(
        cls,
        search: Any,
        x: str,
        y: str | None = None,
        *,
        metric: str | None = None,
        ax: "Axes | None" = None,
        marginals: bool = True,
        scatter_kw: dict[str, Any] | None = None,
        line_kw: dict[str, Any] | None = None,
    ) -> "SearchDisplay":
        """Draw the candidates of a fitted search.

        Parameters
        ----------
        search : GridSearchCV, RandomizedSearchCV, or another with `cv_results_`
            A fitted search.  If it has several rounds ("round" or, with successive halving, "iter"
            in `cv_results_`), each round has its own marker.
        x, y : str, default=None for `y`
            Names of the hyperparameters, as in the search.  The names of a pipeline's steps can be
            left out if that is unambiguous.  An axis is logarithmic if the search drew the
            hyperparameter from `scipy.stats.loguniform`, from an object whose attribute `log` is
            true, or from a list of numbers that are spaced as on a logarithmic axis.
        metric : str, default=None
            Metric to show; None is the one that `refit` names, or the only one.
        ax : matplotlib Axes, default=None
            Axes to plot on; see `plot`.
        marginals : bool, default=True
            Whether margins show the best score for each value of `x` and of `y`.
        scatter_kw : dict, default=None
            Keyword arguments of `matplotlib.axes.Axes.scatter` for the candidates.
        line_kw : dict, default=None
            Keyword arguments of `matplotlib.axes.Axes.plot` for the lines of the best score.

        Returns
        -------
        display : SearchDisplay
            The display, drawn.

        Raises
        ------
        NotFittedError
            If the search has no `cv_results_`.
        ValueError
            If the search has no such hyperparameter or metric, or if all candidates failed.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.model_selection import GridSearchCV
        >>> from skdnn import MLPClassifier
        >>> from skdnn.inspection import SearchDisplay
        >>> X, y = load_iris(return_X_y=True)
        >>> net = MLPClassifier((8,), learning_rate="cosine", max_iter=10, random_state=0)
        >>> grid = {"alpha": [0.01, 0.1, 1.0], "activation": ["relu", "tanh"]}
        >>> search = GridSearchCV(net, grid, cv=2).fit(X, y)
        >>> display = SearchDisplay.from_search(search, "alpha", "activation")
        >>> display.ax_.get_xscale(), display.ax_.get_ylabel()
        ('log', 'activation')
        """
        if not hasattr(search, "cv_results_"):
            name = type(search).__name__
            raise NotFittedError(f"This {name} has no cv_results_: fit a search first.")
        results = search.cv_results_
        metric, scores = read_scores(search, metric)
        display = cls(
            x=read_hyperparameter(search, "x", x),
            y=None if y is None else read_hyperparameter(search, "y", y),
            scores=scores,
            score_name=f"mean test {metric_name(search, metric)}",
            rounds=results.get("round", results.get("iter")),
            best_index=best_candidate(search, metric, scores),
            resources=results.get("n_resources"),
        )
        return display.plot(ax, marginals=marginals, scatter_kw=scatter_kw, line_kw=line_kw)
