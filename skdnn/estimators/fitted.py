"""A fitted network as its user has it: weights, predictions, summary, copies and files."""

import copy
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from skdnn.engine.arrays import Array
from skdnn.engine.layers import Dense
from skdnn.engine.network import Network
from skdnn.engine.threads import infer
from skdnn.estimators._sklearn import CALLBACK_ATTRIBUTES
from skdnn.estimators.hyperparameters import Hyperparameters
from skdnn.estimators.plain import from_plain, to_plain
from skdnn.estimators.summary import as_text, summarize
from skdnn.estimators.targets import all_finite
from skdnn.estimators.weights import LayerList

# Goes around every public method, so that numpy neither warns of floating point nor raises,
# whatever the caller has set.  What matters is found in the numbers, and is said in words.
quiet = np.errstate(all="ignore")


def without_callbacks(estimator: Any) -> Any:
    """Return a shallow copy that has no callbacks."""
    bare = copy.copy(estimator)
    for name in CALLBACK_ATTRIBUTES:
        vars(bare).pop(name, None)
    return bare


class FittedMLP(Hyperparameters, BaseEstimator):
    """What an estimator can do once `_network` is there."""

    _network: Network

    # Copies and files ----------------------------------------------------------------

    def __getstate__(self) -> Any:
        return to_plain(super().__getstate__())

    def __setstate__(self, state: Any) -> None:
        super().__setstate__(from_plain(state))

    def __copy__(self) -> "FittedMLP":
        """Return an estimator with the same attributes, which it shares."""
        other = type(self).__new__(type(self))
        other.__dict__.update(vars(self))
        return other

    # The network -----------------------------------------------------------------------

    @property
    def network_(self) -> Network:
        """The engine's network, from the columns of X to raw scores in the units of y.

        It is what the other attributes are views of.  The engine may change from one version to the
        next without a deprecation.
        """
        if "_network" not in vars(self):
            raise AttributeError(
                f"{type(self).__name__!r} object has no network: it is not fitted."
            )
        return self._network

    @property
    def coefs_(self) -> LayerList:
        """list of ndarray of shape (n_in, n_out): weight matrices, views of one vector.

        What you write there predicts, and training resumes from it: numbers into an array, an
        array to an entry, or arrays to the whole list.
        """
        return LayerList("coefs_", [layer.W for layer in self._dense_layers("coefs_")])

    @coefs_.setter
    def coefs_(self, values: Any) -> None:
        self.coefs_.write(values)

    @property
    def intercepts_(self) -> LayerList:
        """list of ndarray of shape (n_out,): bias vectors, views of one vector.

        What you write there predicts, and training resumes from it: numbers into an array, an
        array to an entry, or arrays to the whole list.
        """
        return LayerList("intercepts_", [layer.b for layer in self._dense_layers("intercepts_")])

    @intercepts_.setter
    def intercepts_(self, values: Any) -> None:
        self.intercepts_.write(values)

    def summary(self) -> None:
        """Print the layers of the fitted network, with their sizes and numbers of parameters.

        "Statistics" are the running means and variances of batch norm, which are not trained.

        Examples
        --------
        >>> from skdnn import MLPRegressor
        >>> net = MLPRegressor(hidden_layer_sizes=(8,), solver="lbfgs", batch_norm=True,
        ...                    random_state=0)
        >>> net.fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0]).summary()
        Layer     Units  Batch norm  Activation  Parameters  Statistics
        ---------------------------------------------------------------
        Input         1
        Hidden 1      8  yes         relu                32          16
        Output        1              identity             9
        ---------------------------------------------------------------
        Total                                            41          16
        float64, 0.5 kB
        """
        check_is_fitted(self)
        layers = summarize(self._network, self.n_features_in_, self.out_activation_)
        print(as_text(layers, self._network.dtype))

    def _dense_layers(self, attribute: str) -> list[Dense]:
        if "_network" not in vars(self):
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {attribute!r}: it is not fitted. "
                "A first fit or partial_fit makes the network whose weights can then be set."
            )
        if self._network.parameters.own() is not self._network.parameters:  # locked, or a file
            self._network = self._network.replica()
            self._network.own()
        return self._network.dense

    def _raw_scores(self, X: Any) -> tuple[Array, type]:
        """Return the raw scores of the rows of X, of shape (n_samples, n_outputs_), and the dtype
        in which the user expects numbers: float32 if X is, else float64.
        """
        if not hasattr(self, "_network"):  # the check alone takes as long as a small network
            check_is_fitted(self)
        X = validate_data(self, X, reset=False, accept_sparse="csr")
        S = infer(self._network, X)
        if not all_finite(S) and S.dtype != np.float64:  # huge numbers inside the network
            rows = ~np.isfinite(S).all(axis=1)
            S = S.astype(np.float64)
            S[rows] = infer(self._network.in_double(), X[rows])
        return S, np.float32 if X.dtype == np.float32 else np.float64

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.multi_output = True
        return tags
