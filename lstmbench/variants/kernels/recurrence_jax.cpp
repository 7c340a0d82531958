// The functions of recurrence.cpp as XLA calls them: JAX's arrays in, results in memory that XLA has set aside.
#include "recurrence.cpp"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;
using Array = ffi::Buffer<ffi::F32>;
using Result = ffi::ResultBuffer<ffi::F32>;
using Whole = ffi::Buffer<ffi::S32>;

// The lengths as the functions take them: none for an empty array
struct Lengths {
    std::vector<int64_t> numbers;
    explicit Lengths(Whole given) : numbers(given.typed_data(), given.typed_data() + given.element_count()) {}
    const int64_t* data() const { return numbers.empty() ? nullptr : numbers.data(); }
};

// W (4H, depth) -> blocks, for forward or for backward
static ffi::Error Pack(bool back, Array W, Result blocks) {
    const size_t depth = W.dimensions()[1], H = W.dimensions()[0] / 4;
    if (back) pack_backward(W.typed_data(), blocks->typed_data(), 4 * H, depth);
    else pack_forward(W.typed_data(), blocks->typed_data(), H, depth);
    return ffi::Error::Success();
}

// Packed W_ih and W_hh, b (4H,), x (T, B, I), h0, c0 (B, H), lengths (B,) or (0,) -> y (T, B, H), c and gates: of every step, or c of the last
// and room for the gates of some
static ffi::Error Forward(Array W_ih, Array W_hh, Array b, Array x, Array h0, Array c0, Whole whole, Result y, Result cs,
                          Result gates) {
    const size_t T = x.dimensions()[0], B = x.dimensions()[1], depth = x.dimensions()[2], H = h0.dimensions()[1];
    const size_t room = gates->dimensions()[0];
    const bool keep = cs->dimensions().size() == 3;
    const float *h = h0.typed_data(), *c = c0.typed_data();
    const Lengths lengths(whole);
    for (size_t t = 0; t < T; t += room) {
        const size_t steps = T - t < room ? T - t : room;
        float *out = y->typed_data() + t * B * H, *next = cs->typed_data();
        inputs(steps, B, depth, H, W_ih.typed_data(), x.typed_data() + t * B * depth, b.typed_data(), gates->typed_data(),
               lengths.data(), t);
        forward(steps, B, H, W_hh.typed_data(), h, c, gates->typed_data(), out, next, keep ? B * H : 0, lengths.data(), t);
        h = out + (steps - 1) * B * H, c = next;
    }
    return ffi::Error::Success();
}

// Packed W_hh, c0, c of every step, dy, gates, dh, dc, lengths -> dz, dh0, dc0
static ffi::Error Backward(Array W_hh, Array c0, Array cs, Array dy, Array gates, Array dh, Array dc, Whole whole, Result dz,
                           Result dh0, Result dc0) {
    const size_t T = dy.dimensions()[0], B = dy.dimensions()[1], H = dy.dimensions()[2];
    const auto take = [](Array from, Result to) {
        if (from.typed_data() != to->typed_data()) std::memcpy(to->typed_data(), from.typed_data(), from.size_bytes());
    };
    take(gates, dz), take(dh, dh0), take(dc, dc0);
    backward(T, B, H, W_hh.typed_data(), c0.typed_data(), cs.typed_data(), dy.typed_data(), dz->typed_data(),
             dh0->typed_data(), dc0->typed_data(), Lengths(whole).data());
    return ffi::Error::Success();
}

// Packed W_ih, x (T, B, I), h0, h and dz of every step -> dW_ih, dW_hh, db, dx
static ffi::Error Gradients(Array W_ih, Array x, Array h0, Array hs, Array dz, Result dW_ih, Result dW_hh, Result db, Result dx) {
    const size_t T = x.dimensions()[0], B = x.dimensions()[1], depth = x.dimensions()[2], H = h0.dimensions()[1];
    const float* later = dz.typed_data() + 4 * B * H;
    weights_back(T * B, H, depth, dz.typed_data(), x.typed_data(), dW_ih->typed_data(), db->typed_data(), false);
    weights_back(B, H, H, dz.typed_data(), h0.typed_data(), dW_hh->typed_data(), nullptr, false);
    weights_back((T - 1) * B, H, H, later, hs.typed_data(), dW_hh->typed_data(), nullptr, true);
    inputs_back(T * B, H, depth, W_ih.typed_data(), dz.typed_data(), dx->typed_data());
    return ffi::Error::Success();
}

XLA_FFI_DEFINE_HANDLER_SYMBOL(PackHandler, Pack, ffi::Ffi::Bind().Attr<bool>("back").Arg<Array>().Ret<Array>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(ForwardHandler, Forward,
                              ffi::Ffi::Bind().Arg<Array>().Arg<Array>().Arg<Array>().Arg<Array>().Arg<Array>().Arg<Array>()
                                  .Arg<Whole>().Ret<Array>().Ret<Array>().Ret<Array>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(BackwardHandler, Backward,
                              ffi::Ffi::Bind().Arg<Array>().Arg<Array>().Arg<Array>().Arg<Array>().Arg<Array>().Arg<Array>()
                                  .Arg<Array>().Arg<Whole>().Ret<Array>().Ret<Array>().Ret<Array>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(GradientsHandler, Gradients,
                              ffi::Ffi::Bind().Arg<Array>().Arg<Array>().Arg<Array>().Arg<Array>().Arg<Array>()
                                  .Ret<Array>().Ret<Array>().Ret<Array>().Ret<Array>());
