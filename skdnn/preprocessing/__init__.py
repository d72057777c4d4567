"""Transformers that make tables fit for networks, and serve alone in any pipeline."""

from skdnn.preprocessing.piecewise_linear import PiecewiseLinearEncoder
from skdnn.preprocessing.scaler import RobustSmoothClipScaler
from skdnn.preprocessing.tabular import TabularEncoder

__all__ = ["PiecewiseLinearEncoder", "RobustSmoothClipScaler", "TabularEncoder"]
