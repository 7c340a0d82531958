"""PyTorch's tensors: CPU and CUDA; work on CUDA is asynchronous until it is synchronised."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from lstmbench.core.interface import STORAGE_DTYPES, ArrayBackend


class TorchBackend(ArrayBackend):
    """PyTorch on ``cpu`` or ``cuda``, in float32, float64, bfloat16 or float16; on ``cuda`` in tf32
    too.

    ``scope`` keeps the modes of a session out (autocast, inference mode, no gradients, anomaly
    detection), and float32
    products float32: cuDNN rounds their factors to TF32's 10 bits unless told not to, and
    ``torch.set_float32_matmul_precision("medium")`` makes them bfloat16 on some CPUs. In tf32 it
    lets cuBLAS round too.
    """

    name: ClassVar[str] = "torch"
    dtypes: ClassVar[tuple[str, ...]] = ("float32", "float64", "bfloat16", "float16", "tf32")

    def __init__(self, device: str = "cpu", dtype: str = "float32") -> None:
        self.device, self.dtype, self.storage_dtype = (
            device,
            dtype,
            STORAGE_DTYPES.get(dtype, dtype),
        )

    @staticmethod
    def devices() -> tuple[str, ...]:
        return ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)

    @staticmethod
    def preload() -> None:
        import torch._dynamo
        import torch.fx.experimental.symbolic_shapes  # noqa: F401  # the first autograd.grad imports sympy through it

    @contextmanager
    def scope(self) -> Iterator[None]:
        with ExitStack() as settings:
            for setting in (
                torch.inference_mode(False),
                torch.enable_grad(),
                torch.autocast(self.device, enabled=False),
                torch.autograd.set_detect_anomaly(False),
                _tf32(self.dtype == "tf32") if self.device == "cuda" else _full_products(),
                np.errstate(all="ignore"),
            ):
                settings.enter_context(setting)
            if (
                torch.get_default_device().type != "cpu"
            ):  # else no context: this one slows down every operation
                settings.enter_context(torch.device(self.device))
            yield

    def from_numpy(self, array: NDArray[Any]) -> torch.Tensor:
        # By way of float64: torch knows neither NumPy's long double nor the other byte order
        plain = np.asarray(array, dtype=np.float64, order="C")
        return torch.tensor(plain, dtype=getattr(torch, self.storage_dtype), device=self.device)

    def to_numpy(self, native: torch.Tensor) -> NDArray[Any]:
        native = native.detach().cpu()
        return np.array(
            (native.float() if native.dtype in (torch.bfloat16, torch.float16) else native).numpy()
        )

    def synchronize(self, outputs: Any) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()

    def compile(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return function

    def to_int_array(self, numbers: NDArray[Any]) -> NDArray[Any]:
        return numbers.astype(
            np.int64
        )  # on the host: NumPy takes a fifth of torch's time for a few small arrays

    def to_device(self, array: NDArray[Any]) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)

    def zeros(self, shape: tuple[int, ...]) -> torch.Tensor:
        return torch.zeros(shape, dtype=getattr(torch, self.storage_dtype), device=self.device)

    def concatenate(self, arrays: Sequence[torch.Tensor], axis: int) -> torch.Tensor:
        return torch.cat(tuple(arrays), dim=axis)

    def flip(self, x: torch.Tensor) -> torch.Tensor:
        return x.flip(0)

    def as_training_input(self, array: torch.Tensor) -> torch.Tensor:
        return (
            array.clone() if array.is_inference() else array
        )  # autograd refuses what inference mode has made

    def where_valid(self, x: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
        # By its bits, all of them or none: eight times as fast as masked_fill where the mask is one
        # per row
        bits = {2: torch.int16, 4: torch.int32, 8: torch.int64}[x.element_size()]
        return torch.bitwise_and(x.view(bits), -inside.to(bits)[:, :, None]).view(x.dtype)

    def zero_padding(self, x: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
        return self.where_valid(x, inside)

    def take_rows(self, x: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        features = x.shape[2]
        return x.reshape(-1, features).index_select(0, rows.flatten()).view(*rows.shape, features)

    def add_rows(self, x: torch.Tensor, rows: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        B = x.shape[1]
        return x.index_put_((rows // B, rows % B), values, accumulate=True)

    def allocated_bytes(self, call: Callable[..., Any], *arguments: Any) -> int:
        """Peak of the allocator during the call: CUDA's own statistics, or the profiler's memory
        events on the CPU.
        """
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
        for event in (
            profile.profiler.kineto_results.events()
        ):  # the public summaries do not keep the order in time
            if event.name() == "[memory]":
                live += event.nbytes()
                peak = max(peak, live)
        return peak

    def device_profile(self, call: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
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
        times = {each.key: float(each.self_device_time_total) for each in profile.key_averages()}
        return {"device_time_s": begin.elapsed_time(end) / 1e3, "kernels": _longest(times)}


def _longest(times: Mapping[str, float], count: int = 3) -> str:
    """Return the names that have the longest times, without what stands in brackets, and their
    shares of all.
    """
    whole = sum(times.values()) or 1.0
    shares: dict[str, float] = {}
    for name, spent in times.items():
        short = name.removeprefix("void ").partition("<")[0].partition("(")[0].strip()
        shares[short] = shares.get(short, 0.0) + spent / whole
    longest = sorted(shares.items(), key=lambda pair: -pair[1])[:count]
    return ", ".join(f"{name} {share:.0%}" for name, share in longest if share > 0)


@contextmanager
def _tf32(allowed: bool) -> Iterator[None]:
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
def _full_products() -> Iterator[None]:
    """Have the CPU multiply float32 as float32."""
    before = torch.get_float32_matmul_precision()
    if before == "highest":
        yield
        return
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
