"""The way to matplotlib, which is an extra."""


def pyplot(name: str):
    """Return matplotlib.pyplot for the display `name`, or say what to install."""
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        raise ImportError(f'{name} draws with matplotlib: pip install "skdnn[plot]"') from None
    return plt
