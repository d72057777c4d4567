"""The few hot functions of the engine, with explicit output buffers.

`definitions` holds them in numpy, a few lines each, equal to the equations.  The engine
imports them from here and does not know which implementation runs.
"""

from skdnn.engine.kernels.definitions import (
    adam_step,
    batch_norm_backward,
    batch_norm_forward,
    dense_backward,
    dense_forward,
    dropout_mask,
    gather,
    logistic_cross_entropy,
    sgd_step,
    softmax,
    softmax_cross_entropy,
)

__all__ = [
    "adam_step",
    "batch_norm_backward",
    "batch_norm_forward",
    "dense_backward",
    "dense_forward",
    "dropout_mask",
    "gather",
    "logistic_cross_entropy",
    "sgd_step",
    "softmax",
    "softmax_cross_entropy",
]
