"""A name found in a table."""

from collections.abc import Mapping
from typing import TypeVar

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
