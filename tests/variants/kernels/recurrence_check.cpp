// Compares the functions of recurrence.cpp with plain loops in double, at ragged shapes, in arrays
// that end where they end: to be built with the address sanitiser. LSTMBENCH_LANES gives vectors
// another width than this processor's.
#include "recurrence.cpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>

using Numbers = std::vector<float>;
using Doubles = std::vector<double>;

static std::mt19937 generator(0);
static int wrong = 0;

static Numbers draw(size_t count, float scale = 1) {
    std::normal_distribution<float> normal(0, scale);
    Numbers drawn(count);
    for (float& value : drawn) value = normal(generator);
    return drawn;
}

static void compare(const char* what, double found, double wanted) {
    if (std::fabs(found - wanted) <= 2e-4 * (1 + std::fabs(wanted))) return;
    if (wrong++ < 10) std::printf("%s: %g instead of %g\n", what, found, wanted);
}

static double dot(const float* a, const float* b, size_t count, size_t a_step = 1,
                  size_t b_step = 1) {
    double sum = 0;
    for (size_t k = 0; k < count; ++k) sum += (double)a[k * a_step] * b[k * b_step];
    return sum;
}

static double plain_sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

// Some of ``count`` indices, with the first and the last
static std::vector<size_t> some(size_t count) {
    std::vector<size_t> chosen = {0, count - 1};
    for (int n = 0; n < 5; ++n) chosen.push_back(generator() % count);
    return chosen;
}

static void check(size_t T, size_t B, size_t I, size_t H, bool ragged) {
    const auto up = [](size_t count, size_t unit) { return (count + unit - 1) / unit * unit; };
    std::vector<int64_t> given(B);
    for (int64_t& length : given) length = ragged ? (int64_t)(generator() % (T + 1)) : (int64_t)T;
    const int64_t* lengths = ragged ? given.data() : nullptr;
    const Numbers W_ih = draw(4 * H * I, 0.2f / std::sqrt(I)),
                  W_hh = draw(4 * H * H, 0.5f / std::sqrt(H)), b = draw(4 * H);
    const Numbers x = draw(T * B * I), h0 = draw(B * H), c0 = draw(B * H), dy = draw(T * B * H);
    Numbers ih(up(H, LANES) * 4 * I), hh(up(H, LANES) * 4 * H), hh_back(up(H, BLOCK_WIDTH) * 4 * H),
        ih_back(up(I, BLOCK_WIDTH) * 4 * H);
    pack_forward(W_ih.data(), ih.data(), H, I), pack_forward(W_hh.data(), hh.data(), H, H);
    pack_backward(W_hh.data(), hh_back.data(), 4 * H, H),
        pack_backward(W_ih.data(), ih_back.data(), 4 * H, I);

    Numbers gates(T * B * 4 * H), y(T * B * H), cs(T * B * H);
    inputs(T, B, I, H, ih.data(), x.data(), b.data(), gates.data(), lengths);
    forward(T, B, H, hh.data(), h0.data(), c0.data(), gates.data(), y.data(), cs.data(), B * H,
            lengths);
    for (size_t t = 0; t < T; ++t)
        for (size_t row = 0; row < B; ++row)
            for (size_t j : some(H)) {
                const float *h = t ? &y[((t - 1) * B + row) * H] : &h0[row * H],
                            *c = t ? &cs[((t - 1) * B + row) * H] : &c0[row * H];
                const size_t at = (t * B + row) * H + j;
                if ((int64_t)t >= given[row]) {
                    compare("y after the end", y[at], 0), compare("c after the end", cs[at], c[j]);
                    continue;
                }
                double z[4];
                for (size_t gate = 0; gate < 4; ++gate) {
                    const size_t unit = gate * H + j;
                    z[gate] = b[unit] + dot(&W_ih[unit * I], &x[(t * B + row) * I], I) +
                              dot(&W_hh[unit * H], h, H);
                }
                const double cell =
                    plain_sigmoid(z[1]) * c[j] + plain_sigmoid(z[0]) * std::tanh(z[2]);
                compare("c", cs[at], cell);
                compare("y", y[at], plain_sigmoid(z[3]) * std::tanh(cell));
            }

    Numbers dz = gates, dh = draw(B * H), dc = draw(B * H);
    const Numbers dh_T = dh, dc_T = dc;
    backward(T, B, H, hh_back.data(), c0.data(), cs.data(), dy.data(), dz.data(), dh.data(),
             dc.data(), lengths);
    for (size_t row : some(B)) {
        Doubles to_h(&dh_T[row * H], &dh_T[row * H] + H), to_c(&dc_T[row * H], &dc_T[row * H] + H),
            d(4 * H);
        for (size_t t = given[row]; t-- > 0;) {
            const float *gate = &gates[(t * B + row) * 4 * H],
                        *c = t ? &cs[((t - 1) * B + row) * H] : &c0[row * H];
            for (size_t j = 0; j < H; ++j) {
                const double i = gate[j], f = gate[H + j], g = gate[2 * H + j], o = gate[3 * H + j];
                const double tanh_c = std::tanh(cs[(t * B + row) * H + j]),
                             to_y = to_h[j] + dy[(t * B + row) * H + j];
                to_c[j] += to_y * o * (1 - tanh_c * tanh_c);
                d[j] = to_c[j] * g * i * (1 - i), d[H + j] = to_c[j] * c[j] * f * (1 - f);
                d[2 * H + j] = to_c[j] * i * (1 - g * g),
                          d[3 * H + j] = to_y * tanh_c * o * (1 - o);
                to_c[j] *= f;
            }
            std::fill(to_h.begin(), to_h.end(), 0.0);
            for (size_t j = 0; j < 4 * H; ++j) {
                compare("dz", dz[(t * B + row) * 4 * H + j], d[j]);
                for (size_t k = 0; k < H; ++k) to_h[k] += d[j] * W_hh[j * H + k];
            }
        }
        for (size_t j = 0; j < H; ++j)
            compare("dh0", dh[row * H + j], to_h[j]), compare("dc0", dc[row * H + j], to_c[j]);
    }

    for (const bool add : {false, true}) {
        Numbers dW(4 * H * I, 1.0f), db(4 * H, 1.0f);
        weight_gradients(T * B, H, I, dz.data(), x.data(), dW.data(), db.data(), add);
        const float one = 1;
        for (size_t j : some(4 * H)) {
            compare("db", db[j], add + dot(&dz[j], &one, T * B, 4 * H, 0));
            for (size_t k : some(I))
                compare("dW", dW[j * I + k], add + dot(&dz[j], &x[k], T * B, 4 * H, I));
        }
    }
    Numbers dx(T * B * I);
    input_gradients(T * B, H, I, ih_back.data(), dz.data(), dx.data());
    for (size_t row : some(T * B))
        for (size_t k : some(I))
            compare("dx", dx[row * I + k], dot(&dz[row * 4 * H], &W_ih[k], 4 * H, 1, I));
}

int main() {
    for (int n = 0; n < 50; ++n) {
        const auto up_to = [](size_t most) { return 1 + generator() % most; };
        check(up_to(5), up_to(40), up_to(70), up_to(90), n % 3 == 0);
    }
    // What is done only where rows are long: they are copied side by side, and weights are not kept
    // in a cache
    for (const size_t H : {255, 256, 300}) check(3, H % 29 + 2, 1030, H, H % 2);
    for (const size_t H : {1024, 1027}) check(2, 28, 5, H, H % 2);
    std::printf("%d wrong, %d numbers in a vector\n", wrong, LANES);
    return wrong != 0;
}
