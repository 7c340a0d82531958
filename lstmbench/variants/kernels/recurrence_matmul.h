// Products of rows with blocks of packed weights, whose sums stay in registers.
//
// A block has VECTORS vectors of columns. ROWS rows are multiplied by PANEL of its vectors at a
// time: their sums, the panel's vectors and one broadcast number then fill the processor's
// registers.
#pragma once
#include "recurrence_gates.h"

#include <algorithm>
#include <type_traits>
#include <vector>
using std::size_t;

constexpr int ROWS = 6, VECTORS = 4, BLOCK_WIDTH = VECTORS * LANES, PANEL = REGISTERS / 8;
// Rows of a block in one pass of the loop; measured, see docs/performance.md
constexpr int UNROLL = REGISTERS == 16 ? 4 : 1;
// A memory page and a cache line
constexpr size_t PAGE_FLOATS = 4096 / 4, LINE_FLOATS = 64 / 4;
// Weights of less than 2 MiB stay in a cache; measured, see docs/performance.md
constexpr size_t MIN_PREFETCH_FLOATS = 1 << 19;

// sum += a b. Without the asm, GCC reads b from memory again for each a, or moves the sums from
// register to register
INLINE void multiply_accumulate(Vec& sum, Vec a, Vec b) {
#if defined(__FMA__) && !defined(__AVX512F__) && !defined(EMULATED)
    asm("vfmadd231ps %2, %1, %0" : "+x"(sum) : "x"(a), "x"(b));
#else
    sum += a * b;
#endif
}

// Calls body(r, v) for the vectors of R rows
template <int R, typename Body>
INLINE void for_vectors(Body body) {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; ++v) body(r, v);
}

// The rows that are computed, of one step or of several: without a list, the first ``count``
struct Rows {
    const size_t* list;
    size_t count;
    size_t operator[](size_t n) const { return list ? list[n] : n; }
};

template <int R = 1, typename Body>
INLINE void with_group_size(size_t size, Body body) {
    if constexpr (R < ROWS)
        if (size != R) return with_group_size<R + 1>(size, body);
    body(std::integral_constant<int, R>{});
}

// Calls body(R, n) for groups of R rows from the n-th on, R known to the compiler: ROWS, and at the
// end what is left. Ten rows are split into five and five, because four rows have too few sums to
// hide the latency of a multiplication
template <typename Body>
INLINE void for_row_groups(size_t count, Body body) {
    for (size_t n = 0, size; n < count; n += size) {
        size = count - n == 10 ? 5 : std::min<size_t>(count - n, ROWS);
        with_group_size(size, [&](auto group) ALWAYS_INLINE { body(group, n); });
    }
}

// Sets pointers[r] to the row of the r-th of R rows from the n-th on; rows are ``stride`` numbers
// apart
template <int R, typename Number>
INLINE void row_pointers(const Rows& rows, size_t n, Number* first, size_t stride,
                         Number* (&pointers)[R]) {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) pointers[r] = first + rows[n + r] * stride;
}

// Index of vector v of row k in a packed block of ``depth`` rows: the vectors of a panel lie side
// by side
INLINE size_t packed_index(size_t k, size_t v, size_t depth) {
    return ((v / PANEL * depth + k) * PANEL + v % PANEL) * LANES;
}

// Memory to prefetch from ``from`` on: one cache line for each ``interval`` rows of the block in
// use
struct Prefetch {
    const float* from = nullptr;
    size_t interval = 0;
};

// What the group of rows from the n-th on prefetches of the next block; all groups together
// prefetch all of it. A single group has no time for it. ``width`` is that of all blocks together
static Prefetch next_block(const float* block, size_t depth, size_t width, const Rows& rows,
                           size_t n) {
    const size_t groups = (rows.count + ROWS - 1) / ROWS, group = (n + ROWS - 1) / ROWS;
    if (groups < 2 || depth * width < MIN_PREFETCH_FLOATS) return {};
    return {block + (depth + group * depth / groups) * BLOCK_WIDTH, groups};
}

// sum[r][v] += a[r] . block[:, v] over ``depth``. The k-th number of row r is a[r][k], or, of
// interleaved rows, a[0][k pitch + r]
template <int R, bool INTERLEAVED>
INLINE void multiply_block(const float* const (&a)[R], size_t pitch, const float* block,
                           size_t depth, Vec (&sum)[R][VECTORS], Prefetch prefetch = {}) {
    // Few rows leave registers for the sums of all vectors
    constexpr int V = R * VECTORS <= ROWS * PANEL ? VECTORS : PANEL;
    // Loops, not for_vectors: with it GCC keeps the sums in memory
#pragma GCC unroll 4
    for (int first = 0; first < VECTORS; first += V) {
        Vec part[R][V];
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
            for (int v = 0; v < V; ++v) part[r][v] = sum[r][first + v];
        const float* weights = block + packed_index(0, first, depth);
        const auto add_row = [&](size_t k) ALWAYS_INLINE {
            Vec b[V];
#pragma GCC unroll 4
            for (int v = 0; v < V; ++v)
                b[v] = *(const UnalignedVec*)(weights + packed_index(0, v, depth));
#pragma GCC unroll 8
            for (int r = 0; r < R; ++r) {
                const Vec factor = broadcast(INTERLEAVED ? a[0][k * pitch + r] : a[r][k]);
#pragma GCC unroll 4
                for (int v = 0; v < V; ++v) multiply_accumulate(part[r][v], factor, b[v]);
            }
            weights += PANEL * LANES;
        };
        size_t k = 0;
        for (ptrdiff_t wait = prefetch.interval; prefetch.interval && k + UNROLL <= depth;
             k += UNROLL) {
            for (wait -= UNROLL; wait <= 0; wait += prefetch.interval, prefetch.from += LINE_FLOATS)
                __builtin_prefetch(prefetch.from, 0, 2);
#pragma GCC unroll 4
            for (int n = 0; n < UNROLL; ++n) add_row(k + n);
        }
        for (; k + UNROLL <= depth; k += UNROLL) {
#pragma GCC unroll 4
            for (int n = 0; n < UNROLL; ++n) add_row(k + n);
        }
        for (; k < depth; ++k) add_row(k);
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
            for (int v = 0; v < V; ++v) sum[r][first + v] = part[r][v];
    }
}

// The left operand of a product, rows of ``depth`` numbers: where they lie, or copied so that the
// rows of a group are interleaved. Rows that are whole pages apart would compete for one set of a
// cache
struct LeftOperand {
    const float* from;
    size_t depth;
    bool copied;

    LeftOperand(const Rows& rows, const float* from, size_t depth, std::vector<float>& workspace)
        : from(from), depth(depth), copied(depth >= PAGE_FLOATS && rows.count > 1) {
        if (!copied) return;
        workspace.resize(rows.count * depth);
        this->from = workspace.data();
        for_row_groups(rows.count, [&](auto R, size_t n) {
            for (size_t r = 0; r < R; ++r)
                for (size_t k = 0; k < depth; ++k)
                    workspace[n * depth + k * R + r] = from[rows[n + r] * depth + k];
        });
    }

    // Adds to ``sum`` the product of R rows from the n-th on with a block, one of blocks of
    // ``width`` columns together
    template <int R>
    inline ALWAYS_INLINE void multiply(const Rows& rows, size_t n, const float* block, size_t width,
                                       Vec (&sum)[R][VECTORS]) const {
        const Prefetch prefetch = next_block(block, depth, width, rows, n);
        const float* a[R];
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r)
            a[r] = copied ? from + n * depth + r : from + rows[n + r] * depth;
        copied ? multiply_block<R, true>(a, R, block, depth, sum, prefetch)
               : multiply_block<R, false>(a, 1, block, depth, sum, prefetch);
    }
};

// Writes the product of R rows of a with a block to ``out``, or adds it: a long sum as a sum of
// sums loses fewer digits. ``stride`` and ``pitch`` are the distances of two rows and, of
// interleaved rows, of two numbers
template <int R, bool INTERLEAVED>
NOINLINE void product_block(const Rows& rows, size_t n, const float* a, size_t stride, size_t pitch,
                            const float* block, size_t depth, float* out, size_t width, int count,
                            bool add) {
    const float* in[R];
    float* to[R];
    row_pointers(rows, n, a, stride, in), row_pointers(rows, n, out, width, to);
    Vec sum[R][VECTORS] = {};
    for (int r = 0; add && r < R; ++r)
        __builtin_prefetch(to[r]), __builtin_prefetch(to[r] + LINE_FLOATS);
    if (INTERLEAVED && pitch == R)  // a pitch known to the compiler
        multiply_block<R, INTERLEAVED>(in, R, block, depth, sum);
    else
        multiply_block<R, INTERLEAVED>(in, pitch, block, depth, sum);
    for_vectors<R>([&](int r, int v) ALWAYS_INLINE {
        float* at = to[r] + v * LANES;
        const int left = count - v * LANES;
        store(at, add ? load(at, left) + sum[r][v] : sum[r][v], left);
    });
}
