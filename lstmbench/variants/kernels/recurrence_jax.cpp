// The functions of recurrence.cpp as XLA calls them, with JAX's arrays and memory from XLA.
#include "recurrence.cpp"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;
using Array = ffi::Buffer<ffi::F32>;
using Result = ffi::Result<Array>;
using Integers = ffi::Buffer<ffi::S32>;

// Lengths as the functions take them: null for an empty array
struct Lengths {
    std::vector<int64_t> numbers;
    explicit Lengths(Integers array)
        : numbers(array.typed_data(), array.typed_data() + array.element_count()) {}
    const int64_t* data() const { return numbers.empty() ? nullptr : numbers.data(); }
};

// W (4H, depth) -> blocks for the forward pass
static ffi::Error PackForward(Array W, Result blocks) {
    pack_forward(W.typed_data(), blocks->typed_data(), W.dimensions()[0] / 4, W.dimensions()[1]);
    return ffi::Error::Success();
}

// W (4H, depth) -> blocks for the backward pass
static ffi::Error PackBackward(Array W, Result blocks) {
    pack_backward(W.typed_data(), blocks->typed_data(), W.dimensions()[0], W.dimensions()[1]);
    return ffi::Error::Success();
}

// Packed W_ih and W_hh, b (4H,), x (T, B, I), h0, c0 (B, H), lengths (B,) or (0,) -> y (T, B, H),
// c and gates: those of every step, or the last c and a workspace for the gates of some steps
static ffi::Error Forward(Array W_ih, Array W_hh, Array b, Array x, Array h0, Array c0,
                          Integers lengths_or_none, Result y, Result cs, Result gates) {
    const size_t T = x.dimensions()[0], B = x.dimensions()[1], depth = x.dimensions()[2];
    const size_t H = h0.dimensions()[1], chunk = gates->dimensions()[0];
    const bool keep = cs->dimensions().size() == 3;
    const float *h = h0.typed_data(), *c = c0.typed_data();
    Lengths lengths(lengths_or_none);
    for (size_t t = 0; t < T; t += chunk) {
        const size_t steps = std::min(T - t, chunk);
        float *y_chunk = y->typed_data() + t * B * H, *c_next = cs->typed_data();
        inputs(steps, B, depth, H, W_ih.typed_data(), x.typed_data() + t * B * depth,
               b.typed_data(), gates->typed_data(), lengths.data());
        forward(steps, B, H, W_hh.typed_data(), h, c, gates->typed_data(), y_chunk, c_next,
                keep ? B * H : 0, lengths.data());
        for (int64_t& left : lengths.numbers) left -= (int64_t)steps;
        h = y_chunk + (steps - 1) * B * H, c = c_next;
    }
    return ffi::Error::Success();
}

// Packed W_hh, c0, c of every step, dy, gates, dh, dc, lengths -> dz, dh0, dc0
static ffi::Error Backward(Array W_hh, Array c0, Array cs, Array dy, Array gates, Array dh,
                           Array dc, Integers lengths, Result dz, Result dh0, Result dc0) {
    const auto copy = [](Array from, Result to) {  // unless XLA has given both the same memory
        if (from.typed_data() != to->typed_data())
            std::memcpy(to->typed_data(), from.typed_data(), from.size_bytes());
    };
    copy(gates, dz), copy(dh, dh0), copy(dc, dc0);
    backward(dy.dimensions()[0], dy.dimensions()[1], dy.dimensions()[2], W_hh.typed_data(),
             c0.typed_data(), cs.typed_data(), dy.typed_data(), dz->typed_data(), dh0->typed_data(),
             dc0->typed_data(), Lengths(lengths).data());
    return ffi::Error::Success();
}

// Packed W_ih, x (T, B, I), h0, h and dz of every step -> dW_ih, dW_hh, db, dx
static ffi::Error Gradients(Array W_ih, Array x, Array h0, Array hs, Array dz, Result dW_ih,
                            Result dW_hh, Result db, Result dx) {
    const size_t T = x.dimensions()[0], B = x.dimensions()[1], depth = x.dimensions()[2];
    const size_t H = h0.dimensions()[1];
    const float *dz_first = dz.typed_data(), *dz_rest = dz_first + 4 * B * H;
    float* to_W_hh = dW_hh->typed_data();
    weight_gradients(T * B, H, depth, dz_first, x.typed_data(), dW_ih->typed_data(),
                     db->typed_data(), false);
    weight_gradients(B, H, H, dz_first, h0.typed_data(), to_W_hh, nullptr, false);
    weight_gradients((T - 1) * B, H, H, dz_rest, hs.typed_data(), to_W_hh, nullptr, true);
    input_gradients(T * B, H, depth, W_ih.typed_data(), dz_first, dx->typed_data());
    return ffi::Error::Success();
}

XLA_FFI_DEFINE_HANDLER_SYMBOL(lstmbench_pack_forward, PackForward);
XLA_FFI_DEFINE_HANDLER_SYMBOL(lstmbench_pack_backward, PackBackward);
XLA_FFI_DEFINE_HANDLER_SYMBOL(lstmbench_forward, Forward);
XLA_FFI_DEFINE_HANDLER_SYMBOL(lstmbench_backward, Backward);
XLA_FFI_DEFINE_HANDLER_SYMBOL(lstmbench_gradients, Gradients);
