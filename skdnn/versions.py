"""What is installed, and which kernels run."""

import platform
import sys

import numpy
import pandas
import scipy
import sklearn
from threadpoolctl import threadpool_info

from skdnn._version import __version__
from skdnn.engine import kernels


def show_versions() -> None:
    """Print the versions that matter in a report of a problem, the kernels and the BLAS.

    Examples
    --------
    >>> from skdnn import show_versions
    >>> show_versions()  # doctest: +ELLIPSIS
    skdnn ..., kernels: ...
    """
    packages = ", ".join(f"{p.__name__} {p.__version__}" for p in (numpy, scipy, sklearn, pandas))
    print(f"skdnn {__version__}, kernels: {kernels.IMPLEMENTATION}")
    print(f"Python {sys.version.split()[0]} on {platform.platform()}")
    print(packages)
    for library in threadpool_info():
        print(
            f"{library['user_api']}: {library['internal_api']} {library['version']}, "
            f"{library.get('architecture', 'unknown architecture')}, "
            f"{library['num_threads']} threads"
        )
