"""Which versions are installed, and which kernels are in use."""

import platform
import sys
from importlib.metadata import version

from threadpoolctl import threadpool_info

from skdnn._version import __version__
from skdnn.engine import kernels

# The distribution that holds each package; asking it is faster than importing the package.
DISTRIBUTIONS = {"numpy": "numpy", "scipy": "scipy", "sklearn": "scikit-learn", "pandas": "pandas"}


def show_versions() -> None:
    """Print what a bug report needs: versions, the kernels in use, BLAS and its threads.

    Examples
    --------
    >>> from skdnn import show_versions
    >>> show_versions()  # doctest: +ELLIPSIS
    skdnn ..., kernels: ...
    """
    packages = ", ".join(f"{name} {version(of)}" for name, of in DISTRIBUTIONS.items())
    print(f"skdnn {__version__}, kernels: {kernels.IMPLEMENTATION}")
    print(f"Python {sys.version.split()[0]} on {platform.platform()}")
    print(packages)
    for library in threadpool_info():
        print(
            f"{library['user_api']}: {library['internal_api']} {library['version']}, "
            f"{library.get('architecture', 'unknown architecture')}, "
            f"{library['num_threads']} threads"
        )
