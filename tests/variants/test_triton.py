"""The Triton kernels compute the LSTM: without a GPU, in Triton's interpreter, in a process of its
own.
"""

from importlib.util import find_spec
from typing import Any

import pytest
from fresh import fresh

from lstmbench.core.tolerance import TOLERANCE

pytestmark = [
    pytest.mark.skipif(find_spec("torch") is None, reason="needs PyTorch"),
    pytest.mark.skipif(find_spec("triton") is None, reason="needs Triton"),
]

# T, B, I, H: one of each; neither the units nor the sequences fill a block; several blocks of
# sequences; a second half
SHAPES = [(1, 1, 1, 1), (3, 2, 5, 7), (4, 18, 3, 33), (2, 5, 9, 70), (3, 1, 2, 64)]
DTYPES = ("float32", "bfloat16", "float16")


def interpreted(calls: dict[str, str]) -> Any:
    """Evaluate expressions with the functions of ``interpreted.py``, all in one new process."""
    lines = "".join(f"out[{name!r}] = {call}\n" for name, call in calls.items())
    return fresh(f"from interpreted import *\nout = {{}}\n{lines}", TRITON_INTERPRET="1")


def too_wrong(found: dict[str, dict[str, float]]) -> list[str]:
    """Return what of the results, whose names end in their dtype, is beyond its tolerance."""
    return [
        f"{case} {name}: {error:.1e}"
        for case, errors in found.items()
        for name, error in errors.items()
        if not error <= TOLERANCE[case.rpartition(" ")[2]]
    ]


@pytest.mark.slow
@pytest.mark.parametrize("kernels", ["stepped", "whole", "too_large"])
def test_whole_sequences_agree_with_the_oracle_in_every_dtype(kernels: str) -> None:
    shapes = [*SHAPES, (40, 3, 4, 12)]
    cases = [(shape, "float32") for shape in shapes] + [(SHAPES[2], dtype) for dtype in DTYPES[1:]]
    found = interpreted(
        {f"{shape} {dtype}": f"{kernels}(*{shape}, dtype={dtype!r})" for shape, dtype in cases}
    )
    assert too_wrong(found) == []
    assert all(len(errors) == 9 for errors in found.values())  # three outputs, six gradients


def test_one_step_by_many_programs_agrees_with_the_oracle() -> None:
    shapes = [(1, 3, 40), (18, 5, 33), (3, 2, 130)]
    cases = [(shape, "float32") for shape in shapes] + [(shapes[0], dtype) for dtype in DTYPES[1:]]
    found = interpreted(
        {f"{shape} {dtype}": f"slices(*{shape}, dtype={dtype!r})" for shape, dtype in cases}
    )
    assert too_wrong(found) == []


def test_parts_of_the_kernels_are_accurate() -> None:
    products = {
        f"product {B} {H}": f"product({B}, {H})" for B, H in [(1, 16), (18, 40), (3, 70), (2, 200)]
    }
    found = interpreted({"digits": "digits()", "waited": "waited(5)", **products})
    assert max(found.pop("digits").values()) < 1e-6
    assert found.pop("waited") == 5
    assert max(found.values()) < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("z_f + p_f", "z_f"),
        ("dz -= 4 * B * H", "dz -= 0"),
        ("c_before -= B * H", "c_before -= 0"),
        ("h = h_next", "h = h"),
    ],
)
def test_a_wrong_kernel_fails_the_check(old: str, new: str) -> None:
    spoil = f"""
import importlib.util, pathlib, sys, tempfile
spec = importlib.util.find_spec('lstmbench.variants.kernels.triton_persistent')
text = pathlib.Path(spec.origin).read_text()
assert {old!r} in text
path = pathlib.Path(tempfile.mkdtemp()) / 'spoiled.py'
path.write_text(text.replace({old!r}, {new!r}))
spec = importlib.util.spec_from_file_location(spec.name, path)
sys.modules[spec.name] = importlib.util.module_from_spec(spec)
import lstmbench.variants
spec.loader.exec_module(sys.modules[spec.name])
lstmbench.variants.kernels.triton_persistent = sys.modules[spec.name]
from interpreted import *
out = whole(4, 2, 3, 5)
"""
    assert too_wrong({"spoiled float32": fresh(spoil, TRITON_INTERPRET="1")})


@pytest.mark.parametrize(
    ("H", "halves"),
    [(1, (64, 0)), (64, (64, 0)), (65, (64, 64)), (768, (512, 256)), (1000, (512, 512))],
)
def test_a_product_is_split_into_powers_of_two(H: int, halves: tuple[int, int]) -> None:
    from lstmbench.variants.kernels.triton_persistent import split

    assert split(H) == halves


def test_processors_and_shared_memory_decide_what_fits_on_a_chip() -> None:
    from lstmbench.variants.kernels.triton_persistent import Chip, rows_that_fit

    h100 = Chip(processors=132, shared_bytes=232448)
    assert rows_that_fit(16, 768, 2, 16, h100) == 16
    assert (
        rows_that_fit(128, 768, 2, 16, h100) == 64
    )  # 48 programs for the units, so 2 for the sequences
    assert rows_that_fit(16, 1024, 2, 16, h100) == 16
    assert rows_that_fit(16, 1536, 2, 16, h100) == 16
    assert rows_that_fit(16, 4096, 2, 16, h100) is None  # too many units for the processors
    assert rows_that_fit(256, 768, 2, 16, h100) == 128
    assert rows_that_fit(257, 768, 2, 16, h100) is None  # too many sequences
    assert rows_that_fit(16, 384, 8, 16, h100) == 16
    assert rows_that_fit(16, 512, 8, 16, h100) is None  # too many bytes for their memory
