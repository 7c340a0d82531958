// Vectors of the processor's width, and the two functions of an LSTM's gates over them: sigmoid and
// tanh in float32.
//
// What depends on the processor is chosen here: how many numbers a vector has, whether a product in
// a sum is rounded (FUSED), and how a quotient is computed (ESTIMATED); instructions() names it. A
// test chooses another processor's by LSTMBENCH_LANES, LSTMBENCH_FUSED (0 or 1) and
// LSTMBENCH_ESTIMATE, the relative error of an estimated reciprocal: it is then emulated.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(LSTMBENCH_LANES) || defined(LSTMBENCH_FUSED) || defined(LSTMBENCH_ESTIMATE)
#define EMULATED 1
#elif defined(__AVX__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#if defined(LSTMBENCH_LANES)
constexpr int LANES = LSTMBENCH_LANES, REGISTERS = LANES == 16 ? 32 : 16;
#elif defined(__AVX512F__)
constexpr int LANES = 16, REGISTERS = 32;
#elif defined(__AVX__)
constexpr int LANES = 8, REGISTERS = 16;
#elif defined(__aarch64__)
constexpr int LANES = 4, REGISTERS = 32;
#else
constexpr int LANES = 4, REGISTERS = 16;
#endif

#if defined(EMULATED) && defined(LSTMBENCH_FUSED)
constexpr bool FUSED = LSTMBENCH_FUSED;
#elif !defined(EMULATED) && (defined(__FMA__) || defined(__aarch64__))
constexpr bool FUSED = true;
#else
constexpr bool FUSED = false;
#endif

#if defined(EMULATED) ? defined(LSTMBENCH_ESTIMATE) : defined(__AVX512F__)
constexpr bool ESTIMATED = true;
#else
constexpr bool ESTIMATED = false;
#endif

typedef float Vec __attribute__((vector_size(4 * LANES)));
typedef int32_t Int __attribute__((vector_size(4 * LANES)));
typedef float UnalignedVec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
#define ALWAYS_INLINE __attribute__((always_inline))
#define INLINE static inline ALWAYS_INLINE
// Where GCC inlines the function of a block, it keeps the block's sums in memory
#define NOINLINE static __attribute__((noinline))

INLINE Vec broadcast(float a) { return a - Vec{}; }

INLINE Vec load(const float* from, int count) {
    if (count >= LANES) return *(const UnalignedVec*)from;
    Vec v = {};
    if (count > 0) std::memcpy(&v, from, 4 * count);
    return v;
}

INLINE void store(float* to, Vec v, int count) {
    if (count >= LANES)
        *(UnalignedVec*)to = v;
    else if (count > 0)
        std::memcpy(to, &v, 4 * count);
}

// a b + c, rounded once if FUSED, whatever the compiler makes of a sum of products
INLINE Vec multiply_add(Vec a, Vec b, Vec c) {
#if defined(EMULATED)
    if (!FUSED) return a * b + c;
    Vec sum;
    for (int lane = 0; lane < LANES; ++lane) sum[lane] = __builtin_fmaf(a[lane], b[lane], c[lane]);
    return sum;
#elif defined(__AVX512F__)
    return (Vec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__FMA__)
    return (Vec)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__aarch64__)
    return (Vec)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
    return a * b + c;
#endif
}

// 1 / d to 14 bits or better; only if ESTIMATED
INLINE Vec reciprocal_estimate(Vec d) {
#if defined(LSTMBENCH_ESTIMATE)
    return (1.0f / d) * (float)(1.0 + (LSTMBENCH_ESTIMATE));
#elif defined(EMULATED) || !defined(__AVX512F__)
    return 1.0f / d;
#else
    return (Vec)_mm512_rcp14_ps((__m512)d);
#endif
}

// a / d for 0 <= |a| <= d. With an estimate e of 1 / d, q = a e is corrected by what it leaves of
// a: q + e (a - q d) is off by 2^-28 before it is rounded, always towards 0, so that no quotient of
// a smaller number by a larger one exceeds 1. It takes half the time of a division. An infinite d
// would leave NaN of a
INLINE Vec quotient(Vec a, Vec d) {
    if (!ESTIMATED) return a / d;
    const Vec estimate = reciprocal_estimate(d), q = a * estimate;
    const Vec corrected = multiply_add(estimate, multiply_add(-q, d, a), q);
    return d == __builtin_inff() ? Vec{} : corrected;
}

// The nearest number in [low, high]; NaN kept. GCC makes a comparison and a choice of each of the
// last two lines
INLINE Vec clamp(Vec x, float low, float high) {
#if defined(__AVX512F__) && !defined(EMULATED)
    return (Vec)_mm512_min_ps((__m512)broadcast(high),
                              _mm512_max_ps((__m512)broadcast(low), (__m512)x));
#elif defined(__AVX__) && !defined(EMULATED)
    return (Vec)_mm256_min_ps((__m256)broadcast(high),
                              _mm256_max_ps((__m256)broadcast(low), (__m256)x));
#else
    x = x < low ? broadcast(low) : x;
    return x > high ? broadcast(high) : x;
#endif
}

// exp(TIMES x) = power (1 + part), where power = 2^n and |n| < 128, or infinite where n = 128. part
// is a polynomial on [-ln 2 / 2, ln 2 / 2] that has a relative error of 1.3e-8 (Remez): of a small
// x, where power is 1, it is all of exp - 1, and has all its digits
template <int TIMES>
struct Exponential {
    Vec power, reduced, polynomial;  // part = reduced polynomial

    explicit Exponential(Vec x) {
        // 1.5 * 2^23 + 127: the sum's low bits are n + 127, the exponent of 2^n
        constexpr float ROUND = 12583039.0f;
        constexpr double c = TIMES;
        const Vec shifted = x * (float)(c * 1.4426950408889634) + ROUND;
        const Vec n = shifted - ROUND;
        if (FUSED)  // the product is not rounded, and one number for ln 2 near enough
            reduced = multiply_add(n, broadcast((float)(-0.6931471805599453 / c)), x);
        else
            reduced = (x - n * (float)(0.693359375 / c)) + n * (float)(2.12194440e-4 / c);
        polynomial = reduced * (float)(c * c * c * c * c * c * 0.001394649689) +
                     (float)(c * c * c * c * c * 0.008366610607);
        polynomial = polynomial * reduced + (float)(c * c * c * c * 0.0416662814);
        polynomial = polynomial * reduced + (float)(c * c * c * 0.1666654279);
        polynomial = polynomial * reduced + (float)(c * c * 0.5000000062);
        polynomial = polynomial * reduced + (float)c;
        power = (Vec)((Int)shifted << 23);
    }
};

// At -89 exp(-x) is infinite, and this is 0
INLINE Vec sigmoid(Vec x) {
    const Exponential<-1> e(clamp(x, -89.0f, 87.0f));
    return quotient(broadcast(1.0f), e.power * (e.reduced * e.polynomial + 1.0f) + 1.0f);
}

// (exp(2x) - 1) / (exp(2x) + 1); beyond 10 it is 1
INLINE Vec tanh(Vec x) {
    const Exponential<2> e(clamp(x, -10.0f, 10.0f));
    const Vec less = e.power * (e.reduced * e.polynomial) + (e.power - 1.0f);
    return quotient(less, less + 2.0f);
}
