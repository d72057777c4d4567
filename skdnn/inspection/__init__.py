"""Pictures of what was fitted, as displays in scikit-learn's manner."""

from skdnn.inspection.loss_curve import LossCurveDisplay

__all__ = ["LossCurveDisplay"]
