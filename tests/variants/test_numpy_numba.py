"""``numpy.numba``: without Numba a row that says so, its gates to the last digits, its products at
every edge.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conformance import NotTheLSTM, check, draw
from fresh import fresh

import lstmbench as lb
from lstmbench.core import registry
from lstmbench.measure.suites.case import Workload


def test_without_numba_it_is_listed_with_that_reason() -> None:
    rows = fresh(
        "sys.modules['numba'] = None  # importing it raises ModuleNotFoundError\n"
        "from lstmbench.core import registry\n"
        "out = [registry.implementation_row(name) for name in ('numpy.numba', 'numpy.fused')]"
    )
    assert (rows[0]["available"], rows[0]["reason"]) == (
        False,
        "the package numba is not installed",
    )
    assert rows[1]["available"]


def test_nothing_else_imports_numba() -> None:
    code = (
        "import lstmbench as lb\n"
        "lb.load('numpy.fused', lb.LSTMParams.init(2, 3))\n"
        "out = 'numba' in sys.modules"
    )
    assert fresh(code) is False


@pytest.mark.parametrize(
    "broken",
    [
        # No folder is writable
        "from numba.core import caching\ncaching.CacheImpl._locator_classes = []\n",
        "os.environ.pop('HOME', None)\nimport pwd\npwd.getpwuid = lambda uid: {}[uid]\n",
    ],
    ids=["read-only", "no home"],
)
def test_without_a_cache_each_process_compiles_and_code_path_says_so(
    broken: str, tmp_path: Path
) -> None:
    pytest.importorskip("numba")
    found = fresh(
        f"os.chdir({str(tmp_path)!r})\n{broken}"
        "from lstmbench.core import registry\n"
        "row = registry.implementation_row('numpy.numba')\n"
        "out = [row['available'], sys.modules['lstmbench.variants.numpy_numba'].code_path()]"
    )
    assert found[0] is True
    assert found[1].endswith("; compiled by each process, for there is no folder to keep it in")
    assert list(tmp_path.iterdir()) == []  # not even one that is called ~


@pytest.fixture
def numba() -> Any:
    pytest.importorskip("numba")
    from lstmbench.variants import numpy_numba

    return numpy_numba


# Gates


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sigmoid_and_tanh_keep_all_digits_of_what_is_small(numba: Any, dtype: Any) -> None:
    sizes = np.geomspace(1e-30, 80, 300)
    for x in (dtype(value) for value in (*sizes, *-sizes, 0)):
        exact = np.longdouble(x)
        wanted = {numba._sigmoid: 1 / (1 + np.exp(-exact)), numba._tanh: np.tanh(exact)}
        for function, right in wanted.items():
            assert abs(function(x) - right) <= 4 * np.finfo(dtype).eps * abs(right), (function, x)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sigmoid_and_tanh_at_infinity_and_nan(numba: Any, dtype: Any) -> None:
    for x, sigmoid, tanh in (
        (np.inf, 1, 1),
        (-np.inf, 0, -1),
        (1e30, 1, 1),
        (-1e30, 0, -1),
        (np.nan, np.nan, np.nan),
    ):
        assert np.array_equal(
            [numba._sigmoid(dtype(x)), numba._tanh(dtype(x))], [sigmoid, tanh], equal_nan=True
        )


# Products


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("columns", [1, 31, 64, 65, 130])
def test_a_product_writes_its_rows_and_columns_and_nothing_else(
    numba: Any, columns: int, dtype: str
) -> None:
    random = np.random.default_rng(columns)
    for rows in range(1, 2 * numba.ROWS + 2):
        a, W = (random.integers(-9, 9, shape).astype(dtype) for shape in ((rows, 5), (5, columns)))
        memory = np.ones((rows + 2, columns), dtype)
        numba._add_product(memory[1:-1], a, numba._pack(W))
        assert np.array_equal(memory[1:-1], 1 + a @ W)
        assert (memory[[0, -1]] == 1).all()


def test_weights_packed_in_the_wrong_order_fail_the_check(
    numba: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = numba._pack
    monkeypatch.setattr(numba, "_pack", lambda W: right(W)[:, ::-1].copy())
    with pytest.raises(NotTheLSTM, match="y is wrong against the oracle"):
        check("numpy.numba", "float64", "cpu", draw(3, 2, 3, 4))


@pytest.mark.slow
@pytest.mark.parametrize("feature", ["avx512f", "avx", "neon", "none"])
def test_with_another_processor_s_registers_it_is_the_lstm_as_well(
    numba: Any, feature: str
) -> None:
    cache = (
        Path(os.environ["JAX_COMPILATION_CACHE_DIR"]).parent / f"numba-{feature}"
    )  # one for each: it freezes sizes
    code = (
        "from llvmlite import binding\n"
        "from llvmlite.binding.targets import FeatureMap\n"
        # A processor without AVX-512 could not run its instructions: LLVM splits the wide vectors
        "real = binding.get_host_cpu_features()\n"
        f"if {feature!r} == 'avx512f' and not real.get('avx512f'):\n"
        "    os.environ['NUMBA_CPU_FEATURES'] = real.flatten()\n"
        f"binding.get_host_cpu_features = lambda: FeatureMap({feature}=True)\n"
        "from conformance import check, draw\n"
        "from lstmbench.variants import numpy_numba\n"
        "check('numpy.numba', 'float32', 'cpu', draw(4, 9, 7, 33))\n"
        "out = numpy_numba.REGISTER_BYTES"
    )
    assert fresh(code, NUMBA_CACHE_DIR=str(cache)) == {"avx512f": 64, "avx": 32}.get(feature, 16)


# The rest


def test_it_starts_no_thread(numba: Any) -> None:
    code = (
        "import psutil\n"
        "from conformance import draw, results\n"
        "import lstmbench as lb\n"
        "problem = draw(20, 8, 64, 64)\n"
        "results(lb.load('numpy.numba', problem.params), problem)\n"
        "out = psutil.Process().num_threads()"
    )
    assert fresh(code, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1") == 1


@pytest.mark.parametrize(("mode", "beyond"), [("inference", 0.3), ("training", 0.1)])
def test_it_allocates_little_more_than_the_formula(numba: Any, mode: str, beyond: float) -> None:
    T, B, H = 1024, 4, 64
    lstm = lb.load("numpy.numba", lb.LSTMParams.init(H, H))
    shapes = [(T, B, H), (B, H), (B, H), *([(T, B, H), (B, H), (B, H)] * (mode == "training"))]
    arrays = [np.ones(shape, np.float32) for shape in shapes]
    native: Any = lstm.implementation
    call = native.forward_backward if mode == "training" else native.forward
    call(*arrays)
    formula = Workload(mode, B, T, H, H, dtype="float32").formula_bytes
    assert 0 <= lstm.framework.allocated_bytes(call, *arrays) / formula - 1 <= beyond


def test_it_is_one_of_ours(numba: Any) -> None:
    row = registry.implementation_row("numpy.numba")
    assert (row["available"], row["peer"], row["dtypes"]) == (True, False, ("float32", "float64"))
