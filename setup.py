"""Builds the compiled kernels where there is a C compiler; all else is in pyproject.toml."""

from setuptools import Extension, setup

try:
    import numpy
    import scipy  # noqa: F401 (the matrix products are its BLAS)
    from Cython.Build import cythonize
except ImportError:  # the kernels are optional: their numpy definitions do the same
    extensions = []
else:
    extensions = cythonize(
        [
            Extension(
                "skdnn.engine.kernels._compiled",
                ["skdnn/engine/kernels/_compiled.pyx"],
                include_dirs=[numpy.get_include(), "skdnn/engine/kernels"],
                depends=["skdnn/engine/kernels/kernels.h", "skdnn/engine/kernels/passes.h"],
                extra_compile_args=["-O3", "-fno-math-errno", "-fno-trapping-math"],
                define_macros=[("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")],
            )
        ]
    )
    for extension in extensions:  # cythonize forgets this field
        extension.optional = True  # without a compiler the package installs all the same

setup(ext_modules=extensions)
