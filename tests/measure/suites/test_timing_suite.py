"""Suites are data: those of the package say what they do; what is no suite is refused in one
sentence.
"""

import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from conformance import CORE_NAMES
from hypothesis import given
from hypothesis import strategies as st
from tiny import content, write_suite

from examples import examples
from lstmbench.core import registry
from lstmbench.errors import LstmbenchError
from lstmbench.measure import inputs
from lstmbench.measure.suites import yaml_file
from lstmbench.measure.suites.suite_file import MAX_CASES, read_suite, suites
from lstmbench.measure.suites.timing_suite import TimingSuite
from lstmbench.measure.suites.training_suite import TrainingSuite


def refused(path: Path) -> str:
    """The one sentence with which a suite is refused."""
    with pytest.raises(LstmbenchError) as caught:
        read_suite(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


@pytest.fixture
def reading(tmp_path: Path) -> Any:
    """Write a suite, as text, as bytes or as what YAML makes of it; return the sentence with which
    it is refused.
    """

    def read(suite: Any) -> str:
        path = tmp_path / "mine.yaml"
        text = suite if isinstance(suite, str | bytes) else yaml.safe_dump(suite)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return refused(path)

    return read


# Those of the package


@pytest.mark.parametrize("name", suites())
def test_every_suite_of_the_package_is_valid_and_counts_its_cases(name: str) -> None:
    suite = read_suite(name)
    assert suite.name == name
    assert suite.description.endswith(".")
    cases = [case for workload in suite.workloads() for case in suite.cases(workload)]
    assert suite.count() == len(cases) == len(set(cases))
    if isinstance(suite, TrainingSuite):
        assert sum(case.implementation == "baseline" for case in cases) == len(suite.tasks)
    else:
        assert len(cases) == len(suite.workloads()) * len(suite.names())
        assert suite.reference in suite.names()


def test_the_suites_are_those_that_are_described() -> None:
    on_gpus = {"gpu", "deepbench", "flashrnn"}
    measured = {"smoke", "quick", "standard", "duel", "frontier", "long", "ours", "peers"} | on_gpus
    assert set(suites()) == measured | {"learning", "learning_full", "learning_lags"}


def test_quick_has_all_implementations_both_modes_two_sizes_and_a_real_series() -> None:
    suite = read_suite("quick")
    workloads = suite.workloads()
    assert set(suite.names()) >= set(CORE_NAMES)
    assert {workload.mode for workload in workloads} == {"inference", "training"}
    random = [workload for workload in workloads if workload.input == "random"]
    assert len({workload.hidden_size for workload in random}) == 2
    assert {workload.input for workload in workloads} == {"random", "temperatures"}
    assert min(w.seq_len for w in workloads) == 16
    assert max(w.seq_len for w in workloads) == 1024
    assert {workload.threads for workload in workloads} == {1}


def test_deepbench_has_the_published_rows() -> None:
    rows = {
        (w.mode, w.hidden_size, w.batch_size, w.seq_len)
        for w in read_suite("deepbench").workloads()
    }
    training = {(512, 25), (1024, 25), (2048, 25), (4096, 25), (1536, 50), (256, 150)}
    inference = {(512, 25), (1024, 25), (2048, 25), (1536, 50), (256, 150)}
    assert {(H, T) for mode, H, _, T in rows if mode == "training"} == training
    assert {(H, T) for mode, H, _, T in rows if mode == "inference"} == inference
    assert {B for mode, _, B, _ in rows if mode == "inference"} == {1, 2, 4}


# What they mean


def test_a_single_value_stands_for_a_list_of_one_and_the_sequence_length_runs_fastest(
    tmp_path: Path,
) -> None:
    path = tmp_path / "mine.yaml"
    grid = {
        "seq_len": [3, 4],
        "batch_size": 2,
        "hidden_size": [5, 6],
        "input_size": ["hidden_size", 1],
    }
    path.write_text(yaml.safe_dump(content("numpy.fused", grid)))
    suite = read_suite(path)
    assert suite.name == "mine"
    sizes = [(w.hidden_size, w.input_size, w.seq_len) for w in suite.workloads()]
    expected = [
        (5, 5, 3),
        (5, 5, 4),
        (5, 1, 3),
        (5, 1, 4),
        (6, 6, 3),
        (6, 6, 4),
        (6, 1, 3),
        (6, 1, 4),
    ]
    assert sizes == expected


def test_a_workload_that_two_grids_have_is_measured_once(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        yaml.safe_dump(
            content(["numpy.fused", "numpy.fused"], [{"seq_len": [3, 4]}, {"seq_len": [4, 3]}])
        )
    )
    assert [workload.seq_len for workload in read_suite(path).workloads()] == [3, 4]
    assert read_suite(path).names() == ["numpy.fused"]


def test_a_file_is_read_by_its_path_as_text_or_as_a_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(content("numpy.fused")))
    assert read_suite(path) == read_suite(str(path))


# What is refused

BAD_GRIDS: list[tuple[dict[str, Any], str, str]] = [
    ({"seq_len": 0}, "seq_len", "greater than or equal to 1"),
    ({"seq_len": -3}, "seq_len", "greater than or equal to 1"),
    ({"seq_len": "3"}, "seq_len", "valid integer"),
    ({"seq_len": 3.0}, "seq_len", "valid integer"),
    ({"seq_len": True}, "seq_len", "valid integer"),
    ({"seq_len": None}, "seq_len", "valid integer"),
    ({"seq_len": [16, "x"]}, "seq_len.1", "valid integer"),
    ({"seq_len": {"from": 1}}, "seq_len", "valid integer"),
    ({"seq_len": []}, "seq_len", "it is empty"),
    ({"seq_len": 10**9}, "seq_len", "less than or equal to 10000000"),
    ({"batch_size": 0}, "batch_size", "greater than or equal to 1"),
    ({"hidden_size": [0]}, "hidden_size.0", "greater than or equal to 1"),
    ({"input_size": "hidden"}, "input_size", "valid integer"),
    ({"mode": "infer"}, "mode", "'inference' or 'training'"),
    ({"mode": []}, "mode", "it is empty"),
    ({"dtype": "float8"}, "dtype", "'float32', 'float64', 'bfloat16', 'float16' or 'tf32'"),
    ({"dtype": []}, "dtype", "it is empty"),
    ({"device": "gpu"}, "device", "'cpu' or 'cuda'"),
    ({"device": []}, "device", "it is empty"),
    ({"threads": 0}, "threads", "greater than or equal to 1"),
    ({"threads": []}, "threads", "it is empty"),
    ({"input": "prices"}, "input", "'random' or 'temperatures'"),
    ({"seqlen": 3}, "seqlen", "there is no such key; the keys here are seq_len, batch_size"),
    ({"int": 3}, "int", "there is no such key"),
    ({"input": "temperatures"}, "input_size", "it must be 1"),
    (
        {"input": "temperatures", "input_size": 1, "seq_len": [16, 8760]},
        "seq_len",
        "has only 8,759 steps",
    ),
]


@pytest.mark.parametrize(("grid", "key", "expected"), BAD_GRIDS)
def test_a_bad_grid_is_refused_with_its_line_its_key_and_what_is_expected(
    reading: Any, grid: Any, key: str, expected: str
) -> None:
    message = reading(content("numpy.fused", [{}, grid]))
    assert f"key 'grids.1.{key}" in message
    assert expected in message
    assert ", line " in message


@pytest.mark.parametrize(
    ("top", "key", "expected"),
    [
        (
            {"implementation": "all"},
            "implementation",
            "there is no such key; the keys here are description, implem",
        ),
        ({"name": "other"}, "name", "the name of a suite is that of its file"),
        ({"description": 5}, "description", "valid string"),
        ({"grids": []}, "grids", "it is empty"),
        ({"grids": None}, "grids", "valid list"),
        ({"grids": {"seq_len": 1}}, "grids", "valid list"),
        ({"grids": [7]}, "grids.0", "expected a mapping"),
        ({"implementations": []}, "implementations", "it is empty"),
        ({"implementations": [1]}, "implementations.0", "valid string"),
        (
            {"implementations": ["torch.m"]},
            "implementations.0",
            "There is no implementation 'torch.m'; the known ones",
        ),
        ({"implementations": ["torch.m"]}, "implementations.0", "Did you mean 'torch.nn'?"),
        ({"reference": "jax.scam"}, "reference", "Did you mean 'jax.scan'?"),
        ({"reference": "torch.nn"}, "reference", "must be one of the implementations, numpy.fused"),
        ({"reference": None}, "reference", "valid string"),
        (
            {"budget": {"round": 5}},
            "budget.round",
            "there is no such key; the keys here are processes, min_rounds",
        ),
        ({"budget": {"turn_s": 0}}, "budget.turn_s", "greater than 0"),
        ({"budget": {"turn_s": True}}, "budget.turn_s", "expected a number, got a boolean"),
        (
            {"budget": {"seconds_per_case": float("nan")}},
            "budget.seconds_per_case",
            "greater than 0",
        ),
        (
            {"budget": {"seconds_per_case": float("inf")}},
            "budget.seconds_per_case",
            "less than or equal to 3600",
        ),
        ({"budget": {"processes": 2.5}}, "budget.processes", "valid integer"),
        ({"budget": {"precision": 1}}, "budget.precision", "less than 1"),
        ({"budget": None}, "budget", "expected a mapping"),
        ({3: 4}, "3", "keys should be strings"),
    ],
)
def test_a_bad_key_is_refused_with_its_line_and_what_is_expected(
    reading: Any, top: Any, key: str, expected: str
) -> None:
    message = reading(content("numpy.fused") | {"implementations": ["numpy.fused"]} | top)
    assert f"key '{key}'" in message
    assert expected in message
    assert ", line " in message


@pytest.mark.parametrize("key", ["seq_len", "batch_size", "hidden_size"])
def test_a_size_that_is_missing_is_named(reading: Any, key: str) -> None:
    suite = content("numpy.fused")
    del suite["grids"][0][key]
    assert f"key 'grids.0.{key}': it is missing" in reading(suite)


def test_grids_that_are_missing_are_named(reading: Any) -> None:
    assert "key 'grids': it is missing" in reading({"description": "nothing to do"})


def test_the_line_is_that_of_the_value(reading: Any) -> None:
    text = "implementations: [numpy.fused]\nreference: numpy.fused\n\n"
    text += "grids:\n  - seq_len: 3\n    batch_size:\n"
    text += "      - 1\n      - 0\n    hidden_size: 3\n"
    assert ", line 8, key 'grids.0.batch_size.1'" in reading(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("grids: [\n", "line 2 is not valid YAML: "),
        ("a: b: c\n", "line 1 is not valid YAML: mapping values are not allowed here"),
        (
            "grids: 1\nreference: 2\ngrids: 3\n",
            "line 3 is not valid YAML: the key 'grids' is there twice",
        ),
        (
            "a: &a {b: 1}\nc:\n  <<: *a\n",
            "line 3 is not valid YAML: the key '<<' is not supported",
        ),
        (
            "grids: !!python/object/apply:os.system ['true']\n",
            "line 1 is not valid YAML: could not determine",
        ),
        ("when: 2026-99-99\n", "is not valid YAML"),
        ("? [a, b]\n: c\n", "found unhashable key"),
        ("\x01", "special characters are not allowed"),
        ("[" * 100_000, "is not valid YAML"),
        ("a: 1\n---\nb: 2\n", "line 2 is not valid YAML: but found another document"),
        ("", "is not a mapping"),
        ("- a\n- b\n", "is not a mapping"),
        ("just words", "is not a mapping"),
        (b"\xff\xfe\x00", "cannot be read: 'utf-8' codec"),
        ("n: " + "9" * 5000, "is not valid YAML"),
    ],
)
def test_what_is_not_yaml_or_no_mapping_is_refused(reading: Any, text: Any, expected: str) -> None:
    assert expected in reading(text)


def test_a_python_tag_runs_nothing(reading: Any, tmp_path: Path) -> None:
    trace = tmp_path / "was here"
    reading(
        "grids: !!python/object/apply:pathlib.Path.touch "
        f"[!!python/object/apply:pathlib.Path ['{trace}']]\n"
    )
    assert not trace.exists()


def test_a_small_file_that_means_a_huge_one_is_refused_before_it_unfolds(reading: Any) -> None:
    levels = [
        f"a{k}: &a{k} {{<<: [{', '.join([f'*a{k - 1}'] * 10)}]}}" for k in range(1, 12)
    ]  # 10^11 pairs
    assert "the key '<<' is not supported" in reading("\n".join(["a0: &a0 {b: 1}", *levels]))
    levels = [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 10)}]" for k in range(1, 12)]
    assert f"more than {yaml_file.MAX_PARTS:,} parts" in reading(
        "\n".join(["a0: &a0 [1]", *levels, "grids: *a11"])
    )
    assert f"more than {yaml_file.MAX_PARTS:,} parts" in reading("grids: &a [*a]")
    grid = "  - {seq_len: *many, batch_size: *many, hidden_size: 1}\n"
    assert f"more than {yaml_file.MAX_PARTS:,} parts" in reading(
        f"many: &many {[1] * 1000}\ngrids:\n{grid * 1000}"
    )


def test_a_huge_file_is_refused_unread(reading: Any) -> None:
    assert f"larger than {yaml_file.MAX_FILE_BYTES:,} bytes" in reading(
        "# " + "x" * yaml_file.MAX_FILE_BYTES
    )


def test_a_thousand_million_cases_are_counted_and_refused_without_being_made(
    reading: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        TimingSuite, "workloads", lambda self: pytest.fail("the workloads were made")
    )
    numbers = list(range(1, 1001))
    suite = content(
        "numpy.fused", {"seq_len": numbers, "batch_size": numbers, "hidden_size": numbers}
    )
    assert f"has 1,000,000,000 cases; at most {MAX_CASES:,} are allowed" in reading(suite)


def test_neither_a_name_nor_a_file_is_refused_with_the_known_names(tmp_path: Path) -> None:
    for suite in ("smok", tmp_path, tmp_path / "none.yaml", "a\0b", "x" * 5000, ""):
        with pytest.raises(
            LstmbenchError,
            match=r"neither one of deepbench, duel, flashrnn, .*, smoke, standard, nor a YAML file",
        ):
            read_suite(suite)


def test_the_bound_on_the_series_is_its_length() -> None:
    assert len(inputs.temperatures()) == inputs.HOURS


def test_a_plug_in_takes_part_where_all_are_requested(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(registry._registered, "mine.fast", None)  # type: ignore[arg-type]  # the name is enough
    assert "mine.fast" in read_suite(write_suite(tmp_path / "all.yaml", "all")).names()
    assert "mine.fast" not in read_suite("smoke").names()


# Whatever else there may be

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 40),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.dates(),
    st.sampled_from(
        ["all", "numpy.fused", "torch.nn", "hidden_size", "inference", "cpu", "temperatures"]
    ),
)
KEYS = st.one_of(
    st.sampled_from(
        [
            *TimingSuite.model_fields,
            "seq_len",
            "batch_size",
            "hidden_size",
            "input_size",
            "mode",
            "turn_s",
        ]
    ),
    st.text(max_size=4),
    st.integers(),
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=20,
)


@examples(300)
@given(
    suite=st.dictionaries(KEYS, ANYTHING, max_size=4)
    | st.builds(
        lambda grids, more: content("numpy.fused") | {"grids": grids} | more,
        st.lists(st.dictionaries(KEYS, ANYTHING, max_size=5), max_size=3),
        st.dictionaries(KEYS, ANYTHING, max_size=3),
    )
)
def test_whatever_a_mapping_holds_it_is_a_suite_or_refused_in_a_sentence(
    suite: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed.yaml"
    path.write_text(yaml.safe_dump(suite), encoding="utf-8")
    try:
        found = read_suite(path)
    except LstmbenchError:
        refused(path)
    else:
        assert 0 < found.count() <= MAX_CASES
        assert math.isfinite(found.budget.seconds_per_case)


@examples(300)
@given(
    text=st.text(st.sampled_from(" \n\t-:[]{}&*!<>|'\"#%@,?~abg0\x85"), max_size=40)
    | st.binary(max_size=40)
)
def test_whatever_a_file_holds_it_is_refused_in_a_sentence(
    text: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "noise.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    refused(path)
