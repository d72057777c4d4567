# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: freethreading_compatible=True
"""Compiled twins of the kernels, with the signatures of `definitions`.

A twin runs where its arrays are as the engine makes them: C-contiguous, aligned, all of one float
type, and writable where they are written to.  Anything else it hands over to the definition, so
both take the same arguments.
The loops are C (passes.h, for each type); the matrix products are BLAS's.  There may be two BLAS
libraries in the process: scipy's is called from here directly, numpy's, as a rule the newer,
through numpy, if a product is large.

Calls may run concurrently as long as none writes to an array that another reads or writes: a kernel
keeps nothing between calls.  `dropout_mask` takes the lock of its bit generator, so calls on one
generator run one after the other.  The interpreter's lock is released in every loop over rows or
parameters and in large products.  It is held in `softmax` and in products of fewer than `LARGE`
multiplications, which take microseconds.  Without that lock, in a free-threaded Python, the same
holds: the module declares that it needs none.
"""

cimport numpy as np
from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.math cimport sqrt
from libc.stdint cimport uint16_t, uint64_t
from libc.stdlib cimport free, malloc
from numpy.random cimport bitgen_t
from scipy.linalg.cython_blas cimport dgemm, dgemv, sgemm, sgemv

from skdnn.engine.activations import Identity, LeakyReLU, Logistic, ReLU, Tanh
from skdnn.engine.kernels import definitions

np.import_array()

cdef extern from "numpy/arrayobject.h":
    object PyArray_MatrixProduct2(object A, object B, np.ndarray out)

cdef extern from "kernels.h" nogil:
    void copy_rows(void *A, void *rows, void *out, long m, size_t size)
    void round_rows(void *A, void *rows, void *out, long m, long n)
    void bias_activate(int single, void *Y, void *b, long m, long n, int activation, double slope)
    void activate_backward(int single, void *dY, void *Y, long size, int activation, double slope)
    void multiply(int single, void *A, void *B, long size)
    void column_sums(int single, void *A, void *sums, long m, long n)
    void c_softmax "softmax"(int single, void *S, void *P, void *log_sums, long m, long k)
    double c_cross_entropy "softmax_cross_entropy"(int single, void *S, void *labels, void *weight,
                                                   double smoothing, void *dS, long m, long k)
    double c_logistic "logistic_cross_entropy"(int single, void *S, void *Y, void *weight,
                                               double smoothing, void *dS, long m, long k)
    void bn_forward "batch_norm_forward"(int single, void *S, void *gamma, void *beta,
                                         double epsilon, void *mean, void *var, void *sigma,
                                         void *S_hat, void *Y, long m, long n)
    void bn_backward "batch_norm_backward"(int single, void *dY, void *S_hat, void *sigma,
                                           void *gamma, void *dgamma, void *dbeta, void *dS,
                                           long m, long n)
    double c_l2_penalty "l2_penalty"(int single, void *W, double decay, void *g, long n)
    void c_mask "mask"(int single, uint16_t *draws, uint16_t keep, double scale, void *mask, long n)
    void sgd(int single, void *theta, void *g, double lr, void *rates, double mu, int nesterov,
             void *v, long n)
    void adam(int single, void *theta, void *g, double lr, void *rates, double b1, double b2,
              double epsilon, double c, double d, void *m, void *v, long n)
    void amsgrad(int single, void *theta, void *g, double lr, void *rates, double b1, double b2,
                 double epsilon, double c, double d, void *m, void *v, void *v_max, long n)
    void adamax(int single, void *theta, void *g, double lr, void *rates, double b1, double b2,
                double epsilon, double d, void *m, void *u, long n)
    void nadam(int single, void *theta, void *g, double lr, void *rates, double b1, double b2,
               double epsilon, double a, double b, double c, void *m, void *v, long n)
    void adagrad(int single, void *theta, void *g, double lr, void *rates, double epsilon,
                 void *v, long n)
    void rmsprop(int single, void *theta, void *g, double lr, void *rates, double rho,
                 double epsilon, void *v, long n)
    void adadelta(int single, void *theta, void *g, double lr, void *rates, double rho,
                  double epsilon, void *v, void *d, long n)


# The activations that the loops know; their numbers are those of the enumeration in kernels.h.
cdef dict CODES = {Identity: 0, ReLU: 1, LeakyReLU: 2, Logistic: 3, Tanh: 4}


cdef inline void *at(np.ndarray A) noexcept:
    return NULL if A is None else np.PyArray_DATA(A)


cdef inline bint plain(np.ndarray A, int dtype) noexcept:
    """Whether A (None is) has this type and lies in memory as the loops want it."""
    return A is None or (np.PyArray_TYPE(A) == dtype and np.PyArray_ISCARRAY_RO(A))


cdef inline bint ready(np.ndarray A, int dtype) noexcept:
    """Whether A is plain and may be written to: memory that is mapped may not."""
    return A is None or (np.PyArray_TYPE(A) == dtype and np.PyArray_ISCARRAY(A))


cdef inline bint is_float(int dtype) noexcept:
    return dtype == np.NPY_FLOAT or dtype == np.NPY_DOUBLE


cdef long LARGE_MULTIPLICATIONS = 100_000  # multiplications from which on numpy's BLAS is worth its overhead

ctypedef fused real:
    float
    double


cdef void product(np.ndarray A, bint transpose_A, np.ndarray B, bint transpose_B, np.ndarray C):
    """C = A B, either of them transposed first if so asked."""
    cdef int m = np.PyArray_DIM(C, 0), n = np.PyArray_DIM(C, 1)
    cdef int k = np.PyArray_DIM(A, 0 if transpose_A else 1)
    if <long>m * n * k >= LARGE_MULTIPLICATIONS:
        PyArray_MatrixProduct2(A.T if transpose_A else A, B.T if transpose_B else B, C)
    elif m > 0 and n > 0:
        if np.PyArray_TYPE(C) == np.NPY_FLOAT:
            small_product[float](<float *>at(A), transpose_A, <float *>at(B), transpose_B,
                                 <float *>at(C), m, n, k)
        else:
            small_product[double](<double *>at(A), transpose_A, <double *>at(B), transpose_B,
                                  <double *>at(C), m, n, k)


cdef void small_product(real *A, bint transpose_A, real *B, bint transpose_B, real *C,
                        int m, int n, int k) noexcept nogil:
    """C = A B by scipy's BLAS, for which rows are columns: Cᵀ = Bᵀ Aᵀ, or C = A b for a vector b."""
    cdef real one = 1, zero = 0
    cdef char a = b"T" if transpose_A else b"N", b = b"T" if transpose_B else b"N"
    cdef char opposite = b"N" if transpose_A else b"T"
    cdef int columns_A = max(m if transpose_A else k, 1)  # BLAS insists on 1, even on 0 columns
    cdef int columns_B = max(k if transpose_B else n, 1)
    cdef int rows_A = k if transpose_A else m, step = 1
    if n == 1 and k > 0:
        if real is float:
            sgemv(&opposite, &columns_A, &rows_A, &one, A, &columns_A, B, &step, &zero, C, &step)
        else:
            dgemv(&opposite, &columns_A, &rows_A, &one, A, &columns_A, B, &step, &zero, C, &step)
    elif real is float:
        sgemm(&b, &a, &n, &m, &k, &one, B, &columns_B, A, &columns_A, &zero, C, &n)
    else:
        dgemm(&b, &a, &n, &m, &k, &one, B, &columns_B, A, &columns_A, &zero, C, &n)


def gather(A, np.ndarray rows, np.ndarray out):
    cdef int dtype = np.PyArray_TYPE(out), dtype_A = -1
    if isinstance(A, np.ndarray):
        dtype_A = np.PyArray_TYPE(<np.ndarray>A)
    cdef bint converts = dtype == np.NPY_FLOAT and dtype_A == np.NPY_DOUBLE
    if not ((dtype_A == dtype or converts) and plain(A, dtype_A) and ready(out, dtype)
            and plain(rows, np.NPY_INTP) and np.PyArray_ISNUMBER(out)
            and out.ndim == (<np.ndarray>A).ndim <= 2):
        definitions.gather(A, rows, out)
        return
    cdef long m = np.PyArray_DIM(rows, 0), n = np.PyArray_DIM(out, 1) if out.ndim > 1 else 1
    cdef size_t size = n * np.PyArray_ITEMSIZE(out)
    cdef void *index = at(rows)
    cdef void *source = at(A)
    cdef void *target = at(out)
    with nogil:
        if converts:
            round_rows(source, index, target, m, n)
        else:
            copy_rows(source, index, target, m, size)


def dense_forward(np.ndarray X, np.ndarray W, np.ndarray b, activation, np.ndarray S, np.ndarray Y):
    cdef int dtype = np.PyArray_TYPE(W), code = CODES.get(type(activation), -1)
    if not (is_float(dtype) and plain(X, dtype) and plain(W, dtype) and plain(b, dtype)
            and ready(S, dtype) and ready(Y, dtype)):
        definitions.dense_forward(X, W, b, activation, S, Y)
        return
    cdef int single = dtype == np.NPY_FLOAT
    cdef bint fused = 0 <= code <= 2  # exp and tanh are faster in numpy's vectorised loops
    cdef double slope = activation.slope if code == 2 else 0
    cdef np.ndarray out = Y if fused else S
    cdef void *y = at(out)
    cdef void *bias = at(b)
    cdef long m = np.PyArray_DIM(Y, 0), n = np.PyArray_DIM(Y, 1)
    product(X, False, W, False, out)
    with nogil:
        bias_activate(single, y, bias, m, n, code if fused else 0, slope)
    if not fused:
        activation.forward(S, Y)


def dense_backward(np.ndarray X, np.ndarray W, activation, np.ndarray S, np.ndarray Y,
                   np.ndarray dY, np.ndarray D, np.ndarray dW, np.ndarray db, np.ndarray dX):
    cdef int dtype = np.PyArray_TYPE(W), code = CODES.get(type(activation), -1)
    if not (is_float(dtype) and plain(X, dtype) and plain(W, dtype) and plain(S, dtype)
            and plain(Y, dtype) and ready(dY, dtype) and ready(D, dtype) and ready(dW, dtype)
            and ready(db, dtype) and ready(dX, dtype)):
        definitions.dense_backward(X, W, activation, S, Y, dY, D, dW, db, dX)
        return
    cdef int single = dtype == np.NPY_FLOAT
    cdef double slope = activation.slope if code == 2 else 0
    cdef void *y = at(Y)
    cdef void *dy = at(dY)
    cdef void *d = at(D)
    cdef void *dbias = at(db)
    cdef long m = np.PyArray_DIM(dY, 0), n = np.PyArray_DIM(dY, 1)
    if code < 0:
        activation.derivative(S, Y, D)
    with nogil:
        if code < 0:
            multiply(single, dy, d, m * n)
        else:
            activate_backward(single, dy, y, m * n, code, slope)
        column_sums(single, dy, dbias, m, n)
    product(X, True, dY, False, dW)
    if dX is not None:
        product(dY, False, W, True, dX)


cdef long SCALAR = 1000  # numbers from which on numpy's vectorised exp is faster


def softmax(np.ndarray S, np.ndarray P):
    cdef int dtype = np.PyArray_TYPE(S)
    cdef long m, size = np.PyArray_SIZE(S)
    if not (is_float(dtype) and plain(S, dtype) and ready(P, dtype) and 0 < size < SCALAR):
        return definitions.softmax(S, P)
    m = np.PyArray_DIM(S, 0)
    cdef np.ndarray log_sums = np.PyArray_EMPTY(1, np.PyArray_DIMS(S), dtype, 0)
    c_softmax(dtype == np.NPY_FLOAT, at(S), at(P), at(log_sums), m, size // m)
    return log_sums


def softmax_cross_entropy(np.ndarray S, np.ndarray labels, np.ndarray weight, double smoothing,
                          np.ndarray dS):
    cdef int dtype = np.PyArray_TYPE(S)
    if not (is_float(dtype) and plain(S, dtype) and plain(labels, np.NPY_INTP)
            and plain(weight, dtype) and ready(dS, dtype) and np.PyArray_DIM(S, 0) > 0):
        return definitions.softmax_cross_entropy(S, labels, weight, smoothing, dS)
    cdef long m = np.PyArray_DIM(S, 0), k = np.PyArray_DIM(S, 1)
    cdef int single = dtype == np.NPY_FLOAT
    cdef void *s = at(S)
    cdef void *y = at(labels)
    cdef void *w = at(weight)
    cdef void *ds = at(dS)
    with nogil:
        value = c_cross_entropy(single, s, y, w, smoothing, ds, m, k)
    return value


def logistic_cross_entropy(np.ndarray S, np.ndarray T, np.ndarray weight, double smoothing,
                           np.ndarray dS):
    cdef int dtype = np.PyArray_TYPE(S)
    if not (is_float(dtype) and plain(S, dtype) and plain(T, dtype) and plain(weight, dtype)
            and ready(dS, dtype) and np.PyArray_DIM(S, 0) > 0):
        return definitions.logistic_cross_entropy(S, T, weight, smoothing, dS)
    cdef long m = np.PyArray_DIM(S, 0), k = np.PyArray_DIM(S, 1)
    cdef int single = dtype == np.NPY_FLOAT
    cdef void *s = at(S)
    cdef void *y = at(T)
    cdef void *w = at(weight)
    cdef void *ds = at(dS)
    with nogil:
        value = c_logistic(single, s, y, w, smoothing, ds, m, k)
    return value


def batch_norm_forward(np.ndarray S, np.ndarray gamma, np.ndarray beta, double epsilon,
                       np.ndarray mean, np.ndarray var, np.ndarray sigma, np.ndarray S_hat,
                       np.ndarray Y):
    cdef int dtype = np.PyArray_TYPE(gamma)
    if not (is_float(dtype) and plain(S, dtype) and plain(gamma, dtype) and plain(beta, dtype)
            and ready(mean, dtype) and ready(var, dtype) and ready(sigma, dtype)
            and ready(S_hat, dtype) and ready(Y, dtype)):
        definitions.batch_norm_forward(S, gamma, beta, epsilon, mean, var, sigma, S_hat, Y)
        return
    cdef long m = np.PyArray_DIM(S, 0), n = np.PyArray_DIM(S, 1)
    cdef int single = dtype == np.NPY_FLOAT
    cdef void *s = at(S)
    cdef void *g = at(gamma)
    cdef void *b = at(beta)
    cdef void *mu = at(mean)
    cdef void *v = at(var)
    cdef void *sd = at(sigma)
    cdef void *s_hat = at(S_hat)
    cdef void *y = at(Y)
    with nogil:
        bn_forward(single, s, g, b, epsilon, mu, v, sd, s_hat, y, m, n)


def batch_norm_backward(np.ndarray dY, np.ndarray S_hat, np.ndarray sigma, np.ndarray gamma,
                        np.ndarray dgamma, np.ndarray dbeta, np.ndarray dS):
    cdef int dtype = np.PyArray_TYPE(gamma)
    if not (is_float(dtype) and plain(dY, dtype) and plain(S_hat, dtype) and plain(sigma, dtype)
            and plain(gamma, dtype) and ready(dgamma, dtype) and ready(dbeta, dtype)
            and ready(dS, dtype)):
        definitions.batch_norm_backward(dY, S_hat, sigma, gamma, dgamma, dbeta, dS)
        return
    cdef long m = np.PyArray_DIM(dY, 0), n = np.PyArray_DIM(dY, 1)
    cdef int single = dtype == np.NPY_FLOAT
    cdef void *dy = at(dY)
    cdef void *s_hat = at(S_hat)
    cdef void *sd = at(sigma)
    cdef void *g = at(gamma)
    cdef void *dg = at(dgamma)
    cdef void *db = at(dbeta)
    cdef void *ds = at(dS)
    with nogil:
        bn_backward(single, dy, s_hat, sd, g, dg, db, ds, m, n)


def dropout_mask(rng, int keep, np.ndarray mask):
    cdef int dtype = np.PyArray_TYPE(mask)
    generator = rng.bit_generator
    if not (is_float(dtype) and ready(mask, dtype)):
        definitions.dropout_mask(rng, keep, mask)
        return
    cdef long n = np.PyArray_SIZE(mask), n_words = (n + 3) // 4, i
    cdef int single = dtype == np.NPY_FLOAT
    cdef bitgen_t *bits = <bitgen_t *>PyCapsule_GetPointer(generator.capsule, "BitGenerator")
    cdef uint64_t *words = <uint64_t *>malloc(n_words * sizeof(uint64_t))
    cdef void *target = at(mask)
    if words == NULL and n_words > 0:
        raise MemoryError
    with generator.lock, nogil:
        for i in range(n_words):
            words[i] = bits.next_uint64(bits.state)
        c_mask(single, <uint16_t *>words, keep, 65536.0 / keep, target, n)
    free(words)


def l2_penalty(np.ndarray W, double decay, np.ndarray g):
    cdef int dtype = np.PyArray_TYPE(W)
    if not (is_float(dtype) and plain(W, dtype) and ready(g, dtype)):
        return definitions.l2_penalty(W, decay, g)
    cdef long n = np.PyArray_SIZE(W)
    cdef int single = dtype == np.NPY_FLOAT
    cdef void *w = at(W)
    cdef void *dw = at(g)
    cdef double norm
    with nogil:
        norm = c_l2_penalty(single, w, decay, dw, n)
    return 0.5 * decay * norm


# Optimizer steps ---------------------------------------------------------------------------------

cdef struct Step:  # the vectors of a step, as the loops want them
    int single
    long n
    void *theta
    void *g
    double lr  # one rate for all parameters, or,
    void *rates  # unless NULL, one for each
    void *moments[3]


cdef int fill(Step *s, np.ndarray theta, np.ndarray g, lr, np.ndarray first,
              np.ndarray second=None, np.ndarray third=None) except -1:
    """Fill s, and return 1; return 0 if the vectors are not as the loops want them."""
    cdef int dtype = np.PyArray_TYPE(theta)
    if not (is_float(dtype) and ready(theta, dtype) and plain(g, dtype) and ready(first, dtype)
            and ready(second, dtype) and ready(third, dtype)):
        return 0
    s.single, s.n = dtype == np.NPY_FLOAT, np.PyArray_SIZE(theta)
    s.theta, s.g = at(theta), at(g)
    s.moments[0], s.moments[1], s.moments[2] = at(first), at(second), at(third)
    s.lr, s.rates = 0.0, NULL
    if isinstance(lr, np.ndarray):
        s.rates = at(lr)
        return plain(lr, dtype) and np.PyArray_SIZE(lr) == s.n
    s.lr = lr
    return 1


def sgd_step(np.ndarray theta, np.ndarray g, lr, double momentum, bint nesterov, np.ndarray v,
             work):
    cdef Step s
    if not fill(&s, theta, g, lr, v):
        definitions.sgd_step(theta, g, lr, momentum, nesterov, v, work)
        return
    with nogil:
        sgd(s.single, s.theta, s.g, s.lr, s.rates, momentum, nesterov, s.moments[0], s.n)


def adam_step(np.ndarray theta, np.ndarray g, lr, double beta_1, double beta_2, double epsilon,
              long t, np.ndarray m, np.ndarray v, work):
    cdef Step s
    if not fill(&s, theta, g, lr, m, v):
        definitions.adam_step(theta, g, lr, beta_1, beta_2, epsilon, t, m, v, work)
        return
    cdef double c = sqrt(1 - beta_2**t)
    cdef double d = c / (1 - beta_1**t)
    with nogil:
        adam(s.single, s.theta, s.g, s.lr, s.rates, beta_1, beta_2, epsilon, c, d,
             s.moments[0], s.moments[1], s.n)


def amsgrad_step(np.ndarray theta, np.ndarray g, lr, double beta_1, double beta_2, double epsilon,
                 long t, np.ndarray m, np.ndarray v, np.ndarray v_max, work):
    cdef Step s
    if not fill(&s, theta, g, lr, m, v, v_max):
        definitions.amsgrad_step(theta, g, lr, beta_1, beta_2, epsilon, t, m, v, v_max, work)
        return
    cdef double c = sqrt(1 - beta_2**t)
    cdef double d = c / (1 - beta_1**t)
    with nogil:
        amsgrad(s.single, s.theta, s.g, s.lr, s.rates, beta_1, beta_2, epsilon, c, d,
                s.moments[0], s.moments[1], s.moments[2], s.n)


def adamax_step(np.ndarray theta, np.ndarray g, lr, double beta_1, double beta_2, double epsilon,
                long t, np.ndarray m, np.ndarray u, work):
    cdef Step s
    if not fill(&s, theta, g, lr, m, u):
        definitions.adamax_step(theta, g, lr, beta_1, beta_2, epsilon, t, m, u, work)
        return
    cdef double d = 1 / (1 - beta_1**t)
    with nogil:
        adamax(s.single, s.theta, s.g, s.lr, s.rates, beta_1, beta_2, epsilon, d,
               s.moments[0], s.moments[1], s.n)


def nadam_step(np.ndarray theta, np.ndarray g, lr, double beta_1, double beta_2, double epsilon,
               long t, double a, double b, np.ndarray m, np.ndarray v, work):
    cdef Step s
    if not fill(&s, theta, g, lr, m, v):
        definitions.nadam_step(theta, g, lr, beta_1, beta_2, epsilon, t, a, b, m, v, work)
        return
    cdef double c = sqrt(1 - beta_2**t)
    with nogil:
        nadam(s.single, s.theta, s.g, s.lr, s.rates, beta_1, beta_2, epsilon, a, b, c,
              s.moments[0], s.moments[1], s.n)


def adagrad_step(np.ndarray theta, np.ndarray g, lr, double epsilon, np.ndarray v, work):
    cdef Step s
    if not fill(&s, theta, g, lr, v):
        definitions.adagrad_step(theta, g, lr, epsilon, v, work)
        return
    with nogil:
        adagrad(s.single, s.theta, s.g, s.lr, s.rates, epsilon, s.moments[0], s.n)


def rmsprop_step(np.ndarray theta, np.ndarray g, lr, double rho, double epsilon, np.ndarray v,
                 work):
    cdef Step s
    if not fill(&s, theta, g, lr, v):
        definitions.rmsprop_step(theta, g, lr, rho, epsilon, v, work)
        return
    with nogil:
        rmsprop(s.single, s.theta, s.g, s.lr, s.rates, rho, epsilon, s.moments[0], s.n)


def adadelta_step(np.ndarray theta, np.ndarray g, lr, double rho, double epsilon, np.ndarray v,
                  np.ndarray d, work):
    cdef Step s
    if not fill(&s, theta, g, lr, v, d):
        definitions.adadelta_step(theta, g, lr, rho, epsilon, v, d, work)
        return
    with nogil:
        adadelta(s.single, s.theta, s.g, s.lr, s.rates, rho, epsilon,
                 s.moments[0], s.moments[1], s.n)
