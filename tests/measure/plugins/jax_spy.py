"""``jax.spy``: ``jax.scan`` that leaves a note of its process. A module of its own, as it imports
jax.
"""

from typing import Any

from mutants import spy

from lstmbench.core.registry import register
from lstmbench.variants.jax_scan import JaxScan


@register("jax.spy", framework="jax", modes=("inference",))
class JaxSpy:
    def __init__(self, params: Any, framework: Any) -> None:
        self.inner = JaxScan(params, framework)

    def forward(self, x: Any, h0: Any, c0: Any) -> Any:
        outputs = self.inner.forward(x, h0, c0)
        spy("jax.spy")
        return outputs
