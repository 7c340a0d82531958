// The recurrent part of one LSTM layer in float32, on one core: what must be done step by step, and nothing else.
//
// Each step is one pass. A block of the recurrent weights is laid out so that the four gates of as many hidden units as a
// vector has lanes lie side by side; its product with ROWS outputs of the step before is kept in registers, and the gates,
// c and h of these units are computed from there. No pre-activation is written to memory but where the backward pass needs
// it. Backward, the product brings dh of four vectors of units, and dz takes the place of the gates.
//
// Arrays are contiguous: gates and dz (T, B, 4H) in the order i, f, g, o; y, c and dy (T, B, H).
#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__AVX512F__)
#include <immintrin.h>
constexpr int LANES = 16, ROWS = 6;  // 4 * ROWS accumulators, in 32 registers
#elif defined(__AVX__)
constexpr int LANES = 8, ROWS = 3;  // in 16 registers
#else
constexpr int LANES = 4, ROWS = 6;
#endif
constexpr int VECTORS = 4, WIDE = VECTORS * LANES;

typedef float Vec __attribute__((vector_size(4 * LANES)));
typedef int32_t Int __attribute__((vector_size(4 * LANES)));
typedef float Loose __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
using std::size_t;
#define INLINE static inline __attribute__((always_inline))

INLINE Vec same(float a) { return a - Vec{}; }

INLINE Vec load(const float* from, int count) {
    if (count >= LANES) return *(const Loose*)from;
    Vec v = {};
    if (count > 0) std::memcpy(&v, from, 4 * count);
    return v;
}

INLINE void store(float* to, Vec v, int count) {
    if (count >= LANES) *(Loose*)to = v;
    else if (count > 0) std::memcpy(to, &v, 4 * count);
}

INLINE Vec reciprocal(Vec d) {
#if defined(__AVX512F__)  // 14 bits at once, and Newton's step doubles them: half the time of a division
    const Vec r = (Vec)_mm512_rcp14_ps((__m512)d);
    return r * (2.0f - d * r);
#else
    return 1.0f / d;
#endif
}

// exp(x) for x in [-88, 88], and the nearer end elsewhere; NaN kept. 2^n times a polynomial on [-ln 2 / 2, ln 2 / 2] (Cephes)
INLINE Vec exponential(Vec x) {
    x = x < -88.0f ? same(-88.0f) : x;
    x = x > 88.0f ? same(88.0f) : x;
    const Vec shifted = x * 1.44269504088896341f + 12582912.0f;  // 1.5 * 2^23: rounds to the nearest whole number
    const Vec n = shifted - 12582912.0f;
    const Vec r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    Vec p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + (r + 1.0f);
    return (Vec)((Int)p + ((Int)shifted << 23));  // the low bits of ``shifted`` are n, and go to the exponent
}

INLINE Vec sigmoid(Vec x) {
    const Vec s = reciprocal(1.0f + exponential(-x));
    return x < -87.0f ? Vec{} : s;
}

// Near 0 a polynomial, for 1 - 2 / (exp(2x) + 1) would lose the digits of what is small (Cephes)
INLINE Vec hyperbolic(Vec x) {
    const Vec s = x * x;
    Vec p = s * -5.70498872745e-3f + 2.06390887954e-2f;
    p = p * s - 5.37397155531e-2f;
    p = p * s + 1.33314422036e-1f;
    p = p * s - 3.33332819422e-1f;
    p = p * (s * x) + x;
    const Vec far = 1.0f - 2.0f * reciprocal(exponential(x + x) + 1.0f);
    const Vec size = (Vec)((Int)x & 0x7fffffff);
    return size < 0.625f ? p : far;
}

// sum[r][v] += a[r] . block[:, v]: a has R rows with ``stride`` between them, the block has depth rows of WIDE numbers
template <int R>
INLINE void multiply(const float* a, size_t stride, const float* block, size_t depth, Vec (&sum)[R][VECTORS]) {
    for (size_t k = 0; k < depth; ++k, block += WIDE) {
        const Loose* b = (const Loose*)block;
        const Vec b0 = b[0], b1 = b[1], b2 = b[2], b3 = b[3];
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
            const Vec s = same(a[r * stride + k]);
            sum[r][0] += s * b0;
            sum[r][1] += s * b1;
            sum[r][2] += s * b2;
            sum[r][3] += s * b3;
        }
    }
}

template <int R>
static void inputs_block(const float* x, const float* block, const float* b, float* z, size_t depth, size_t H, int count) {
    Vec sum[R][VECTORS];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; ++v) sum[r][v] = load(b ? b + v * H : z + (4 * r + v) * H, count);
    multiply<R>(x, depth, block, depth, sum);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; ++v) store(z + (4 * r + v) * H, sum[r][v], count);
}

template <int R>
static void forward_block(const float* h, const float* c, const float* block, float* z, float* y, float* c_next,
                          size_t H, int count) {
    Vec sum[R][VECTORS];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; ++v) sum[r][v] = load(z + (4 * r + v) * H, count);
    multiply<R>(h, H, block, H, sum);
    for (int r = 0; r < R; ++r) {
        const Vec i = sigmoid(sum[r][0]), f = sigmoid(sum[r][1]), g = hyperbolic(sum[r][2]), o = sigmoid(sum[r][3]);
        const Vec cell = f * load(c + r * H, count) + i * g;
        store(c_next + r * H, cell, count);
        store(y + r * H, o * hyperbolic(cell), count);
        float* gates = z + 4 * r * H;
        store(gates, i, count), store(gates + H, f, count), store(gates + 2 * H, g, count), store(gates + 3 * H, o, count);
    }
}

template <int R>
static void backward_block(const float* dz_after, const float* block, const float* dy, const float* c, const float* c_before,
                           float* gates, float* dh, float* dc, size_t H, int count, bool first) {
    Vec sum[R][VECTORS];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; ++v) {
            const int left = count - v * LANES;
            sum[r][v] = first ? load(dh + r * H + v * LANES, left) : Vec{};
            if (dy) sum[r][v] += load(dy + r * H + v * LANES, left);
        }
    if (!first) multiply<R>(dz_after, 4 * H, block, 4 * H, sum);
    for (int r = 0; r < R; ++r)
        for (int v = 0; v < VECTORS; ++v) {
            const int left = count - v * LANES;
            if (left <= 0) break;
            const size_t at = r * H + v * LANES;
            if (!gates) {
                store(dh + at, sum[r][v], left);
                continue;
            }
            float* z = gates + 4 * r * H + v * LANES;
            const Vec i = load(z, left), f = load(z + H, left), g = load(z + 2 * H, left), o = load(z + 3 * H, left);
            const Vec t = hyperbolic(load(c + at, left));
            const Vec below = load(dc + at, left) + sum[r][v] * o * (1.0f - t * t);
            store(z, below * g * i * (1.0f - i), left);
            store(z + H, below * load(c_before + at, left) * f * (1.0f - f), left);
            store(z + 2 * H, below * i * (1.0f - g * g), left);
            store(z + 3 * H, sum[r][v] * t * o * (1.0f - o), left);
            store(dc + at, below * f, left);
        }
}

#define FOR_ROWS(rows, call)                             \
    for (size_t row = 0; row < rows;) switch (rows - row) { \
            case 1: { constexpr int R = 1; call; row += R; break; } \
            case 2: { constexpr int R = 2; call; row += R; break; } \
            case 3: { constexpr int R = 3; call; row += R; break; } \
            case 4: if (ROWS > 3) { constexpr int R = ROWS > 3 ? 4 : 1; call; row += R; break; } [[fallthrough]]; \
            case 5: if (ROWS > 3) { constexpr int R = ROWS > 3 ? 5 : 1; call; row += R; break; } [[fallthrough]]; \
            default: { constexpr int R = ROWS; call; row += R; }    \
        }

extern "C" {

int wide() { return WIDE; }

// From W (4H, depth) to blocks of LANES units each, (depth, 4, LANES): what inputs and forward take
void pack_forward(const float* W, float* blocks, size_t H, size_t depth) {
    for (size_t unit = 0; unit < H; unit += LANES, blocks += depth * WIDE)
        for (size_t gate = 0; gate < 4; ++gate)
            for (size_t k = 0; k < depth; ++k)
                for (size_t lane = 0; lane < LANES; ++lane)
                    blocks[k * WIDE + gate * LANES + lane] = unit + lane < H ? W[(gate * H + unit + lane) * depth + k] : 0.0f;
}

// From W_hh (4H, H) to blocks: of WIDE units each, (4H, WIDE), what backward takes
void pack_backward(const float* W, float* blocks, size_t H) {
    for (size_t unit = 0; unit < H; unit += WIDE)
        for (size_t k = 0; k < 4 * H; ++k, blocks += WIDE) {
            const size_t count = H - unit < WIDE ? H - unit : WIDE;
            std::memcpy(blocks, W + k * H + unit, 4 * count);
            std::memset(blocks + count, 0, 4 * (WIDE - count));
        }
}

// gates (rows, 4H) <- W x + b for x (rows, depth); gates <- W x + gates if b is null
void inputs(size_t rows, size_t depth, size_t H, const float* blocks, const float* x, const float* b, float* gates) {
    for (size_t unit = 0; unit < H; unit += LANES) {
        const float* block = blocks + unit * 4 * depth;
        const int count = (int)(H - unit);
        FOR_ROWS(rows, inputs_block<R>(x + row * depth, block, b ? b + unit : b, gates + row * 4 * H + unit, depth, H, count))
    }
}

// gates hold W_ih x + b, and then the gates. c_step is the distance between the c of two steps: 0 to keep the last alone
void forward(size_t T, size_t B, size_t H, const float* blocks, const float* h, const float* c, float* gates, float* y,
             float* cs, size_t c_step) {
    for (size_t t = 0; t < T; ++t) {
        float *z = gates + t * B * 4 * H, *next = cs + t * c_step;
        for (size_t unit = 0; unit < H; unit += LANES) {
            const float* block = blocks + unit * 4 * H;
            const int count = (int)(H - unit);
            FOR_ROWS(B, forward_block<R>(h + row * H, c + row * H + unit, block, z + row * 4 * H + unit,
                                      y + t * B * H + row * H + unit, next + row * H + unit, H, count))
        }
        h = y + t * B * H, c = next;
    }
}

// gates hold all pre-activations, and then the gates; c of each step is computed from c before the first
void cells(size_t T, size_t B, size_t H, const float* c, float* gates, float* cs) {
    for (size_t t = 0; t < T; ++t, c = cs, cs += B * H)
        for (size_t row = 0; row < B; ++row, gates += 4 * H)
            for (size_t unit = 0; unit < H; unit += LANES) {
                const int count = (int)(H - unit);
                float* z = gates + unit;
                const Vec i = sigmoid(load(z, count)), f = sigmoid(load(z + H, count));
                const Vec g = hyperbolic(load(z + 2 * H, count)), o = sigmoid(load(z + 3 * H, count));
                store(z, i, count), store(z + H, f, count), store(z + 2 * H, g, count), store(z + 3 * H, o, count);
                store(cs + row * H + unit, f * load(c + row * H + unit, count) + i * g, count);
            }
}

// gates become dz; dh and dc, of the last step, become dh0 and dc0
void backward(size_t T, size_t B, size_t H, const float* blocks, const float* c0, const float* cs, const float* dy, float* gates,
              float* dh, float* dc) {
    for (size_t s = T + 1; s-- > 0;) {  // s = t + 1: at s = 0 there is dh0 left
        const size_t t = s - 1;
        const bool first = s == T;
        float* z = s ? gates + t * B * 4 * H : nullptr;
        const float* after = gates + s * B * 4 * H;
        for (size_t unit = 0; unit < H; unit += WIDE) {
            const float* block = blocks + unit * 4 * H;
            const int count = (int)(H - unit);
            FOR_ROWS(B, backward_block<R>(after + row * 4 * H, block, s ? dy + t * B * H + row * H + unit : nullptr,
                                       s ? cs + t * B * H + row * H + unit : nullptr,
                                       s ? (t ? cs + (t - 1) * B * H : c0) + row * H + unit : nullptr,
                                       s ? z + row * 4 * H + unit : nullptr, dh + row * H + unit, dc + row * H + unit, H,
                                       count, first))
        }
    }
}
}
