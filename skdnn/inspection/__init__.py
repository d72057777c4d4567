"""Pictures of fitted estimators and searches, as scikit-learn's Display objects."""

from skdnn.inspection.activations import ActivationDisplay
from skdnn.inspection.gradient_flow import GradientFlowDisplay
from skdnn.inspection.network import NetworkDisplay

__all__ = ["ActivationDisplay", "GradientFlowDisplay", "NetworkDisplay"]
