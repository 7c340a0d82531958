// Compares sigmoid and tanh of recurrence_gates.h with those of libm in double, over all floats
// (every STRIDE-th of them) and densely where they bend. Prints the worst relative errors and how
// many numbers were wrong.
#include "recurrence_gates.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

static int wrong = 0;
static double worst_sigmoid = 0, worst_tanh = 0;
constexpr uint32_t STRIDE = 4099;  // a prime, so that all ends of mantissas come up

static void report(const char* what, float x, double found, double wanted) {
    if (wrong++ < 10) std::printf("%s(%.9g): %.9g instead of %.9g\n", what, x, found, wanted);
}

static void compare(const char* what, float x, float found, double wanted, double allowed,
                    double& worst) {
    const double error = std::fabs(found - wanted) / std::fabs(wanted);
    worst = std::max(worst, error);
    if (!(error <= allowed)) report(what, x, found, wanted);
}

// All lanes compute the same function, so each gets its own number
static void check(const float (&x)[LANES]) {
    Vec given;
    std::memcpy(&given, x, sizeof given);
    const Vec s = sigmoid(given), t = tanh(given);
    for (int lane = 0; lane < LANES; ++lane) {
        const float value = x[lane];
        const double wanted = 1 / (1 + std::exp(-(double)value));
        if (std::isnan(value)) {
            if (!std::isnan(s[lane]) || !std::isnan(t[lane]))
                report("a function", value, s[lane], NAN);
            continue;
        }
        if (!(0 <= s[lane] && s[lane] <= 1))
            report("sigmoid beyond its range", value, s[lane], wanted);
        if (!(-1 <= t[lane] && t[lane] <= 1))
            report("tanh beyond its range", value, t[lane], std::tanh((double)value));
        if (value <= -89)
            compare("sigmoid", value, s[lane] + 1, 1, 0, worst_sigmoid);  // exp(89) is infinite
        else if (value < -87) {
            if (!(s[lane] < 2e-38f)) report("sigmoid", value, s[lane], wanted);
        } else
            compare("sigmoid", value, s[lane], wanted, 4e-7, worst_sigmoid);
        if (std::fabs(value) < 1.2e-38f) {
            if (!(std::fabs(t[lane]) <= std::fabs(value))) report("tanh", value, t[lane], value);
        } else
            compare("tanh", value, t[lane], std::tanh((double)value), 3e-7, worst_tanh);
    }
}

template <typename Next>
static void check_all(Next next, size_t count) {
    float x[LANES];
    for (size_t n = 0; n < count; n += LANES) {
        for (float& value : x) value = next();
        check(x);
    }
}

int main() {
    uint32_t bits = 0;
    check_all(
        [&] {
            float x;
            bits += STRIDE;
            std::memcpy(&x, &bits, 4);
            return x;
        },
        UINT32_MAX / STRIDE);
    float x = -90;
    check_all([&] { return x += 0.00137f; }, 131072);
    const float ends[] = {INFINITY, -INFINITY, NAN,    0,      -0.0f, 3e38f, -3e38f,    1e-45f,
                          88.8f,    -88.8f,    -88.4f, -88.0f, 10,    -10,   9.999999f, 20};
    size_t end = 0;
    check_all([&] { return ends[end++ % 16]; }, 16);
    std::printf("%d wrong; sigmoid %.2g, tanh %.2g\n", wrong, worst_sigmoid, worst_tanh);
    return wrong != 0;
}
