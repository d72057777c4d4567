"""Layers: forward and backward side by side.

A layer is a specification (its fields), views of the parameter vector (after `bind`) and
buffers for one batch (after `allocate`).  *A layer may overwrite the gradient it is given,
never the input it is given.*  What `forward` and `backward` return is the layer's own
buffer, valid until its next call.  `infer` touches no buffer, so threads may share a layer.

Conventions
-----------
A batch has m rows, in every layer.  The members of an ensemble lie in the columns: k members of n
columns each are an array of shape (m, k · n), C-contiguous, so that what is shared by the members
sees (m · k, n) without a copy, and all that works by column or by entry works as it is.

What a layer is given (``X`` or ``S``) has shape (m, n_in), what it returns
(``Y``) shape (m, n_out), and each derivative the shape of what it is named after; n_in = n_out
where a layer has no n_in.  All are arrays of the network's dtype, float32 or float64; the first
layer, if it is `Dense`, `Dropout` or `Scale`, may be given a csr_array, which the latter two hand
on.  Fields are not checked.

Examples
--------
>>> import numpy as np
>>> from skdnn.engine.activations import Tanh
>>> layer = Activate(2, Tanh())
>>> layer.allocate(1, "float64", np.random.default_rng(0))
>>> layer.forward(np.array([[0.0, 1.0]])).round(3)
array([[0.   , 0.762]])
>>> layer.backward(np.array([[1.0, 1.0]])).round(3)
array([[1.  , 0.42]])
"""

from skdnn.engine.layers.base import Affine, Layer, Parametric
from skdnn.engine.layers.batch_norm import BatchNorm
from skdnn.engine.layers.categories import CategoryEmbedding
from skdnn.engine.layers.dense import Activate, Dense
from skdnn.engine.layers.dropout import Dropout
from skdnn.engine.layers.elementwise import ParametricActivate, Scale
from skdnn.engine.layers.members import MemberDense, MemberScale, SharedDense
from skdnn.engine.layers.periodic import PBLD, PeriodicEmbedding

__all__ = [
    "PBLD",
    "Activate",
    "Affine",
    "BatchNorm",
    "CategoryEmbedding",
    "Dense",
    "Dropout",
    "Layer",
    "MemberDense",
    "MemberScale",
    "Parametric",
    "ParametricActivate",
    "PeriodicEmbedding",
    "Scale",
    "SharedDense",
]
