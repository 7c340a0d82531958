// One LSTM layer in float32, on one core: the steps, and the products over all steps before and
// after them.
//
// A step is one pass over the recurrent weights. These are packed in blocks that hold the four
// gates of as many hidden units as a vector has lanes. The product of a block with ROWS outputs of
// the step before stays in registers, and the gates, c and h of these units are computed from
// there. Pre-activations are written to memory only where the backward pass needs them. Backward,
// a block gives dh of four vectors of units, and dz overwrites the gates.
//
// Arrays are contiguous: gates and dz (T, B, 4H) in the order i, f, g, o; y, c and dy (T, B, H).
// With lengths (B,), counted from the first step given, a step is computed only for the sequences
// that have not ended.
#include "recurrence_matmul.h"

#include <string>

// Rows of a product at a time, so that its operands stay in cache; measured, see
// docs/performance.md
constexpr size_t STRIP_ROWS = 16 * ROWS;

// Lists the sequences that have not ended after t steps, and behind them those that have
static Rows active_rows(const int64_t* lengths, size_t B, size_t t, std::vector<size_t>& list) {
    if (!lengths) return {nullptr, B};
    list.resize(B);
    size_t first = 0, last = B;
    for (size_t row = 0; row < B; ++row) list[lengths[row] > (int64_t)t ? first++ : --last] = row;
    return {list.data(), first};
}

template <int R>
NOINLINE void inputs_block(const Rows& rows, size_t n, const float* x, const float* block,
                           const float* b, float* gates, size_t depth, size_t H, int count) {
    const float* in[R];
    float* z[R];
    row_pointers(rows, n, x, depth, in), row_pointers(rows, n, gates, 4 * H, z);
    Vec sum[R][VECTORS];
    for_vectors<R>([&](int r, int v)
                       ALWAYS_INLINE { sum[r][v] = load((b ? b : z[r]) + v * H, count); });
    multiply_block<R, false>(in, 1, block, depth, sum, next_block(block, depth, 4 * H, rows, n));
    for_vectors<R>([&](int r, int v) ALWAYS_INLINE { store(z[r] + v * H, sum[r][v], count); });
}

template <int R>
NOINLINE void forward_block(const Rows& rows, size_t n, const LeftOperand& h, const float* c,
                            const float* block, float* gates, float* y, float* c_next, size_t H,
                            int count, bool keep_gates) {
    float* z[R];
    row_pointers(rows, n, gates, 4 * H, z);
    Vec sum[R][VECTORS];
    for_vectors<R>([&](int r, int v) ALWAYS_INLINE { sum[r][v] = load(z[r] + v * H, count); });
    h.multiply<R>(rows, n, block, 4 * H, sum);
    // One gate of all rows after the other, so that the exponentials of different rows overlap
    for (int r = 0; r < R; ++r) sum[r][0] = sigmoid(sum[r][0]);
    for (int r = 0; r < R; ++r) sum[r][1] = sigmoid(sum[r][1]);
    for (int r = 0; r < R; ++r) sum[r][2] = tanh(sum[r][2]);
    for (int r = 0; r < R; ++r) sum[r][3] = sigmoid(sum[r][3]);
    for (int r = 0; r < R; ++r) {
        const size_t at = rows[n + r] * H;
        const Vec cell = sum[r][1] * load(c + at, count) + sum[r][0] * sum[r][2];
        store(c_next + at, cell, count);
        store(y + at, sum[r][3] * tanh(cell), count);
        for (int v = 0; keep_gates && v < VECTORS; ++v) store(z[r] + v * H, sum[r][v], count);
    }
}

// What backward_block reads and writes of one step, from the first of its units on
struct BackwardStep {
    const LeftOperand* dz_next;  // of step t + 1; null at the last step
    // These and the gates are null before the first step, where only dh0 is computed
    const float *dy = nullptr, *c = nullptr, *c_before = nullptr;
    float *gates = nullptr, *dh = nullptr, *dc = nullptr;
};

template <int R>
NOINLINE void backward_block(const Rows& rows, size_t n, const BackwardStep& step,
                             const float* block, const int64_t* lengths, size_t steps_done,
                             size_t H, int count) {
    Vec dh[R][VECTORS];
    for_vectors<R>([&](int r, int v) ALWAYS_INLINE {
        const size_t row = rows[n + r], at = row * H + v * LANES;
        const int left = count - v * LANES;
        const bool last = lengths ? lengths[row] == (int64_t)steps_done : !step.dz_next;
        dh[r][v] = last ? load(step.dh + at, left) : Vec{};
        if (step.dy) dh[r][v] += load(step.dy + at, left);
    });
    if (step.dz_next) step.dz_next->multiply<R>(rows, n, block, H, dh);
    for (int r = 0; r < R; ++r)
        for (int v = 0; v < VECTORS; ++v) {
            const int left = count - v * LANES;
            if (left <= 0) break;
            const size_t row = rows[n + r], at = row * H + v * LANES;
            if (!step.dy) {
                store(step.dh + at, dh[r][v], left);
                continue;
            }
            float* z = step.gates + 4 * row * H + v * LANES;
            const Vec i = load(z, left), f = load(z + H, left);
            const Vec g = load(z + 2 * H, left), o = load(z + 3 * H, left);
            const Vec tanh_c = tanh(load(step.c + at, left));
            const Vec dc = load(step.dc + at, left) + dh[r][v] * o * (1.0f - tanh_c * tanh_c);
            store(z, dc * g * i * (1.0f - i), left);
            store(z + H, dc * load(step.c_before + at, left) * f * (1.0f - f), left);
            store(z + 2 * H, dc * i * (1.0f - g * g), left);
            store(z + 3 * H, dh[r][v] * tanh_c * o * (1.0f - o), left);
            store(step.dc + at, dc * f, left);
        }
}

extern "C" {

// How many numbers W (4H, depth) packed forward takes at most, or W (4 depth, H) packed backward
size_t packed_size(size_t H, size_t depth) {
    return 4 * depth * ((H + BLOCK_WIDTH - 1) / BLOCK_WIDTH * BLOCK_WIDTH);
}

// The instructions in use: times depend on them, and so do the last digits
const char* instructions() {
    static const std::string text =
        std::to_string(LANES) + " numbers in a vector, " + (FUSED ? "fused" : "separate") +
        " products and sums, quotients by " + (ESTIMATED ? "estimate" : "division");
    return text.c_str();
}

// Packs W (4H, depth) into blocks of LANES units, (depth, 4, LANES), for inputs and forward
void pack_forward(const float* W, float* blocks, size_t H, size_t depth) {
    for (size_t unit = 0; unit < H; unit += LANES, blocks += depth * BLOCK_WIDTH)
        for (size_t gate = 0; gate < 4; ++gate)
            for (size_t k = 0; k < depth; ++k)
                for (size_t lane = 0; lane < LANES; ++lane)
                    blocks[packed_index(k, gate, depth) + lane] =
                        unit + lane < H ? W[(gate * H + unit + lane) * depth + k] : 0.0f;
}

// Packs W (depth, width) into blocks of BLOCK_WIDTH columns, for backward and input_gradients
void pack_backward(const float* W, float* blocks, size_t depth, size_t width) {
    for (size_t column = 0; column < width; column += BLOCK_WIDTH, blocks += depth * BLOCK_WIDTH)
        for (size_t k = 0; k < depth; ++k)
#pragma GCC unroll 4
            for (int v = 0; v < VECTORS; ++v) {
                const int left = (int)(width - column) - v * LANES;
                store(blocks + packed_index(k, v, depth),
                      load(W + k * width + column + v * LANES, left), LANES);
            }
}

// gates (T, B, 4H) <- W x + b for x (T, B, depth), or W x + gates if b is null
void inputs(size_t T, size_t B, size_t depth, size_t H, const float* blocks, const float* x,
            const float* b, float* gates, const int64_t* lengths) {
    std::vector<size_t> list, step;
    for (size_t t = 0; lengths && t < T; ++t) {
        const Rows rows = active_rows(lengths, B, t, step);
        for (size_t n = 0; n < rows.count; ++n) list.push_back(t * B + rows[n]);
    }
    const Rows rows = lengths ? Rows{list.data(), list.size()} : Rows{nullptr, T * B};
    const size_t chunk = STRIP_ROWS / 2;  // rows whose gates stay in cache over the blocks
    for (size_t first = 0; first < rows.count; first += chunk) {
        const size_t count = std::min(rows.count - first, chunk), at = rows.list ? 0 : first;
        const Rows part = {rows.list ? rows.list + first : nullptr, count};
        for (size_t unit = 0; unit < H; unit += LANES)
            for_row_groups(count, [&](auto R, size_t n) ALWAYS_INLINE {
                inputs_block<R>(part, n, x + at * depth, blocks + unit * 4 * depth,
                                b ? b + unit : b, gates + at * 4 * H + unit, depth, H,
                                (int)(H - unit));
            });
    }
}

// gates: W_ih x + b before, the gates after. c_step is the distance between the c of two steps; 0
// keeps only the last c, and no gates. After its end a sequence's y is 0, and its c stays
void forward(size_t T, size_t B, size_t H, const float* blocks, const float* h, const float* c,
             float* gates, float* y, float* cs, size_t c_step, const int64_t* lengths) {
    std::vector<size_t> list;
    std::vector<float> workspace;
    for (size_t t = 0; t < T; ++t) {
        const Rows rows = active_rows(lengths, B, t, list);
        const LeftOperand h_before(rows, h, H, workspace);
        float *z = gates + t * B * 4 * H, *c_next = cs + t * c_step, *h_next = y + t * B * H;
        for (size_t unit = 0; unit < H; unit += LANES)
            for_row_groups(rows.count, [&](auto R, size_t n) ALWAYS_INLINE {
                forward_block<R>(rows, n, h_before, c + unit, blocks + unit * 4 * H, z + unit,
                                 h_next + unit, c_next + unit, H, (int)(H - unit), c_step);
            });
        for (size_t n = rows.count; n < B; ++n) {
            std::memset(h_next + rows[n] * H, 0, 4 * H);
            if (c_next != c) std::memcpy(c_next + rows[n] * H, c + rows[n] * H, 4 * H);
        }
        h = h_next, c = c_next;
    }
}

// gates: the pre-activations before, the gates after; c of each step from c before the first
void recompute_gates(size_t T, size_t B, size_t H, const float* c, float* gates, float* cs) {
    for (size_t t = 0; t < T; ++t, c = cs, cs += B * H)
        for (size_t row = 0; row < B; ++row, gates += 4 * H)
            for (size_t unit = 0; unit < H; unit += LANES) {
                const int count = (int)(H - unit);
                float* z = gates + unit;
                const Vec i = sigmoid(load(z, count)), f = sigmoid(load(z + H, count));
                const Vec g = tanh(load(z + 2 * H, count)), o = sigmoid(load(z + 3 * H, count));
                store(z, i, count), store(z + H, f, count);
                store(z + 2 * H, g, count), store(z + 3 * H, o, count);
                store(cs + row * H + unit, f * load(c + row * H + unit, count) + i * g, count);
            }
}

// gates become dz; dh and dc of each sequence's last step become dh0 and dc0. After its end a
// sequence's dz is 0
void backward(size_t T, size_t B, size_t H, const float* blocks, const float* c0, const float* cs,
              const float* dy, float* gates, float* dh, float* dc, const int64_t* lengths) {
    std::vector<size_t> list;
    std::vector<float> workspace;
    for (size_t s = T + 1; s-- > 0;) {  // s = t + 1; s = 0 computes dh0
        const size_t t = s - 1;
        const Rows rows = active_rows(s ? lengths : nullptr, B, t, list);
        for (size_t n = rows.count; n < B; ++n)
            std::memset(gates + (t * B + rows[n]) * 4 * H, 0, 16 * H);
        const Rows next = s < T ? rows : Rows{nullptr, 0};
        const LeftOperand dz_next(next, gates + s * B * 4 * H, 4 * H, workspace);
        for (size_t unit = 0; unit < H; unit += BLOCK_WIDTH) {
            BackwardStep step = {s < T ? &dz_next : nullptr};
            step.dh = dh + unit, step.dc = dc + unit;
            if (s) {
                step.dy = dy + t * B * H + unit, step.gates = gates + t * B * 4 * H + unit;
                step.c = cs + t * B * H + unit, step.c_before = t ? step.c - B * H : c0 + unit;
            }
            for_row_groups(rows.count, [&](auto R, size_t n) ALWAYS_INLINE {
                backward_block<R>(rows, n, step, blocks + unit * 4 * H, lengths, s, H,
                                  (int)(H - unit));
            });
        }
    }
}

// dx (rows, width) = dz (rows, 4H) W, from the blocks of W (4H, width)
void input_gradients(size_t rows, size_t H, size_t width, const float* blocks, const float* dz,
                     float* dx) {
    const Rows all = {nullptr, rows};
    for (size_t column = 0; column < width; column += BLOCK_WIDTH)
        for_row_groups(rows, [&](auto R, size_t n) ALWAYS_INLINE {
            product_block<R, false>(all, n, dz, 4 * H, 1, blocks + column * 4 * H, 4 * H,
                                    dx + column, width, (int)(width - column), false);
        });
}

// dW (4H, width) = dz^T x and db (4H,) = the sum of dz, or these added, for dz (rows, 4H) and
// x (rows, width); no db if it is null. A chunk of rows at a time, and of these a strip of columns
// of dz, which the sum brings into the cache
void weight_gradients(size_t rows, size_t H, size_t width, const float* dz, const float* x,
                      float* dW, float* db, bool add) {
    const size_t chunk = H < 512 ? 256 : H / 2;  // measured, see docs/performance.md
    const bool copied = 4 * H >= PAGE_FLOATS;    // for the reason given at LeftOperand
    std::vector<float> blocks(chunk * ((width + BLOCK_WIDTH - 1) / BLOCK_WIDTH * BLOCK_WIDTH));
    std::vector<float> strip(copied ? chunk * STRIP_ROWS : 0);
    for (size_t k = 0; k < rows; k += chunk, dz += chunk * 4 * H, x += chunk * width, add = true) {
        const size_t depth = std::min(rows - k, chunk);
        pack_backward(x, blocks.data(), depth, width);
        for (size_t j = 0; j < 4 * H; j += STRIP_ROWS) {
            const Rows columns = {nullptr, std::min(4 * H - j, STRIP_ROWS)};
            float sum[STRIP_ROWS] = {};
            for (size_t row = 0; row < depth; ++row) {
                const float* dz_row = dz + row * 4 * H + j;
                for (size_t n = 0; n < columns.count; ++n) sum[n] += dz_row[n];
                if (copied)
                    for_row_groups(columns.count, [&](auto R, size_t n) ALWAYS_INLINE {
                        std::memcpy(&strip[n * depth + row * R], dz_row + n, 4 * R);
                    });
            }
            for (size_t n = 0; db && n < columns.count; ++n)
                db[j + n] = add ? db[j + n] + sum[n] : sum[n];
            for (size_t column = 0; column < width; column += BLOCK_WIDTH)
                for_row_groups(columns.count, [&](auto R, size_t n) ALWAYS_INLINE {
                    product_block<R, true>(
                        columns, n, copied ? strip.data() + n * (depth - 1) : dz + j, 1,
                        copied ? R : 4 * H, &blocks[column * depth], depth, dW + j * width + column,
                        width, (int)(width - column), add);
                });
        }
    }
}
}
