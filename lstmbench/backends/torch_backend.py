"""PyTorch's tensors: CPU and CUDA; work on CUDA is asynchronous until it is synchronised."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from lstmbench.core.array_checks import Array
from lstmbench.core.interface import ArrayBackend, NativeFunction


class TorchBackend(ArrayBackend):
    """PyTorch on ``cpu`` or ``cuda``, in float32, float64, bfloat16, float16; on ``cuda`` in tf32.

    ``scope`` disables a session's modes (autocast, inference mode, no gradients, anomaly detection)
    and keeps float32 products in float32: by default cuDNN rounds their factors to TF32's 10 bits,
    and ``torch.set_float32_matmul_precision("medium")`` makes them bfloat16 on some CPUs. In tf32,
    cuBLAS may round too.
    """

    name: ClassVar[str] = "torch"
    dtypes: ClassVar[tuple[str, ...]] = ("float32", "float64", "bfloat16", "float16", "tf32")

    @staticmethod
    def devices() -> tuple[str, ...]:
        return ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)

    @staticmethod
    def preload() -> None:
        # The first torch.autograd.grad imports sympy through these
        import torch._dynamo
        import torch.fx.experimental.symbolic_shapes  # noqa: F401

    @contextmanager
    def scope(self) -> Iterator[None]:
        with ExitStack() as settings:
            for setting in (
                torch.inference_mode(False),
                torch.enable_grad(),
                torch.autocast(self.device, enabled=False),
                torch.autograd.set_detect_anomaly(False),
                _tf32_products(self.dtype == "tf32")
                if self.device == "cuda"
                else _float32_products(),
                np.errstate(all="ignore"),
            ):
                settings.enter_context(setting)
            if torch.get_default_device().type != "cpu":  # this context slows every operation
                settings.enter_context(torch.device(self.device))
            yield

    def from_numpy(self, array: Array) -> Tensor:
        # By way of float64: torch lacks NumPy's long double and the other byte order
        wide = np.asarray(array, dtype=np.float64, order="C")
        return torch.tensor(wide, dtype=getattr(torch, self.storage_dtype), device=self.device)

    def to_numpy(self, native: Tensor) -> Array:
        native = native.detach().cpu()
        if native.dtype in (torch.bfloat16, torch.float16):
            native = native.float()
        return np.array(native.numpy())

    def synchronize(self, outputs: Any) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()

    def compile(self, function: NativeFunction) -> NativeFunction:
        return function

    def to_device(self, array: Array) -> Tensor:
        # Computed by NumPy: it takes a fifth of torch's time for a few small arrays
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)

    def zeros(self, shape: tuple[int, ...]) -> Tensor:
        return torch.zeros(shape, dtype=getattr(torch, self.storage_dtype), device=self.device)

    def concatenate(self, arrays: Sequence[Tensor], axis: int) -> Tensor:
        return torch.cat(tuple(arrays), dim=axis)

    def flip(self, x: Tensor) -> Tensor:
        return x.flip(0)

    def as_training_input(self, array: Tensor) -> Tensor:
        return array.clone() if array.is_inference() else array  # autograd refuses the former

    def where_valid(self, x: Tensor, valid: Tensor) -> Tensor:
        # All bits or none: eight times as fast as masked_fill, where the mask has one entry per row
        bits = {2: torch.int16, 4: torch.int32, 8: torch.int64}[x.element_size()]
        return torch.bitwise_and(x.view(bits), -valid.to(bits)[:, :, None]).view(x.dtype)

    def take_rows(self, x: Tensor, rows: Tensor) -> Tensor:
        features = x.shape[2]
        return x.reshape(-1, features).index_select(0, rows.flatten()).view(*rows.shape, features)

    def add_rows(self, x: Tensor, rows: Tensor, values: Tensor) -> Tensor:
        B = x.shape[1]
        return x.index_put_((rows // B, rows % B), values, accumulate=True)

    def allocated_bytes(self, call: NativeFunction, *arguments: Any) -> int:
        """Return the allocator's peak: from CUDA's statistics, or the CPU profiler's events."""
        if self.device == "cuda":
            torch.cuda.synchronize()
            before = torch.cuda.memory_allocated()
            torch.cuda.reset_peak_memory_stats()
            outputs = call(*arguments)
            torch.cuda.synchronize()
            del outputs
            return int(torch.cuda.max_memory_allocated() - before)
        with torch.profiler.profile(
            activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
        ) as profile:
            outputs = call(*arguments)
        del outputs
        live = peak = 0
        # The public summaries do not keep the order in time
        for event in profile.profiler.kineto_results.events():
            if event.name() == "[memory]":
                live += event.nbytes()
                peak = max(peak, live)
        return peak

    def device_profile(self, call: NativeFunction, *arguments: Any) -> dict[str, Any]:
        if self.device != "cuda":
            return {}
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        outputs = call(*arguments)
        end.record()
        end.synchronize()
        del outputs
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
            outputs = call(*arguments)
            torch.cuda.synchronize()
        del outputs
        times = {row.key: float(row.self_device_time_total) for row in profile.key_averages()}
        return {"device_time_s": begin.elapsed_time(end) / 1e3, "kernels": _longest_kernels(times)}


def _longest_kernels(times: Mapping[str, float], count: int = 3) -> str:
    """Return the names with the longest times, without brackets, and their shares of the total."""
    total = sum(times.values()) or 1.0
    shares: dict[str, float] = defaultdict(float)
    for name, seconds in times.items():
        shares[re.split(r"[<(]", name.removeprefix("void "))[0].strip()] += seconds / total
    longest = sorted(shares, key=lambda name: -shares[name])[:count]
    return ", ".join(f"{name} {shares[name]:.0%}" for name in longest if shares[name] > 0)


@contextmanager
def _tf32_products(allowed: bool) -> Iterator[None]:
    """Let CUDA round the factors of float32 products to TF32, or forbid it."""
    backends = (torch.backends.cudnn, torch.backends.cuda.matmul)
    before = [backend.allow_tf32 for backend in backends]
    try:
        for backend in backends:
            backend.allow_tf32 = allowed
        yield
    finally:
        for backend, setting in zip(backends, before, strict=True):
            backend.allow_tf32 = setting


@contextmanager
def _float32_products() -> Iterator[None]:
    """Let the CPU multiply float32 as float32."""
    before = torch.get_float32_matmul_precision()
    if before != "highest":
        torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        if before != "highest":
            torch.set_float32_matmul_precision(before)
