"""The few hot functions of the engine, with explicit output buffers.

`definitions` holds them in numpy, equal to the equations; `_compiled` holds twins of most of them
with the same signatures, which are there if a C compiler was when the package was installed.
The engine imports the kernels from here and does not know which run.  ``SKDNN_KERNELS=numpy`` in
the environment asks for the definitions, ``SKDNN_KERNELS=compiled`` for an error rather than them.

Attributes
----------
IMPLEMENTATION : {"compiled", "numpy"}
    Which run.
"""

import importlib
import os
from collections.abc import Callable
from typing import Any

from skdnn.engine.kernels import definitions

CHOICES = ("auto", "compiled", "numpy")
choice = os.environ.get("SKDNN_KERNELS", "auto")
if choice not in CHOICES:
    raise ImportError(f"SKDNN_KERNELS must be one of {CHOICES}. Got {choice!r} instead.")

twins: Any = None
if choice != "numpy":
    try:
        twins = importlib.import_module("skdnn.engine.kernels._compiled")
    except ImportError:
        if choice == "compiled":
            raise
IMPLEMENTATION = "numpy" if twins is None else "compiled"


def _best(name: str) -> Callable[..., Any]:
    """Return the compiled kernel of this name, or its definition if there is none."""
    return getattr(twins, name, getattr(definitions, name))


activation_backward = _best("activation_backward")
adadelta_step = _best("adadelta_step")
adagrad_step = _best("adagrad_step")
adam_step = _best("adam_step")
adamax_step = _best("adamax_step")
amsgrad_step = _best("amsgrad_step")
batch_norm_backward = _best("batch_norm_backward")
batch_norm_forward = _best("batch_norm_forward")
dense_backward = _best("dense_backward")
dense_forward = _best("dense_forward")
dropout_mask = _best("dropout_mask")
gather = _best("gather")
l2_penalty = _best("l2_penalty")
logistic_cross_entropy = _best("logistic_cross_entropy")
mean_over_rows = _best("mean_over_rows")
nadam_step = _best("nadam_step")
rmsprop_step = _best("rmsprop_step")
sgd_step = _best("sgd_step")
softmax = _best("softmax")
softmax_cross_entropy = _best("softmax_cross_entropy")
