"""Pictures of what was fitted, as displays in scikit-learn's manner."""

from skdnn.inspection.hyperparameters import Hyperparameter
from skdnn.inspection.loss_curve import LossCurveDisplay
from skdnn.inspection.search import SearchDisplay

__all__ = ["Hyperparameter", "LossCurveDisplay", "SearchDisplay"]
