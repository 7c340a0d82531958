"""``torch.spy``: ``torch.nn`` that leaves a note of its process. A module of its own, as it imports
torch.
"""

from typing import Any

from mutants import spy

from lstmbench.core.registry import register
from lstmbench.variants.torch_nn import TorchNN


@register("torch.spy", framework="torch", modes=("inference",))
class TorchSpy:
    def __init__(self, params: Any, framework: Any) -> None:
        self.inner = TorchNN(params, framework)

    def forward(self, x: Any, h0: Any, c0: Any) -> Any:
        outputs = self.inner.forward(x, h0, c0)
        spy("torch.spy")
        return outputs
