"""The face towards scikit-learn, and the only place that validates what a user hands in."""

from skdnn.estimators.classifier import MLPClassifier
from skdnn.estimators.regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
