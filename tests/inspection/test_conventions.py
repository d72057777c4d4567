"""Where things are in a display: as in scikit-learn's."""

import numpy as np
import pytest
from drawn import plt
from matplotlib.axes import Axes
from sklearn.ensemble import RandomForestRegressor
from sklearn.inspection import PartialDependenceDisplay
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.model_selection import RandomizedSearchCV

from skdnn import MLPRegressor
from skdnn.inspection import (
    ActivationDisplay,
    GradientFlowDisplay,
    LossCurveDisplay,
    NetworkDisplay,
    SearchDisplay,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
Y = X[:, 0]
NET = MLPRegressor(hidden_layer_sizes=(4, 3), max_iter=3, early_stopping=True, random_state=0)


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def net():
    return NET.fit(X, Y)


@pytest.fixture(scope="module")
def search():
    values = {"alpha": [0.1, 1.0, 10.0], "learning_rate_init": [0.01, 0.1, 1.0]}
    return RandomizedSearchCV(NET, values, n_iter=4, cv=2, random_state=0).fit(X, Y)


@pytest.mark.parametrize("given", [False, True])
def test_one_axes_is_ax_and_several_are_axes(net, search, given):
    def ax():
        return plt.subplots()[1] if given else None

    peer = ConfusionMatrixDisplay.from_predictions([0, 1], [0, 1], ax=ax())
    grid = PartialDependenceDisplay.from_estimator(
        RandomForestRegressor(5).fit(X, Y), X, [0, 1], ax=ax()
    )
    singles = [
        GradientFlowDisplay.from_estimator(net, X, Y, ax=ax()),
        NetworkDisplay.from_estimator(net, ax=ax()),
    ]
    panels = [
        LossCurveDisplay.from_estimator(net, ax=ax()),
        SearchDisplay.from_search(search, x="alpha", y="learning_rate_init", ax=ax()),
    ]
    activations = ActivationDisplay.from_estimator(net, X, ax=ax())
    for display in (peer, *singles, *panels):
        assert isinstance(display.ax_, Axes)
        assert display.figure_ is display.ax_.figure
    for display in (grid, activations):
        assert isinstance(display.bounding_ax_, Axes)
        assert not display.bounding_ax_.axison
        assert display.axes_.ndim == 2
    for display in (grid, activations, *panels):
        assert isinstance(display.axes_, np.ndarray)
        for one in display.axes_.flat:
            assert isinstance(one, Axes) and one.figure is display.figure_
    assert [len(display.axes_) for display in panels] == [2, 3]
    assert all(display.axes_[0] is display.ax_ for display in panels)
