"""The way to matplotlib, which is an extra."""

from types import ModuleType
from typing import Any


def pyplot(name: str) -> ModuleType:
    """Return matplotlib.pyplot for the display `name`, or say what to install."""
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        raise ImportError(f'{name} draws with matplotlib: pip install "skdnn[plot]"') from None
    return plt


def styled(artist: Any, defaults: dict[str, Any], kw: dict[str, Any] | None) -> dict[str, Any]:
    """Return `kw` over the defaults, by whichever of its names it calls a property of the artist.

    Examples
    --------
    >>> from matplotlib.lines import Line2D
    >>> styled(Line2D, {"color": "grey", "linewidth": 1}, {"c": "red"})
    {'color': 'red', 'linewidth': 1}
    """
    from matplotlib.cbook import normalize_kwargs

    return normalize_kwargs(defaults, artist) | normalize_kwargs(kw or {}, artist)
