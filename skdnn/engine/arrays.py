"""The type of an array, and an array that may be written to."""

from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]


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
