"""The engine: a multilayer perceptron, backpropagation and the optimizers that train it.

It speaks the textbook and knows numpy and scipy only.  Symbols in the code are the
symbols of the docstrings:

================  ===============  ====================================================
symbol            shape            meaning
================  ===============  ====================================================
``X``             (m, n_in)        what a layer is given, one row a sample
``W``, ``b``      (n_in, n_out)    weights and biases; the column form s = W x of many
                                   lectures is the transpose of the S = X W + b used here
``S``             (m, n_out)       weighted sums (pre-activations, raw scores)
``Y``             (m, n_out)       what a layer returns, σ(S) if it has an activation
``T``             (m, k) or (m,)   targets: numbers, or labels 0 … K-1
``dX, dS, dW``    as X, S, W       derivatives of the loss with respect to X, S, W
``theta``, ``g``  (p,)             all trainable parameters and their gradient
``lr``                             learning rate
================  ===============  ====================================================
"""
