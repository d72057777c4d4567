"""The weights of a network as its user sees them: lists of views, which write through."""

import zlib
from collections.abc import Iterable
from typing import Any, NoReturn

import numpy as np
from scipy import sparse

from skdnn.engine.network import Network

FIXED = (
    "{}: the number of layers is fixed. Assign an array to one layer, as in {}[0] = W, or a list "
    "with one array a layer to {} as a whole."
)


class LayerList(list[np.ndarray]):
    """One array a layer, each a view of the numbers of the network.

    A list like any other to read.  What is assigned to an entry is written into the network, and
    what would change the length is refused.  A pickle or a deep copy is a plain list of arrays.

    Parameters
    ----------
    name : str
        Name of the attribute, for messages.
    views : iterable of ndarray
        The arrays, the first layer first.

    Examples
    --------
    >>> values = np.zeros(6)
    >>> coefs = LayerList("coefs_", [values[:4].reshape(2, 2), values[4:].reshape(2, 1)])
    >>> coefs[1] = [[3], [4]]
    >>> values
    array([0., 0., 0., 0., 3., 4.])
    """

    def __init__(self, name: str, views: Iterable[np.ndarray]):
        super().__init__(views)
        self._name = name

    def __setitem__(self, index: Any, value: Any) -> None:
        chosen = range(len(self))[index]
        layers, values = ([chosen], [value]) if isinstance(chosen, int) else (chosen, value)
        self._write(layers, values)

    def write(self, values: Any) -> None:
        """Write one array a layer: all of them or, if one does not fit, none."""
        self._write(range(len(self)), values)

    def _write(self, layers: Any, values: Any) -> None:
        try:
            values = list(values)
        except TypeError:
            raise ValueError(
                f"{self._name} must be a list of arrays, one a layer. Got {values!r}."
            ) from None
        if len(values) != len(layers):
            shapes = [view.shape for view in self]
            raise ValueError(
                f"{self._name} of {len(layers)} layers cannot be set to {len(values)} arrays: the "
                f"shapes of the layers are {shapes}."
            )
        arrays = [self._fitting(i, value) for i, value in zip(layers, values, strict=True)]
        for i, array in zip(layers, arrays, strict=True):
            self[i][...] = array

    def _fitting(self, i: int, value: Any) -> np.ndarray:
        """Return a copy of a value as an array for layer i, or say why it does not fit."""
        view, place = self[i], f"{self._name}[{i}]"
        try:
            given = np.asarray(value.toarray() if sparse.issparse(value) else value)
            with np.errstate(over="ignore"):  # what is infinite then is refused below
                array = given.astype(view.dtype, casting="unsafe" if _is_real(given) else "safe")
        except (TypeError, ValueError) as error:
            raise ValueError(f"{place} must be an array of numbers: {error}") from error
        if array.shape != view.shape:
            raise ValueError(f"{place} has shape {view.shape}. Got an array of {array.shape}.")
        if not np.isfinite(array).all():
            raise ValueError(
                f"{place} must be finite: got NaN, infinity or a value too large for {view.dtype}."
            )
        return array

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError(FIXED.format(*3 * [self._name]))

    append = extend = insert = pop = remove = clear = _refuse
    sort = reverse = __delitem__ = __iadd__ = __imul__ = _refuse

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return list, (list(self),)


def _is_real(array: np.ndarray) -> bool:
    """Whether an array has numbers, or objects that may be, without an imaginary part."""
    return array.dtype.kind in "biufO"


def fingerprint(network: Network) -> int:
    """Return a checksum of all numbers of a network, which changes with any one of them."""
    return zlib.crc32(network.parameters.values.data)


def in_place_of(before: Network | None, network: Network) -> Network:
    """Return the network on the vector of the one before it, so that its views stay views.

    If there is none before it, or its vector does not fit or is locked, return the network itself.
    """
    if before is None or before.dtype != network.dtype:
        return network
    vector = before.parameters
    if vector.slots != network.parameters.slots or vector.own() is not vector:  # locked, or a file
        return network
    values, network = network.parameters.values, network.on(vector)
    vector.values[:] = values  # last: what is interrupted before has changed nothing
    return network
