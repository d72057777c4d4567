"""The private names of scikit-learn that nothing public replaces, and nothing else."""

from sklearn.base import _fit_context as fit_context
from sklearn.callback._callback_context import get_context_path
from sklearn.callback._progressbar import RichProgressMonitor
from sklearn.callback._progressbar import _run_monitors as run_monitors
from sklearn.callback._progressbar import _run_queues as run_queues
from sklearn.callback._transport import open_listener, send
from sklearn.model_selection._search import BaseSearchCV
from sklearn.utils import _safe_indexing as rows_of
from sklearn.utils._param_validation import HasMethods, Hidden, Interval, Options, StrOptions
from sklearn.utils.validation import _check_sample_weight as check_sample_weight
from sklearn.utils.validation import _get_feature_names as get_feature_names

# What an estimator has of its callbacks: they themselves, and more while it is fitted.
CALLBACK_ATTRIBUTES = (
    "_skl_callbacks",
    "_skl_callbacks_to_teardown",
    "_callback_fit_ctx",
    "_parent_callback_ctx",
)

__all__ = [
    "CALLBACK_ATTRIBUTES",
    "BaseSearchCV",
    "HasMethods",
    "Hidden",
    "Interval",
    "Options",
    "RichProgressMonitor",
    "StrOptions",
    "check_sample_weight",
    "fit_context",
    "get_context_path",
    "get_feature_names",
    "open_listener",
    "rows_of",
    "run_monitors",
    "run_queues",
    "send",
]
