"""Access to matplotlib, which is an optional dependency."""

from types import ModuleType
from typing import Any


def pyplot(name: str) -> ModuleType:
    """Return matplotlib.pyplot, or raise an error that says how to install it for `name`."""
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        raise ImportError(f'{name} needs matplotlib: pip install "skdnn[plot]".') from None
    return plt


def styled(artist: Any, defaults: dict[str, Any], kw: dict[str, Any] | None) -> dict[str, Any]:
    """Return the defaults, updated with `kw`; both may use any alias of the artist's properties.

    Examples
    --------
    >>> from matplotlib.lines import Line2D
    >>> styled(Line2D, {"color": "grey", "linewidth": 1}, {"c": "red"})
    {'color': 'red', 'linewidth': 1}
    """
    from matplotlib.cbook import normalize_kwargs

    return normalize_kwargs(defaults, artist) | normalize_kwargs(kw or {}, artist)
