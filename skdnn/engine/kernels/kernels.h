/* passes.h for float and for double, and one function for both: `single` tells which. */
#include <math.h>
#include <stdint.h>
#include <string.h>

/* Clones need glibc's help at load time, and a compiler that knows the name of the level. */
#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__clang__) && __GNUC__ >= 12
#define CLONES __attribute__((target_clones("default", "arch=x86-64-v3")))
#else
#define CLONES
#endif

#if defined(__GNUC__)
#define PREFETCH(address) __builtin_prefetch(address)
#else
#define PREFETCH(address)
#endif

/* Scattered as they are, the processor cannot guess the rows to come; m of them, of `size` bytes. */
static inline void prefetch_row(const char *A, const intptr_t *rows, long i, long m, size_t size) {
    if (i + 8 < m)
        for (size_t j = 0; j < size; j += 64) PREFETCH(A + rows[i + 8] * size + j);
}

/* out = A[rows]. */
static void copy_rows(const char *A, const intptr_t *rows, char *out, long m, size_t size) {
    for (long i = 0; i < m; i++, out += size) {
        prefetch_row(A, rows, i, m, size);
        memcpy(out, A + rows[i] * size, size);
    }
}

/* The same, rounded to float. */
CLONES static void round_rows(const double *A, const intptr_t *rows, float *out, long m, long n) {
    for (long i = 0; i < m; i++, out += n) {
        prefetch_row((const char *)A, rows, i, m, n * sizeof(double));
        for (long j = 0; j < n; j++) out[j] = A[rows[i] * n + j];
    }
}

enum { IDENTITY, RELU, LEAKY_RELU, LOGISTIC, TANH };

#define T float
#define NAME(name) name##_f32
#define EXP expf
#define LOG logf
#define LOG1P log1pf
#define SQRT sqrtf
#define FABS fabsf
#include "passes.h"
#undef T
#undef NAME
#undef EXP
#undef LOG
#undef LOG1P
#undef SQRT
#undef FABS

#define T double
#define NAME(name) name##_f64
#define EXP exp
#define LOG log
#define LOG1P log1p
#define SQRT sqrt
#define FABS fabs
#include "passes.h"

/* One name for both: in C a `void *` becomes any pointer, so a macro does for every signature. */
#define PASS(single, name, ...) ((single) ? name##_f32(__VA_ARGS__) : name##_f64(__VA_ARGS__))
#define bias_activate(single, ...) PASS(single, bias_activate, __VA_ARGS__)
#define activate_backward(single, ...) PASS(single, activate_backward, __VA_ARGS__)
#define multiply(single, ...) PASS(single, multiply, __VA_ARGS__)
#define column_sums(single, ...) PASS(single, column_sums, __VA_ARGS__)
#define softmax(single, ...) PASS(single, softmax, __VA_ARGS__)
#define softmax_cross_entropy(single, ...) PASS(single, softmax_cross_entropy, __VA_ARGS__)
#define logistic_cross_entropy(single, ...) PASS(single, logistic_cross_entropy, __VA_ARGS__)
#define batch_norm_forward(single, ...) PASS(single, batch_norm_forward, __VA_ARGS__)
#define batch_norm_backward(single, ...) PASS(single, batch_norm_backward, __VA_ARGS__)
#define l2_penalty(single, ...) PASS(single, l2_penalty, __VA_ARGS__)
#define mask(single, ...) PASS(single, mask, __VA_ARGS__)
#define sgd(single, ...) PASS(single, sgd, __VA_ARGS__)
#define adam(single, ...) PASS(single, adam, __VA_ARGS__)
#define amsgrad(single, ...) PASS(single, amsgrad, __VA_ARGS__)
#define adamax(single, ...) PASS(single, adamax, __VA_ARGS__)
#define nadam(single, ...) PASS(single, nadam, __VA_ARGS__)
#define adagrad(single, ...) PASS(single, adagrad, __VA_ARGS__)
#define rmsprop(single, ...) PASS(single, rmsprop, __VA_ARGS__)
#define adadelta(single, ...) PASS(single, adadelta, __VA_ARGS__)
