"""Loss and validation score by epoch."""

import copy
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from skdnn.engine.arrays import Array
from skdnn.inspection.layout import Corner
from skdnn.inspection.plotting import pyplot, styled
from skdnn.inspection.steps import by_name, fitted_network

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.lines import Line2D

SCORE_PANEL = "validation scores"
STYLES: dict[str, dict[str, Any]] = {
    "training": {"linestyle": "-"},
    "validation": {"linestyle": "--"},
    "best epoch": {"linestyle": "None", "marker": "o"},
}


def score_panel(ax: "Axes", wanted: bool) -> "Axes | None":
    """Return the axes of the validation scores, which are below the losses.

    If an earlier plot made them, they are returned.  Otherwise they are made if they are wanted,
    and the result is None if they are not.
    """
    for panel in ax.child_axes:
        if panel.get_label() == SCORE_PANEL:
            return cast("Axes", panel)
    if not wanted:
        return None
    ax.set_axes_locator(Corner(ax, 1.0, 0.58, "NW"))
    ax.tick_params(labelbottom=False)
    ax.set_xlabel("")
    return ax.inset_axes((0.0, -0.72, 1.0, 0.65), sharex=ax, label=SCORE_PANEL)


class LossCurveDisplay:
    """Training and validation loss, and validation score, by epoch.

    It is recommended to use `from_estimator` or `from_estimators` to create a display.  All
    parameters are stored as attributes.

    Parameters
    ----------
    histories : dict of str to dict
        By name, the `history_` of an estimator.  It has "loss" and, if there were validation data,
        "validation_loss" and "validation_score", each a list with one number for every epoch.
    best_iters : dict of str to int, default=None
        By name, the best epoch, counted from 1, as in `best_iter_`.  0 means that there is none.
    decided_by : dict of str to {"loss", "validation_score"}, default=None
        By name, the curve that decided which epoch is the best.  None is "loss" for all.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the losses.
    score_ax_ : matplotlib Axes or None
        Axes of the validation scores, below the losses; None if there are no scores.
    axes_ : ndarray of matplotlib Axes of shape (1,) or (2,)
        `ax_` and, if it is not None, `score_ax_`.
    figure_ : matplotlib Figure
        Figure containing the axes.
    lines_ : list of matplotlib Line2D
        For one estimator after the other, the training loss, solid, and the validation loss,
        dashed.
    score_lines_ : list of matplotlib Line2D
        Validation scores, dashed.
    best_ : list of matplotlib Line2D
        Marks of the best epochs, each on the curve that decided which epoch is the best.

    See Also
    --------
    skdnn.MLPClassifier : The plot shows its attributes `history_` and `best_iter_`.
    sklearn.model_selection.LearningCurveDisplay : Scores by the number of training rows.

    Notes
    -----
    The training loss includes the penalty, and is measured during the epoch, while dropout is
    active.  The validation loss has no penalty and no dropout, so it may well be lower.  The best
    epoch is the one with the lowest training loss or, with early stopping, with the highest
    validation score.  The validation loss may be lowest in another epoch.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skdnn import MLPClassifier
    >>> from skdnn.inspection import LossCurveDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> net = MLPClassifier((16,), early_stopping=True, learning_rate="cosine", max_iter=30,
    ...                     learning_rate_init=0.01, random_state=0)
    >>> display = LossCurveDisplay.from_estimator(net.fit(X, y), log=True)
    >>> [len(line.get_xdata()) == len(net.loss_curve_) for line in display.lines_]
    [True, True]
    """

    ax_: "Axes"
    score_ax_: "Axes | None"
    axes_: Array
    figure_: "Figure | SubFigure"
    lines_: "list[Line2D]"
    score_lines_: "list[Line2D]"
    best_: "list[Line2D]"

    def __init__(
        self,
        *,
        histories: dict[str, dict[str, list[float]]],
        best_iters: dict[str, int] | None = None,
        decided_by: dict[str, str] | None = None,
    ) -> None:
        self.histories = histories
        self.best_iters = best_iters
        self.decided_by = decided_by

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        log: bool | None = None,
        line_kw: dict[str, Any] | None = None,
    ) -> "LossCurveDisplay":
        """Plot the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to plot on.  If there are scores, they take the lower part of the axes.  If an
            earlier display used the axes, its curves stay.  With None a figure is made.
        log : bool, default=None
            Whether the axis of the losses is logarithmic; losses of 0 and below are then not shown.
            None leaves the axis as it is; new axes are linear.
        line_kw : dict, default=None
            Keyword arguments of `matplotlib.axes.Axes.plot` for all lines.

        Returns
        -------
        self : LossCurveDisplay
            The display, with the attributes that hold what was drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        plt = pyplot(type(self).__name__)
        if ax is None:
            _, ax = plt.subplots(layout="constrained")
        has_scores = any("validation_score" in history for history in self.histories.values())
        self.ax_, self.figure_ = ax, ax.figure
        self.score_ax_ = score_panel(ax, has_scores)
        self.axes_ = np.array([one for one in (self.ax_, self.score_ax_) if one is not None])
        self.lines_, self.score_lines_, self.best_ = [], [], []
        for name in self.histories:
            self._mark_best(name, self._plot_history(name, styled(plt.Line2D, {}, line_kw)))
        self._label_axes(log)
        self._add_legend(plt)
        return self

    def _plot_history(self, name: str, line_kw: dict[str, Any]) -> "dict[str, Line2D]":
        """Plot the curves of one estimator and return their lines by what they show."""
        history = self.histories[name]
        epochs = np.arange(1, len(history["loss"]) + 1)
        (line,) = self.ax_.plot(epochs, history["loss"], **{"label": name} | line_kw)
        lines = {"loss": line}
        dashed = {"color": line.get_color()} | STYLES["validation"] | line_kw
        dashed["label"] = "_validation"  # the legend leaves out labels with an underscore
        for key, ax in {"validation_loss": self.ax_, "validation_score": self.score_ax_}.items():
            if ax is not None and key in history:
                (lines[key],) = ax.plot(epochs, history[key], **dashed)
        self.lines_ += [lines[key] for key in lines if key != "validation_score"]
        self.score_lines_ += [lines[key] for key in lines if key == "validation_score"]
        return lines

    def _mark_best(self, name: str, lines: "dict[str, Line2D]") -> None:
        best = (self.best_iters or {}).get(name, 0)
        if best:
            line = lines[(self.decided_by or {}).get(name, "loss")]
            style = STYLES["best epoch"] | {"color": line.get_color(), "label": "_best epoch"}
            y = np.asarray(line.get_ydata())[best - 1]
            self.best_ += cast("Axes", line.axes).plot(best, y, **style)

    def _label_axes(self, log: bool | None) -> None:
        bottom = self.score_ax_ or self.ax_
        bottom.set_xlabel("epoch")
        bottom.locator_params(axis="x", integer=True)
        self.ax_.set_ylabel("loss")
        if log is not None:
            self.ax_.set_yscale("log" if log else "linear")
        if self.score_ax_ is not None:
            self.score_ax_.set_ylabel("validation score")

    def _add_legend(self, plt: ModuleType) -> None:
        """Add a legend that explains the colours and the styles of the lines."""
        named, _ = self.ax_.get_legend_handles_labels()
        panels = [self.ax_] if self.score_ax_ is None else [self.ax_, self.score_ax_]
        lines = [line for panel in panels for line in panel.lines]
        drawn: dict[object, Any] = {"_training": named[0]} | {
            line.get_label(): line for line in lines
        }
        kinds = [(kind, drawn[f"_{kind}"]) for kind in STYLES if f"_{kind}" in drawn]
        keys = [
            plt.Line2D(
                [], [], c="grey", ls=line.get_linestyle(), marker=line.get_marker(), label=kind
            )
            for kind, line in kinds
        ]
        columns = 2 if len(named) > 1 else 1
        self.ax_.legend(handles=named + keys, ncols=columns, fontsize="small")

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        name: str | None = None,
        ax: "Axes | None" = None,
        log: bool | None = None,
        line_kw: dict[str, Any] | None = None,
    ) -> "LossCurveDisplay":
        """Draw the curves of a fitted estimator.

        Parameters
        ----------
        estimator : MLPClassifier, MLPRegressor, Pipeline or search
            A fitted network, a pipeline that ends in one, or a search whose best estimator is
            either.
        name : str, default=None
            Name in the legend; None is the name of the network's class.
        ax : matplotlib Axes, default=None
            Axes to plot on; see `plot`.
        log : bool, default=None
            Whether the axis of the losses is logarithmic; None leaves it as it is.
        line_kw : dict, default=None
            Keyword arguments of `matplotlib.axes.Axes.plot` for all lines.

        Returns
        -------
        display : LossCurveDisplay
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
        >>> from skdnn.inspection import LossCurveDisplay
        >>> X, y = load_iris(return_X_y=True)
        >>> net = MLPClassifier((16,), learning_rate="cosine", max_iter=20, random_state=0)
        >>> LossCurveDisplay.from_estimator(net.fit(X, y)).ax_.get_ylabel()
        'loss'
        """
        name = type(fitted_network(estimator)[1]).__name__ if name is None else name
        return cls.from_estimators({name: estimator}, ax=ax, log=log, line_kw=line_kw)

    @classmethod
    def from_estimators(
        cls,
        estimators: Mapping[str, Any] | Iterable[Any],
        *,
        ax: "Axes | None" = None,
        log: bool | None = None,
        line_kw: dict[str, Any] | None = None,
    ) -> "LossCurveDisplay":
        """Draw the curves of several fitted estimators in the same axes.

        Parameters
        ----------
        estimators : dict of str to estimator, or iterable of estimators
            Fitted estimators, as for `from_estimator`.  A dict gives their names; without it they
            are named after their classes and numbered from 1.
        ax : matplotlib Axes, default=None
            Axes to plot on; see `plot`.
        log : bool, default=None
            Whether the axis of the losses is logarithmic; None leaves it as it is.
        line_kw : dict, default=None
            Keyword arguments of `matplotlib.axes.Axes.plot` for all lines.

        Returns
        -------
        display : LossCurveDisplay
            The display, drawn.

        Raises
        ------
        NotFittedError
            If an estimator is not fitted.
        TypeError
            If an estimator neither is nor ends in a network of skdnn.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from skdnn import MLPClassifier
        >>> from skdnn.inspection import LossCurveDisplay
        >>> X, y = load_iris(return_X_y=True)
        >>> nets = {
        ...     f"batches of {n}": MLPClassifier(
        ...         (16,), batch_size=n, learning_rate="cosine", max_iter=20, random_state=0
        ...     ).fit(X, y)
        ...     for n in (10, 50)
        ... }
        >>> display = LossCurveDisplay.from_estimators(nets)
        >>> [line.get_label() for line in display.lines_]
        ['batches of 10', 'batches of 50']
        """
        networks = {name: fitted_network(e)[1] for name, e in by_name(estimators).items()}
        display = cls(
            histories={name: copy.deepcopy(net.history_) for name, net in networks.items()},
            best_iters={name: net.best_iter_ for name, net in networks.items()},
            decided_by={
                name: "loss" if net.best_validation_score_ is None else "validation_score"
                for name, net in networks.items()
            },
        )
        return display.plot(ax, log=log, line_kw=line_kw)
