"""How near to the rate of a large matrix product do the compiled steps run? In GFLOP/s of computing time, best of some.

    python benchmarks/step_rates.py

One core, float32, by shapes (B, H): ``forward`` and ``backward`` are the steps with all their elementwise work, counted
as their matrix product with W_hh alone; ``inputs`` is the product of all inputs, ``weights`` that for the gradient of
the weights, with the sum for the bias; ``PyTorch`` the same as ``inputs`` by PyTorch's own, ``NumPy`` a large square
one by NumPy's.
"""

import time
from collections.abc import Callable

import numpy as np
import torch

from lstmbench.variants._recurrence import recurrence

SHAPES = [(1, 64), (1, 256), (16, 64), (16, 256), (32, 512), (64, 1024), (128, 128)]


def rate(work: float, call: Callable[[], object], times: int = 9) -> float:
    """Return GFLOP/s by the fastest of some calls, in time spent computing."""
    seconds = []
    for _ in range(times):
        start = time.process_time()
        call()
        seconds.append(time.process_time() - start)
    return work / min(seconds) / 1e9


def main() -> None:
    """Print one line for each shape."""
    torch.set_num_threads(1)
    steps = recurrence()
    if steps is None:
        raise SystemExit("There is no compiler here, and so there are no compiled steps.")
    head = ["B", "H", "forward", "backward", "inputs", "weights", "PyTorch", "NumPy"]
    print("| " + " | ".join(head) + " |\n|" + " --: |" * len(head))
    square = np.ones((1024, 1024), dtype=np.float32)
    largest = rate(2 * 1024**3, lambda: square @ square)
    for B, H in SHAPES:
        T = max(4, round(2e9 / (8 * B * H * H)))
        W, b = torch.randn(4 * H, H) / H**0.5, torch.zeros(4 * H)
        x, gates = torch.randn(T, B, H), torch.randn(T, B, 4 * H)
        dW = torch.empty(4 * H, H)
        h, c, dh, dc = (torch.zeros(B, H) for _ in range(4))
        y, cs = torch.empty(T, B, H), torch.empty(T, B, H)
        ahead, back = (torch.empty(steps.packed_size(H, H)) for _ in range(2))
        steps.pack_forward(W.data_ptr(), ahead.data_ptr(), H, H)
        steps.pack_backward(W.data_ptr(), back.data_ptr(), 4 * H, H)
        forward = [each.data_ptr() for each in (ahead, h, c, gates, y, cs)]
        backward = [each.data_ptr() for each in (back, c, cs, x, gates, dh, dc)]
        inputs = [each.data_ptr() for each in (ahead, x, b, gates)]
        weights = [each.data_ptr() for each in (gates, x, dW, b)]
        calls: list[Callable[[], object]] = [
            lambda T=T, B=B, H=H, arrays=forward: steps.forward(T, B, H, *arrays, B * H, None, 0),
            lambda T=T, B=B, H=H, arrays=backward: steps.backward(T, B, H, *arrays, None),
            lambda T=T, B=B, H=H, arrays=inputs: steps.inputs(T, B, H, H, *arrays, None, 0),
            lambda T=T, B=B, H=H, arrays=weights: steps.weights_back(T * B, H, H, *arrays, False),
            lambda x=x, W=W: x.flatten(0, 1) @ W.t(),
        ]
        work = 8.0 * T * B * H * H
        rates = [*(rate(work, call) for call in calls), largest]
        print(f"| {B} | {H} | " + " | ".join(f"{each:.0f}" for each in rates) + " |")


if __name__ == "__main__":
    main()
