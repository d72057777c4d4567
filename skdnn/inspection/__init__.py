"""Plots of fitted estimators and searches, as Display objects in scikit-learn's convention."""

from skdnn.inspection.activations import ActivationDisplay
from skdnn.inspection.gradient_flow import GradientFlowDisplay
from skdnn.inspection.hyperparameters import Hyperparameter
from skdnn.inspection.loss_curve import LossCurveDisplay
from skdnn.inspection.network import NetworkDisplay
from skdnn.inspection.search import SearchDisplay

__all__ = [
    "ActivationDisplay",
    "GradientFlowDisplay",
    "Hyperparameter",
    "LossCurveDisplay",
    "NetworkDisplay",
    "SearchDisplay",
]
