"""Settings of the whole suite."""

import os

# Two test processes with a BLAS of two threads each on two cores wait for one another.  Set
# before numpy is loaded; the tests of the threads themselves set their own limits.
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
