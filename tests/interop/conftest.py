import os
import sys
from typing import Any

import pytest


@pytest.fixture
def keras() -> Any:
    """Keras on whichever backend this process has it; on PyTorch, if it was not imported before."""
    if "keras" in sys.modules:
        return sys.modules["keras"]
    pytest.importorskip("torch")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "KERAS_BACKEND", "torch")
        return pytest.importorskip("keras")
