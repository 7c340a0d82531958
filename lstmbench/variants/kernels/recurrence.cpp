// One LSTM layer in float32, on one core: what must be done step by step, and the products over all steps before and after.
//
// Each step is one pass. A block of the recurrent weights is laid out so that the four gates of as many hidden units as a
// vector has lanes lie side by side; its product with ROWS outputs of the step before is kept in registers, and the gates,
// c and h of these units are computed from there. No pre-activation is written to memory but where the backward pass needs
// it. Backward, the product brings dh of four vectors of units, and dz takes the place of the gates.
//
// Arrays are contiguous: gates and dz (T, B, 4H) in the order i, f, g, o; y, c and dy (T, B, H). Where lengths (B,) are given,
// a step is computed for those sequences alone that are not over.
#include "recurrence_gates.h"

#include <string>
#include <vector>
using std::size_t;

// A block of four vectors is multiplied by ROWS rows, TOGETHER of its vectors at a time: their sums, the vectors and one factor
// fill the processor's registers
constexpr int ROWS = 6, VECTORS = 4, WIDE = VECTORS * LANES, TOGETHER = REGISTERS / 8;
constexpr int UNROLLED = REGISTERS == 16 ? 4 : 1;  // rows of a block at once
constexpr size_t PAGE = 1024, LINE = 16, NEAR = 1 << 19;  // numbers

// sum += a b. Left to itself, GCC reads b from memory again for each a, or moves the sums from register to register
INLINE void add_product(Vec& sum, Vec a, Vec b) {
#if defined(__FMA__) && !defined(__AVX512F__) && !defined(EMULATED)
    asm("vfmadd231ps %2, %1, %0" : "+x"(sum) : "x"(a), "x"(b));
#else
    sum += a * b;
#endif
}

// Which rows are computed, of one step or of several: all of them where there is no list
struct Rows {
    const size_t* list;
    size_t count;
    size_t operator[](size_t n) const { return list ? list[n] : n; }
};

// Lists the sequences that are not over after t steps, and behind them those that are
static Rows going(const int64_t* lengths, size_t B, size_t t, std::vector<size_t>& list) {
    if (!lengths) return {nullptr, B};
    list.resize(B);
    size_t first = 0, last = B;
    for (size_t row = 0; row < B; ++row) list[lengths[row] > (int64_t)t ? first++ : --last] = row;
    return {list.data(), first};
}

// Calls what is given for ROWS rows after the other, from the n-th on, and at the end for the R that are left: of ten, twice
// five, as four have too few sums to hide that each takes some cycles
#define FOR_ROWS(rows, ...)                                                       \
    for (size_t n = 0; n < rows.count;) switch (rows.count - n) {                 \
            case 1: { constexpr int R = 1; __VA_ARGS__; n += R; break; }          \
            case 2: { constexpr int R = 2; __VA_ARGS__; n += R; break; }          \
            case 3: { constexpr int R = 3; __VA_ARGS__; n += R; break; }          \
            case 4: { constexpr int R = 4; __VA_ARGS__; n += R; break; }          \
            case 5: case 10: { constexpr int R = 5; __VA_ARGS__; n += R; break; } \
            default: { constexpr int R = ROWS; __VA_ARGS__; n += R; }             \
        }

// Writes the places in memory of R rows, from the n-th on, with ``stride`` numbers from one to the next
template <int R, typename Number>
INLINE void find(const Rows& rows, size_t n, Number* from, size_t stride, Number* (&at)[R]) {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) at[r] = from + rows[n + r] * stride;
}

// Where in a block, of so many rows, the k-th row of a vector is: those TOGETHER lie side by side
INLINE size_t place(size_t k, size_t v, size_t depth) {
    return ((v / TOGETHER * depth + k) * TOGETHER + v % TOGETHER) * LANES;
}

// A block that will be needed, from some place on: one line of it is fetched for each ``every`` rows of the block in use
struct Next {
    const float* from = nullptr;
    size_t every = 0;
};

// What the group of rows from the n-th on fetches of the next block, while all groups together go through this one of so many
// rows. One group alone has no time for it, and all blocks together may be so few that they stay in a cache
static Next part_of_next(const float* block, size_t depth, size_t width, const Rows& rows, size_t n) {
    const size_t groups = (rows.count + ROWS - 1) / ROWS, before = (n + ROWS - 1) / ROWS;
    return groups < 2 || depth * width < NEAR ? Next{} : Next{block + (depth + before * depth / groups) * WIDE, groups};
}

// sum[r][v] += a[r] . block[:, v]: the block has depth rows of WIDE numbers. The k-th number of a[r] is a[r][k], or, of rows
// that lie side by side, a[0][k pitch + r]
template <int R, bool BESIDE>
INLINE void multiply(const float* const (&a)[R], size_t pitch, const float* block, size_t depth, Vec (&sum)[R][VECTORS],
                     Next next = {}) {
    constexpr int SOME = R * VECTORS <= ROWS * TOGETHER ? VECTORS : TOGETHER;
#pragma GCC unroll 4
    for (int first = 0; first < VECTORS; first += SOME) {
        Vec part[R][SOME];
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
            for (int v = 0; v < SOME; ++v) part[r][v] = sum[r][first + v];
        const float* from = block + place(0, first, depth);
        const auto step = [&](size_t k) __attribute__((always_inline)) {
            Vec b[SOME];
#pragma GCC unroll 4
            for (int v = 0; v < SOME; ++v) b[v] = *(const Loose*)(from + place(0, v, depth));
#pragma GCC unroll 8
            for (int r = 0; r < R; ++r) {
                const Vec s = same(BESIDE ? a[0][k * pitch + r] : a[r][k]);
#pragma GCC unroll 4
                for (int v = 0; v < SOME; ++v) add_product(part[r][v], s, b[v]);
            }
            from += TOGETHER * LANES;
        };
        size_t k = 0;
        for (ptrdiff_t wait = next.every; next.every && k + UNROLLED <= depth; k += UNROLLED) {
            for (wait -= UNROLLED; wait <= 0; wait += next.every, next.from += LINE) __builtin_prefetch(next.from, 0, 2);
#pragma GCC unroll 4
            for (int n = 0; n < UNROLLED; ++n) step(k + n);
        }
        for (; k + UNROLLED <= depth; k += UNROLLED) {
#pragma GCC unroll 4
            for (int n = 0; n < UNROLLED; ++n) step(k + n);
        }
        for (; k < depth; ++k) step(k);
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
            for (int v = 0; v < SOME; ++v) sum[r][first + v] = part[r][v];
    }
}

// Rows of so many numbers, as multiply takes them: where they lie, or copied so that those of a group lie side by side. Rows
// that are whole pages apart would meet in one set of a cache
struct Factors {
    const float* from;
    size_t depth;
    bool copied;

    Factors(const Rows& rows, const float* from, size_t depth, std::vector<float>& room)
        : from(from), depth(depth), copied(depth >= PAGE && rows.count > 1) {
        if (!copied) return;
        room.resize(rows.count * depth);
        this->from = room.data();
        float* to = room.data();
        FOR_ROWS(rows, for (int r = 0; r < R; ++r, ++to) for (size_t k = 0; k < depth; ++k) to[k * R] = from[rows[n + r] * depth + k];
                 to += R * (depth - 1))
    }

    // Multiplies R rows, from the n-th on, with a block, of which all together have so many columns
    template <int R>
    inline __attribute__((always_inline)) void multiply_rows(const Rows& rows, size_t n, const float* block, size_t width, Vec (&sum)[R][VECTORS]) const {
        const Next next = part_of_next(block, depth, width, rows, n);
        const float* at[R];
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) at[r] = copied ? from + n * depth + r : from + rows[n + r] * depth;
        copied ? multiply<R, true>(at, R, block, depth, sum, next) : multiply<R, false>(at, 1, block, depth, sum, next);
    }
};

template <int R>
static void inputs_block(const Rows& rows, size_t n, const float* x, const float* block, const float* b, float* gates,
                         size_t depth, size_t H, int count) {
    const float* in[R];
    float* z[R];
    find(rows, n, x, depth, in), find(rows, n, gates, 4 * H, z);
    Vec sum[R][VECTORS];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; ++v) sum[r][v] = load((b ? b : z[r]) + v * H, count);
    multiply<R, false>(in, 1, block, depth, sum, part_of_next(block, depth, 4 * H, rows, n));
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; ++v) store(z[r] + v * H, sum[r][v], count);
}

template <int R>
static void forward_block(const Rows& rows, size_t n, const Factors& h, const float* c, const float* block, float* gates, float* y,
                          float* c_next, size_t H, int count, bool keep) {
    float* z[R];
    find(rows, n, gates, 4 * H, z);
    Vec sum[R][VECTORS];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; ++v) sum[r][v] = load(z[r] + v * H, count);
    h.multiply_rows<R>(rows, n, block, 4 * H, sum);
    // Gate by gate: a row after the other would have to wait for its exponentials
    for (int r = 0; r < R; ++r) sum[r][0] = sigmoid(sum[r][0]);
    for (int r = 0; r < R; ++r) sum[r][1] = sigmoid(sum[r][1]);
    for (int r = 0; r < R; ++r) sum[r][2] = hyperbolic(sum[r][2]);
    for (int r = 0; r < R; ++r) sum[r][3] = sigmoid(sum[r][3]);
    for (int r = 0; r < R; ++r) {
        const size_t at = rows[n + r] * H;
        const Vec cell = sum[r][1] * load(c + at, count) + sum[r][0] * sum[r][2];
        store(c_next + at, cell, count);
        store(y + at, sum[r][3] * hyperbolic(cell), count);
        for (int v = 0; keep && v < VECTORS; ++v) store(z[r] + v * H, sum[r][v], count);  // the gates
    }
}

// What backward_block reads and writes of one step, from the first of some units on; dy is null before the first step
struct Step {
    const Factors* dz_after;  // null at the last step, where there is none
    const float *dy, *c, *c_before;
    float *gates, *dh, *dc;
};

template <int R>
static void backward_block(const Rows& rows, size_t n, const Step& step, const float* block, const int64_t* lengths, size_t s,
                           size_t H, int count) {
    Vec sum[R][VECTORS];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; ++v) {
            const size_t row = rows[n + r], at = row * H + v * LANES;
            const int left = count - v * LANES;
            const bool last = lengths ? lengths[row] == (int64_t)s : !step.dz_after;  // of its sequence
            sum[r][v] = last ? load(step.dh + at, left) : Vec{};
            if (step.dy) sum[r][v] += load(step.dy + at, left);
        }
    if (step.dz_after) step.dz_after->multiply_rows<R>(rows, n, block, H, sum);
    for (int r = 0; r < R; ++r)
        for (int v = 0; v < VECTORS; ++v) {
            const int left = count - v * LANES;
            if (left <= 0) break;
            const size_t row = rows[n + r], at = row * H + v * LANES;
            if (!step.dy) {
                store(step.dh + at, sum[r][v], left);
                continue;
            }
            float* z = step.gates + 4 * row * H + v * LANES;
            const Vec i = load(z, left), f = load(z + H, left), g = load(z + 2 * H, left), o = load(z + 3 * H, left);
            const Vec t = hyperbolic(load(step.c + at, left));
            const Vec below = load(step.dc + at, left) + sum[r][v] * o * (1.0f - t * t);
            store(z, below * g * i * (1.0f - i), left);
            store(z + H, below * load(step.c_before + at, left) * f * (1.0f - f), left);
            store(z + 2 * H, below * i * (1.0f - g * g), left);
            store(z + 3 * H, sum[r][v] * t * o * (1.0f - o), left);
            store(step.dc + at, below * f, left);
        }
}

// Rows of a times a block, stored or added to what is there: so a long sum is one of sums, and loses fewer digits
template <int R, bool BESIDE>
static void product_block(const Rows& rows, size_t n, const float* a, size_t row, size_t pitch, const float* block, size_t depth,
                          float* out, size_t width, int count, bool add) {
    const float* in[R];
    float* to[R];
    find(rows, n, a, row, in), find(rows, n, out, width, to);
    Vec sum[R][VECTORS] = {};
    for (int r = 0; add && r < R; ++r) __builtin_prefetch(to[r]), __builtin_prefetch(to[r] + LINE);
    if (BESIDE && pitch == R) multiply<R, BESIDE>(in, R, block, depth, sum);  // known when it is compiled: faster
    else multiply<R, BESIDE>(in, pitch, block, depth, sum);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; ++v) {
            const int left = count - v * LANES;
            store(to[r] + v * LANES, add ? load(to[r] + v * LANES, left) + sum[r][v] : sum[r][v], left);
        }
}

// Writes ``count`` numbers, or WIDE if there are more, to the k-th row of a block
INLINE void copy_row(const float* from, float* block, size_t k, size_t depth, int count) {
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; ++v) store(block + place(k, v, depth), load(from + v * LANES, count - v * LANES), LANES);
}

constexpr size_t STRIP = 16 * ROWS;  // So many rows of a product at once, where what belongs to them should stay in the cache

extern "C" {

int wide() { return WIDE; }

// The processor's instructions that are in use: what a time, and the last digit, depend on
const char* instructions() {
    static const std::string text = std::to_string(LANES) + " numbers in a vector, " + (FUSED ? "fused" : "separate") +
                                    " products and sums, quotients by " + (ESTIMATED ? "estimate" : "division");
    return text.c_str();
}

// From W (4H, depth) to blocks of LANES units each, (depth, 4, LANES): what inputs and forward take
void pack_forward(const float* W, float* blocks, size_t H, size_t depth) {
    for (size_t unit = 0; unit < H; unit += LANES, blocks += depth * WIDE)
        for (size_t gate = 0; gate < 4; ++gate)
            for (size_t k = 0; k < depth; ++k)
                for (size_t lane = 0; lane < LANES; ++lane)
                    blocks[place(k, gate, depth) + lane] = unit + lane < H ? W[(gate * H + unit + lane) * depth + k] : 0.0f;
}

// From W (depth, width) to blocks of WIDE columns each, (depth, WIDE): what backward and inputs_back take
void pack_backward(const float* W, float* blocks, size_t depth, size_t width) {
    for (size_t column = 0; column < width; column += WIDE, blocks += depth * WIDE)
        for (size_t k = 0; k < depth; ++k) copy_row(W + k * width + column, blocks, k, depth, (int)(width - column));
}

// gates (T, B, 4H) <- W x + b for x (T, B, depth); gates <- W x + gates if b is null. ``start`` steps went before
void inputs(size_t T, size_t B, size_t depth, size_t H, const float* blocks, const float* x, const float* b, float* gates,
            const int64_t* lengths, size_t start) {
    std::vector<size_t> list, step;
    for (size_t t = 0; lengths && t < T; ++t) {
        const Rows rows = going(lengths, B, start + t, step);
        for (size_t n = 0; n < rows.count; ++n) list.push_back(t * B + rows[n]);
    }
    const Rows rows = lengths ? Rows{list.data(), list.size()} : Rows{nullptr, T * B};
    const size_t some = STRIP / 2;  // rows at a time, lest each block fetches all gates anew
    for (size_t first = 0; first < rows.count; first += some) {
        const size_t count = rows.count - first < some ? rows.count - first : some, at = rows.list ? 0 : first;
        const Rows part = {rows.list ? rows.list + first : nullptr, count};
        for (size_t unit = 0; unit < H; unit += LANES) {
            const float* block = blocks + unit * 4 * depth;
            FOR_ROWS(part, inputs_block<R>(part, n, x + at * depth, block, b ? b + unit : b, gates + at * 4 * H + unit, depth, H,
                                           (int)(H - unit)))
        }
    }
}

// gates hold W_ih x + b, and then the gates. c_step is the distance between the c of two steps: 0 to keep the last alone, and
// no gates. After a sequence y is 0, and c stays
void forward(size_t T, size_t B, size_t H, const float* blocks, const float* h, const float* c, float* gates, float* y,
             float* cs, size_t c_step, const int64_t* lengths, size_t start) {
    std::vector<size_t> list;
    std::vector<float> room;
    for (size_t t = 0; t < T; ++t) {
        const Rows rows = going(lengths, B, start + t, list);
        const Factors before(rows, h, H, room);
        float *z = gates + t * B * 4 * H, *next = cs + t * c_step, *out = y + t * B * H;
        for (size_t unit = 0; unit < H; unit += LANES) {
            const float* block = blocks + unit * 4 * H;
            const int count = (int)(H - unit);
            FOR_ROWS(rows, forward_block<R>(rows, n, before, c + unit, block, z + unit, out + unit, next + unit, H, count, c_step))
        }
        for (size_t n = rows.count; n < B; ++n) {
            std::memset(out + rows[n] * H, 0, 4 * H);
            if (next != c) std::memcpy(next + rows[n] * H, c + rows[n] * H, 4 * H);
        }
        h = out, c = next;
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

// gates become dz; dh and dc, of the last step of each sequence, become dh0 and dc0. After a sequence dz is 0
void backward(size_t T, size_t B, size_t H, const float* blocks, const float* c0, const float* cs, const float* dy, float* gates,
              float* dh, float* dc, const int64_t* lengths) {
    std::vector<size_t> list;
    std::vector<float> room;
    for (size_t s = T + 1; s-- > 0;) {  // s = t + 1: at s = 0 there is dh0 left
        const size_t t = s - 1;
        const Rows rows = going(s ? lengths : nullptr, B, t, list);
        for (size_t n = rows.count; n < B; ++n) std::memset(gates + (t * B + rows[n]) * 4 * H, 0, 16 * H);
        const Rows after = s < T ? rows : Rows{nullptr, 0};
        const Factors dz_after(after, gates + s * B * 4 * H, 4 * H, room);
        for (size_t unit = 0; unit < H; unit += WIDE) {
            const float* block = blocks + unit * 4 * H;
            const int count = (int)(H - unit);
            Step step = {s < T ? &dz_after : nullptr, nullptr, nullptr, nullptr, nullptr, dh + unit, dc + unit};
            if (s) {
                step.dy = dy + t * B * H + unit, step.gates = gates + t * B * 4 * H + unit;
                step.c = cs + t * B * H + unit, step.c_before = (t ? step.c - B * H : c0 + unit);
            }
            FOR_ROWS(rows, backward_block<R>(rows, n, step, block, lengths, s, H, count))
        }
    }
}
// dx (rows, width) = dz (rows, 4H) W, for the blocks of W (4H, width)
void inputs_back(size_t rows, size_t H, size_t width, const float* blocks, const float* dz, float* dx) {
    const Rows all = {nullptr, rows};
    for (size_t column = 0; column < width; column += WIDE)
        FOR_ROWS(all, product_block<R, false>(all, n, dz, 4 * H, 1, blocks + column * 4 * H, 4 * H, dx + column, width,
                                       (int)(width - column), false))
}

// dW (4H, width) and db (4H,) = dz^T x and the sum of dz, or that added to them, for dz (rows, 4H) and x (rows, width): some
// rows at a time, and of these a strip of columns of dz, which the sum brings into the cache. No db if it is null
void weights_back(size_t rows, size_t H, size_t width, const float* dz, const float* x, float* dW, float* db, bool add) {
    const size_t some = H < 512 ? 256 : H / 2;
    const bool copied = 4 * H >= PAGE;  // as Factors
    std::vector<float> blocks(some * ((width + WIDE - 1) / WIDE * WIDE)), room(copied ? some * STRIP : 0);
    for (size_t k = 0; k < rows; k += some, dz += some * 4 * H, x += some * width, add = true) {
        const size_t depth = rows - k < some ? rows - k : some;
        pack_backward(x, blocks.data(), depth, width);
        for (size_t j = 0; j < 4 * H; j += STRIP) {
            const Rows columns = {nullptr, 4 * H - j < STRIP ? 4 * H - j : STRIP};
            float sum[STRIP] = {};
            for (size_t row = 0; row < depth; ++row) {
                const float* from = dz + row * 4 * H + j;
                for (size_t n = 0; n < columns.count; ++n) sum[n] += from[n];
                if (copied) FOR_ROWS(columns, std::memcpy(&room[n * depth + row * R], from + n, 4 * R))
            }
            for (size_t n = 0; db && n < columns.count; ++n) db[j + n] = add ? db[j + n] + sum[n] : sum[n];
            for (size_t column = 0; column < width; column += WIDE)
                FOR_ROWS(columns, product_block<R, true>(columns, n, copied ? room.data() + n * (depth - 1) : dz + j, 1, copied ? R : 4 * H,
                                                   &blocks[column * depth], depth, dW + j * width + column, width,
                                                   (int)(width - column), add))
        }
    }
}
}
