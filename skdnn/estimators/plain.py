"""The state of an estimator in plain parts: dictionaries, lists, numbers, strings and arrays.

An object of the engine or of this package becomes a dictionary that names its class.  So skops,
which asks which types in a file it may trust, finds only the estimator's own type and the types of
objects that the user made.  An array stays itself, so what shares its numbers still does after
loading.
"""

import sys
from enum import Enum
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

CLASS, DTYPE = "class of skdnn", "dtype of numpy"
ATOMS = {float, int, str, bool, type(None), np.ndarray}  # most of what there is, by far
PACKAGES = ("skdnn.engine.", "skdnn.estimators.")


def to_plain(thing: Any) -> Any:
    """Return `thing` with every object of ours taken apart; what holds none is itself.

    Examples
    --------
    >>> from skdnn.engine.activations import LeakyReLU
    >>> to_plain([0.1, LeakyReLU(0.2)])  # doctest: +NORMALIZE_WHITESPACE
    [0.1, {'class of skdnn': 'skdnn.engine.activations.LeakyReLU', 'state': {'slope': 0.2}}]
    """
    if type(thing) in ATOMS:
        return thing
    if type(thing) in (dict, list, tuple):
        return _mapped(to_plain, thing)
    if isinstance(thing, np.dtype):
        return {DTYPE: thing.str}
    if isinstance(thing, type):
        return {CLASS: _name(thing)} if _is_ours(thing) else thing
    if not _is_ours(type(thing)):
        return thing
    if isinstance(thing, Enum):
        return {CLASS: _name(type(thing)), "member": thing.name}
    return {CLASS: _name(type(thing)), "state": to_plain(thing.__getstate__())}


def from_plain(thing: Any) -> Any:
    """Return what `to_plain` was given.

    Raises
    ------
    ValueError
        If a class is named that is none of ours.

    Examples
    --------
    >>> from skdnn.engine.activations import LeakyReLU
    >>> from_plain(to_plain([LeakyReLU(0.2), None]))
    [LeakyReLU(slope=0.2), None]
    """
    if type(thing) in ATOMS:
        return thing
    if type(thing) is dict and DTYPE in thing:
        return np.dtype(thing[DTYPE])
    if type(thing) is dict and CLASS in thing:
        return _made(_class(thing[CLASS]), thing)
    return _mapped(from_plain, thing) if type(thing) in (dict, list, tuple) else thing


def _made(cls: Any, parts: dict[str, Any]) -> Any:
    if "member" in parts:
        return cls[parts["member"]]
    if "state" not in parts:
        return cls
    made, state = cls.__new__(cls), from_plain(parts["state"])
    if hasattr(cls, "__setstate__"):
        made.__setstate__(state)
    elif state is not None:
        vars(made).update(state)  # past the guard of a frozen dataclass
    return made


def _mapped(function: Any, container: Any) -> Any:
    """Return the container with a function applied to its values; itself if that changes none."""
    before = list(container.values() if type(container) is dict else container)
    if ATOMS.issuperset(map(type, before)):
        return container
    after = [function(value) for value in before]
    if all(new is old for new, old in zip(after, before, strict=True)):
        return container
    return (
        dict(zip(container, after, strict=True))
        if type(container) is dict
        else type(container)(after)
    )


def _is_ours(cls: type) -> bool:
    return cls.__module__.startswith(PACKAGES) and not issubclass(cls, BaseEstimator)


def _name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _class(name: str) -> type:
    """Return the class of ours with this name."""
    module, _, own_name = name.rpartition(".")
    cls = vars(sys.modules.get(module, object)).get(own_name)
    if isinstance(cls, type) and _is_ours(cls) and _name(cls) == name:
        return cls
    raise ValueError(f"There is no class {name!r} in this version of skdnn.")
