"""The private names of scikit-learn that nothing public replaces, and nothing else."""

from sklearn.base import _fit_context as fit_context
from sklearn.utils._param_validation import HasMethods, Hidden, Interval, Options, StrOptions
from sklearn.utils.validation import _check_sample_weight as check_sample_weight

# What an estimator has of its callbacks: they themselves, and more while it is fitted.
CALLBACK_ATTRIBUTES = (
    "_skl_callbacks",
    "_skl_callbacks_to_teardown",
    "_callback_fit_ctx",
    "_parent_callback_ctx",
)

__all__ = [
    "CALLBACK_ATTRIBUTES",
    "HasMethods",
    "Hidden",
    "Interval",
    "Options",
    "StrOptions",
    "check_sample_weight",
    "fit_context",
]
