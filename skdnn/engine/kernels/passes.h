/* The loops of the compiled kernels for one type T, included for float and for double.

   Each function is equal, up to rounding, to its definition in definitions.py.  Matrices are
   C-contiguous, m rows of n columns.  CLONES compiles a loop for several instruction sets; the
   processor's best is chosen when the module is loaded. */

/* Y = σ(Y + b). */
CLONES static void NAME(bias_activate)(T *restrict Y, const T *restrict b, long m, long n, int activation, T slope) {
    for (long i = 0; i < m; i++, Y += n) {
        if (activation == RELU)
            for (long j = 0; j < n; j++) { T s = Y[j] + b[j]; Y[j] = 0 > s ? 0 : s; }  /* not NaN */
        else if (activation == LEAKY_RELU)
            for (long j = 0; j < n; j++) { T s = Y[j] + b[j]; Y[j] = s > 0 ? s : slope * s; }
        else
            for (long j = 0; j < n; j++) Y[j] += b[j];
    }
}

/* sums = 1ᵀ A.  Eight rows at a time, or every row would wait for the sums of the one before. */
CLONES static void NAME(column_sums)(const T *restrict A, T *restrict sums, long m, long n) {
    long i = 0;
    for (long j = 0; j < n; j++) sums[j] = 0;
    for (; i + 8 <= m; i += 8, A += 8 * n)
        for (long j = 0; j < n; j++)
            sums[j] += ((A[j] + A[j + n]) + (A[j + 2 * n] + A[j + 3 * n])) +
                       ((A[j + 4 * n] + A[j + 5 * n]) + (A[j + 6 * n] + A[j + 7 * n]));
    for (; i < m; i++, A += n)
        for (long j = 0; j < n; j++) sums[j] += A[j];
}

/* dY ← dY ⊙ σ'(S), with σ' from Y = σ(S). */
CLONES static void NAME(activate_backward)(T *restrict dY, const T *restrict Y, long size,
                                           int activation, T slope) {
    if (activation == RELU)
        for (long i = 0; i < size; i++) dY[i] = Y[i] > 0 ? dY[i] : 0;
    else if (activation == LEAKY_RELU)
        for (long i = 0; i < size; i++) dY[i] *= Y[i] > 0 ? 1 : slope;
    else if (activation == LOGISTIC)
        for (long i = 0; i < size; i++) dY[i] *= Y[i] * (1 - Y[i]);
    else if (activation == TANH)
        for (long i = 0; i < size; i++) dY[i] *= 1 - Y[i] * Y[i];
}

/* A ← A ⊙ B. */
CLONES static void NAME(multiply)(T *restrict A, const T *restrict B, long size) {
    for (long i = 0; i < size; i++) A[i] *= B[i];
}

/* P = exp(S) / Σₖ exp(Sₖ), and log Σₖ exp(Sₖ). */
static void NAME(softmax)(const T *restrict S, T *restrict P, T *restrict log_sums, long m, long k) {
    for (long i = 0; i < m; i++, S += k, P += k) {
        T peak = S[0], sum = 0;
        for (long j = 1; j < k; j++) peak = S[j] > peak ? S[j] : peak;
        for (long j = 0; j < k; j++) sum += P[j] = EXP(S[j] - peak);
        for (long j = 0; j < k; j++) P[j] /= sum;
        log_sums[i] = LOG(sum) + peak;
    }
}

/* Σᵢ wᵢ ℓᵢ / Σᵢ wᵢ with ℓ = log Σₖ exp(Sₖ) - Σₖ tₖ Sₖ, and dS; w is 1 where weight is null. */
static double NAME(softmax_cross_entropy)(const T *restrict S, const intptr_t *restrict labels, const T *restrict weight,
                                          T smoothing, T *restrict dS, long m, long k) {
    double total = 0, weights = weight ? 0 : m;
    for (long i = 0; weight && i < m; i++) weights += weight[i];
    for (long i = 0; i < m; i++, S += k, dS += k) {
        T peak = S[0], sum = 0, mean = 0;
        for (long j = 1; j < k; j++) peak = S[j] > peak ? S[j] : peak;
        for (long j = 0; j < k; j++) sum += dS[j] = EXP(S[j] - peak);
        for (long j = 0; smoothing && j < k; j++) mean += (S[j] - peak) / k;
        T w = (weight ? weight[i] : 1) / weights;
        total += (double)w * (LOG(sum) - (1 - smoothing) * (S[labels[i]] - peak) - smoothing * mean);
        for (long j = 0; j < k; j++) dS[j] = w * (dS[j] / sum - smoothing / k);
        dS[labels[i]] -= w * (1 - smoothing);
    }
    return total;
}

/* The same for yes-or-no labels: ℓ = Σₖ log(1 + exp(Sₖ)) - tₖ Sₖ. */
static double NAME(logistic_cross_entropy)(const T *restrict S, const T *restrict Y, const T *restrict weight, T smoothing,
                                           T *restrict dS, long m, long k) {
    double total = 0, weights = weight ? 0 : m;
    for (long i = 0; weight && i < m; i++) weights += weight[i];
    for (long i = 0; i < m; i++) {
        T w = (weight ? weight[i] : 1) / weights;
        double row = 0;
        for (long j = 0; j < k; j++, S++, Y++, dS++) {
            T t = (1 - smoothing) * *Y + smoothing / 2, e = EXP(-FABS(*S));
            row += LOG1P(e) + (*S > 0 ? *S : 0) - t * *S;
            *dS = w * ((*S >= 0 ? 1 : e) / (1 + e) - t);
        }
        total += w * row;
    }
    return total;
}

CLONES static void NAME(batch_norm_forward)(const T *restrict S, const T *restrict gamma,
                                            const T *restrict beta, T epsilon, T *restrict mean,
                                            T *restrict var, T *restrict sigma, T *restrict S_hat,
                                            T *restrict Y, long m, long n) {
    NAME(column_sums)(S, mean, m, n);
    for (long j = 0; j < n; j++) mean[j] /= m;
    for (long i = 0; i < m; i++)
        for (long j = 0; j < n; j++) {
            T r = S_hat[i * n + j] = S[i * n + j] - mean[j];
            Y[i * n + j] = r * r;
        }
    NAME(column_sums)(Y, var, m, n);
    for (long j = 0; j < n; j++) sigma[j] = SQRT((var[j] /= m) + epsilon);
    for (long i = 0; i < m; i++)
        for (long j = 0; j < n; j++) {
            S_hat[i * n + j] /= sigma[j];
            Y[i * n + j] = gamma[j] * S_hat[i * n + j] + beta[j];
        }
}

CLONES static void NAME(batch_norm_backward)(const T *restrict dY, const T *restrict S_hat,
                                             const T *restrict sigma, const T *restrict gamma,
                                             T *restrict dgamma, T *restrict dbeta, T *restrict dS,
                                             long m, long n) {
    NAME(column_sums)(dY, dbeta, m, n);
    for (long i = 0; i < m * n; i++) dS[i] = dY[i] * S_hat[i];
    NAME(column_sums)(dS, dgamma, m, n);
    for (long i = 0; i < m; i++)
        for (long j = 0; j < n; j++)
            dS[i * n + j] = gamma[j] / sigma[j] *
                            (dY[i * n + j] - dbeta[j] / m - S_hat[i * n + j] * (dgamma[j] / m));
}

/* ‖W‖², and g ← g + decay W.  The squares are added up in LANES sums, or each would wait for the one
   before, and block by block, or many small ones would be lost beside their sum. */
CLONES static double NAME(l2_penalty)(const T *restrict W, T decay, T *restrict g, long n) {
    enum { LANES = 32, BLOCK = 128 * LANES };
    double norm = 0;
    for (long start = 0; start < n; start += BLOCK) {
        T sums[LANES] = {0};
        long i = start, end = start + BLOCK < n ? start + BLOCK : n;
        for (; i + LANES <= end; i += LANES)
            for (long j = 0; j < LANES; j++) {
                sums[j] += W[i + j] * W[i + j];
                g[i + j] += decay * W[i + j];
            }
        for (; i < end; i++) {
            norm += W[i] * W[i];
            g[i] += decay * W[i];
        }
        for (long j = 0; j < LANES; j++) norm += sums[j];
    }
    return norm;
}

CLONES static void NAME(mask)(const uint16_t *restrict draws, uint16_t keep, T scale, T *restrict mask, long n) {
    for (long i = 0; i < n; i++) mask[i] = draws[i] < keep ? scale : 0;
}

/* Optimizer steps, one pass over the vectors.  LR is the learning rate, or that of element i.
   1 - β is taken before β is rounded to float: for β near 1 little of it would be left. */
#define LR (rates ? rates[i] : lr)
#define EACH for (long i = 0; i < n; i++)

CLONES static void NAME(sgd)(T *restrict theta, const T *restrict g, T lr, const T *restrict rates, T mu, int nesterov,
                             T *restrict v, long n) {
    EACH {
        T d = LR * g[i];
        v[i] = mu * v[i] - d;
        theta[i] += nesterov ? mu * v[i] - d : v[i];
    }
}

/* c = √(1 - β₂ᵗ) and d = c / (1 - β₁ᵗ) undo the bias of the start at zero. */
CLONES static void NAME(adam)(T *restrict theta, const T *restrict g, T lr, const T *restrict rates, double b1, double b2,
                              T epsilon, T c, T d, T *restrict m, T *restrict v, long n) {
    const T p1 = b1, q1 = 1 - b1, p2 = b2, q2 = 1 - b2;
    EACH {
        m[i] = p1 * m[i] + q1 * g[i];
        v[i] = p2 * v[i] + q2 * g[i] * g[i];
        theta[i] -= LR * d * m[i] / (SQRT(v[i]) + c * epsilon);
    }
}

CLONES static void NAME(amsgrad)(T *restrict theta, const T *restrict g, T lr, const T *restrict rates, double b1, double b2,
                                 T epsilon, T c, T d, T *restrict m, T *restrict v, T *restrict v_max, long n) {
    const T p1 = b1, q1 = 1 - b1, p2 = b2, q2 = 1 - b2;
    EACH {
        m[i] = p1 * m[i] + q1 * g[i];
        v[i] = p2 * v[i] + q2 * g[i] * g[i];
        v_max[i] = v[i] > v_max[i] ? v[i] : v_max[i];
        theta[i] -= LR * d * m[i] / (SQRT(v_max[i]) + c * epsilon);
    }
}

CLONES static void NAME(adamax)(T *restrict theta, const T *restrict g, T lr, const T *restrict rates, double b1, double b2,
                                T epsilon, T d, T *restrict m, T *restrict u, long n) {
    const T p1 = b1, q1 = 1 - b1, p2 = b2;
    EACH {
        T size = FABS(g[i]) + epsilon;
        m[i] = p1 * m[i] + q1 * g[i];
        u[i] = p2 * u[i] > size ? p2 * u[i] : size;
        theta[i] -= LR * d * m[i] / u[i];
    }
}

/* a and b are the weights of the momentum and of the gradient in the look-ahead. */
CLONES static void NAME(nadam)(T *restrict theta, const T *restrict g, T lr, const T *restrict rates, double b1, double b2,
                               T epsilon, T a, T b, T c, T *restrict m, T *restrict v, long n) {
    const T p1 = b1, q1 = 1 - b1, p2 = b2, q2 = 1 - b2;
    EACH {
        m[i] = p1 * m[i] + q1 * g[i];
        v[i] = p2 * v[i] + q2 * g[i] * g[i];
        theta[i] -= LR * c * (a * m[i] + b * g[i]) / (SQRT(v[i]) + c * epsilon);
    }
}

CLONES static void NAME(adagrad)(T *restrict theta, const T *restrict g, T lr, const T *restrict rates, T epsilon, T *restrict v,
                                 long n) {
    EACH {
        v[i] += g[i] * g[i];
        theta[i] -= LR * g[i] / (SQRT(v[i]) + epsilon);
    }
}

CLONES static void NAME(rmsprop)(T *restrict theta, const T *restrict g, T lr, const T *restrict rates, double rho, T epsilon,
                                 T *restrict v, long n) {
    const T p = rho, q = 1 - rho;
    EACH {
        v[i] = p * v[i] + q * g[i] * g[i];
        theta[i] -= LR * g[i] / (SQRT(v[i]) + epsilon);
    }
}

CLONES static void NAME(adadelta)(T *restrict theta, const T *restrict g, T lr, const T *restrict rates, double rho,
                                  T epsilon, T *restrict v, T *restrict d, long n) {
    const T p = rho, q = 1 - rho;
    EACH {
        v[i] = p * v[i] + q * g[i] * g[i];
        T step = g[i] * SQRT((d[i] + epsilon) / (v[i] + epsilon));
        d[i] = p * d[i] + q * step * step;
        theta[i] -= LR * step;
    }
}
#undef LR
#undef EACH
