"""Candidates of a hyperparameter search and their scores."""

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

MARKERS = "os^Dv<>p"  # one a round
POINTS: dict[str, Any] = {"s": 40, "edgecolor": "white", "linewidth": 0.5}
FAILED: dict[str, Any] = {"linestyle": "None", "marker": "x", "color": "grey", "label": "failed"}
RING: dict[str, Any] = {
    "s": 150,
    "facecolors": "none",
    "edgecolors": "black",
    "linewidths": 1.5,
    "zorder": 3,
}
DASHES: dict[str, dict[str, Any]] = {
    side: {"linestyle": "None", "marker": marker, "markersize": 14, "markeredgewidth": 2}
    for side, marker in {"x": "_", "y": "|"}.items()
}
# Share of the box that is left to the candidates, and the bounds of the rest in units of theirs.
MAIN = 0.68, 0.77
ABOVE = 0.0, 1.04, 1.0, 0.25
BESIDE = 1.04, 0.0, 0.25, 1.0
COLORBAR = 1.34, 0.0, 0.05, 1.0


def best_nearby(positions: Array, scores: Array) -> tuple[Array, Array, Array]:
    """Return the different positions in order, the best score at each, and the best nearby.

    The latter is the highest score of a position and its neighbours, a fifth of all together.

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
    """Return the score below which others are far out; -inf where the quartiles are equal.

    Examples
    --------
    >>> outer_fence(np.array([-1e6, 0.5, 0.5, 0.75, 0.75, np.nan]))
    -0.25
    """
    low, high = np.nanquantile(scores, [0.25, 0.75])
    return float(low - 3 * (high - low)) if high > low else -np.inf


class SearchDisplay:
    """The candidates of a hyperparameter search over one or two hyperparameters.

    Over two, candidates are points whose colour is their score, with the best score by value of
    either at the margins: the picture of grid against random search in Bergstra and Bengio (2012,
    fig. 1), of a real search.  Over one, it is the score that goes up.

    It is recommended to use `from_search` to create a display.  All parameters are stored as
    attributes.

    Parameters
    ----------
    x : Hyperparameter
        Hyperparameter of the x axis.
    scores : array-like of shape (n_candidates,)
        Mean test scores, higher is better; candidates without a finite one have failed.
    y : Hyperparameter, default=None
        Hyperparameter of the y axis; None shows the scores there.
    score_name : str, default="mean test score"
        Label of the scores.
    rounds : array-like of int of shape (n_candidates,), default=None
        Round in which a search in several rounds tried the candidate.
    best_index : int, default=None
        Candidate to mark as the best; None marks none.
    resources : array-like of shape (n_candidates,), default=None
        What successive halving spent on the candidate.  Lines and margins show only those that got
        the most, since scores from fewer resources do not compare with theirs.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the candidates.
    figure_ : matplotlib Figure
        Figure containing all.
    points_ : list of matplotlib PathCollection
        The candidates, those of a round together.
    failed_ : matplotlib Line2D or None
        Crosses of the failed candidates; None if there are none.
    best_ : matplotlib PathCollection or None
        Ring around the best candidate.
    colorbar_ : matplotlib Colorbar or None
        Colours of the scores; None without `y`.
    marginal_axes_ : list of matplotlib Axes
        Axes of the margins: above, for `x`, and at the right, for `y`; may be empty.
    axes_ : ndarray of matplotlib Axes
        Those of the candidates and of the margins.
    lines_ : list of matplotlib Line2D
        Best nearby over `x`, and over `y`.

    See Also
    --------
    LossCurveDisplay : Training, epoch by epoch.

    Notes
    -----
    Of several candidates in one place the one with the best score is on top, or that of the last
    round.  The best nearby is the highest score among neighbours, a fifth of all values.  Colours
    and margins leave out far outliers, scores more than three times the interquartile range below
    the lower quartile (Tukey, 1977).

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
            Axes to plot on; margins and colours take a part of their room.  With None a figure is
            made.
        marginals : bool, default=True
            Whether to show the best score by value of `x` and `y` at the margins.
        scatter_kw : dict, default=None
            Keyword arguments of `matplotlib.axes.Axes.scatter` for the candidates.
        line_kw : dict, default=None
            Keyword arguments of `matplotlib.axes.Axes.plot` for the best nearby.

        Returns
        -------
        self : SearchDisplay
            The display, with the attributes that hold what was drawn.

        Raises
        ------
        ImportError
            If there is no matplotlib.
        ValueError
            If no score is finite, or `scatter_kw` sets the colour where it is the score.
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
        """Plot the scores over x, and the failed candidates at the bottom."""
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
        """Plot the candidates over x and y, with colours for the scores."""
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
            cax=ax.inset_axes(COLORBAR) if marginals else None,
            extend="min" if lowest < self.points_[0].norm.vmin else "neither",
            label=self.score_name,
        )
        corner = {"loc": "lower left", "bbox_to_anchor": (1.02, 1.02), "frameon": False}
        handles: list[Any] = ax.legend(**corner if marginals else {}).legend_handles
        for handle in handles[: len(self.points_)]:
            handle.set(array=None, color="grey")  # colours are for scores

    def _plot_candidates(
        self, x: Array, y: Array, scores: Array, scatter_kw: dict[str, Any]
    ) -> None:
        """Plot the candidates of one round after the other, and a ring around the best."""
        rounds = np.zeros(len(scores), int) if self.rounds is None else np.asarray(self.rounds)
        numbers, order = np.unique(rounds), np.argsort(scores)  # in one place, the best on top
        for number, marker in zip(numbers, cycle(MARKERS), strict=False):
            members = order[rounds[order] == number]
            label = f"round {number}" if len(numbers) > 1 else "candidates"
            style = POINTS | {"marker": marker, "label": label}
            if self.y is not None:
                style["c"] = scores[members]
            self.points_.append(self.ax_.scatter(x[members], y[members], **style | scatter_kw))
        best = self.best_index
        if best is not None and np.isfinite(x[best] + y[best]):
            label = f"best: {scores[best]:.3g}"
            self.best_ = self.ax_.scatter(x[best], y[best], label=label, **RING)

    def _plot_failed(self, x: Array, y: Array, transform: "Transform") -> None:
        if len(x):
            (self.failed_,) = self.ax_.plot(x, y, transform=transform, **FAILED)

    def _plot_best(
        self,
        ax: "Axes",
        hyperparameter: Hyperparameter,
        side: Literal["x", "y"],
        scores: Array,
        line_kw: dict[str, Any],
    ) -> None:
        """Plot the best score by value of x or y, and the best nearby if they are numbers."""
        places, best, nearby = best_nearby(hyperparameter.positions, scores)

        def plot(values: Array, **style: Any) -> "list[Line2D]":
            data = (places, values) if side == "x" else (values, places)
            return ax.plot(*data, **{"color": "grey"} | style)

        if hyperparameter.is_categorical:
            self.lines_ += plot(best, **DASHES[side] | line_kw)
        else:
            plot(best, linestyle="None", marker=".", zorder=0)
            self.lines_ += plot(nearby, **line_kw)

    def _plot_marginals(self, y: Hyperparameter, scores: Array, line_kw: dict[str, Any]) -> None:
        """Plot the best score by value above, for x, and at the right, for y."""
        ax = self.ax_
        ax.set_axes_locator(Corner(ax, *MAIN, "SW"))
        above = ax.inset_axes(ABOVE, sharex=ax, ylabel="best score")
        beside = ax.inset_axes(BESIDE, sharey=ax, xlabel="best score")
        self.marginal_axes_ = [above, beside]
        self._plot_best(above, self.x, "x", scores, line_kw)
        self._plot_best(beside, y, "y", scores, line_kw)
        above.tick_params(labelbottom=False, labelsize="small")
        beside.tick_params(labelleft=False, labelsize="small", rotation=90)
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
            A fitted search.  Where it has several rounds ("round" or, with successive halving,
            "iter" in `cv_results_`), each gets a marker of its own.
        x, y : str, default=None for `y`
            Hyperparameters of the axes, as in the search, or without the names of the steps of a
            pipeline where that is unambiguous.  An axis is logarithmic where the search drew from
            `scipy.stats.loguniform` or an object whose attribute `log` is true, or had a list of
            numbers in even ratios.
        metric : str, default=None
            Which of several metrics is shown; None is the one that `refit` names, or the only one.
        ax : matplotlib Axes, default=None
            Axes to plot on; see `plot`.
        marginals : bool, default=True
            Whether to show the best score by value of `x` and `y` at the margins.
        scatter_kw : dict, default=None
            Keyword arguments of `matplotlib.axes.Axes.scatter` for the candidates.
        line_kw : dict, default=None
            Keyword arguments of `matplotlib.axes.Axes.plot` for the best nearby.

        Returns
        -------
        display : SearchDisplay
            The display, drawn.

        Raises
        ------
        NotFittedError
            If the search has no results.
        ValueError
            If it has no such hyperparameter or metric, or all candidates failed.

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
