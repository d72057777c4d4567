"""What every module needs: a name for arrays, an array of one's own, a name found in a table."""

from collections.abc import Mapping
from typing import Any, TypeAlias, TypeVar

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]
Choice = TypeVar("Choice")


def choose(parameter: str, table: Mapping[str, Choice], name: str) -> Choice:
    """Return ``table[name]``, or say which names there are.

    Parameters
    ----------
    parameter : str
        What the name is a value of, for the message.
    table : mapping of str
        The choices.
    name : str
        The one wanted.

    Raises
    ------
    ValueError
        If the table has no such name.

    Examples
    --------
    >>> choose("colour", {"red": 1, "blue": 2}, "blue")
    2
    """
    try:
        return table[name]
    except (KeyError, TypeError):
        raise ValueError(
            f"{parameter} must be one of {', '.join(map(repr, table))}. Got {name!r} instead."
        ) from None


def own(A: Array) -> Array:
    """Return A if it may be written to and lies in memory, else a copy.

    What pickle or joblib gives back may be read-only, or a file mapped into memory.

    Examples
    --------
    >>> A = np.zeros(2)
    >>> own(A) is A
    True
    >>> A.flags.writeable = False
    >>> own(A) is A, own(A).flags.writeable
    (False, True)
    """
    return A if A.flags.writeable and not isinstance(A, np.memmap) else np.array(A)
