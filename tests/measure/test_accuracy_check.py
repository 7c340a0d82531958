import shlex

import pytest

import lstmbench as lb
from lstmbench.core.tolerance import TOLERANCE
from lstmbench.measure import accuracy_check as module
from lstmbench.measure.accuracy_check import check_accuracy
from lstmbench.report import accuracy_table


@pytest.mark.slow
@pytest.mark.compile
def test_every_implementation_that_is_here_agrees_in_every_dtype():
    found = check_accuracy(seq_lens=[5], hidden_size=3, batch_size=2)
    here = lb.implementations().query("available")
    inference_only = set(here[here["modes"].map(lambda modes: "training" not in modes)]["name"])
    skipped = found[found["implementation"].isin(here["name"]) & (found["status"] == "skipped")]
    # Keras, in its second variant, cannot be had in a process that has the first
    assert {
        name for name in skipped["implementation"] if not name.startswith("keras.")
    } <= inference_only
    assert skipped["error"].str.len().min() > 0
    assert set(found["status"]) <= {"ok", "skipped"}
    assert set(found["dtype"]) == {"float64", "float32"}
    for row in found.query("status == 'ok'").itertuples():
        assert max(row.output_rel_error, row.grad_rel_error) <= TOLERANCE[row.dtype]


@pytest.fixture
def two(monkeypatch):
    monkeypatch.setattr(module, "names", lambda: ["numpy.reference", "numpy.fused"])


@pytest.mark.usefixtures("two")
def test_the_oracle_agrees_with_itself_exactly_and_float32_rounds():
    found = check_accuracy(seq_lens=[5], hidden_size=3).set_index(["implementation", "dtype"])
    assert found.loc[("numpy.reference", "float64"), "output_rel_error"] == 0
    assert found.loc[("numpy.reference", "float32"), "output_rel_error"] > 1e-9


@pytest.mark.usefixtures("two")
def test_what_computes_something_else_is_told_apart(monkeypatch):
    from lstmbench.variants.numpy_reference import NumpyReference

    right = NumpyReference.forward_backward

    def without_bias(self, *arrays):
        no_bias = type(self.weights.b)(*(0 * part for part in self.weights.b))
        self.weights = self.weights._replace(b=no_bias)
        return right(self, *arrays)

    monkeypatch.setattr(NumpyReference, "forward_backward", without_bias)
    found = check_accuracy(seq_lens=[5], hidden_size=3).set_index(["implementation", "dtype"])
    assert found.loc[("numpy.reference", "float32"), "status"] == "wrong_result"
    assert found.loc[("numpy.fused", "float32"), "status"] == "ok"


@pytest.mark.usefixtures("two")
def test_what_is_not_here_or_not_supported_is_skipped_with_its_reason(monkeypatch):
    right = module.implementation_row

    def implementation_row(name):
        if name == "numpy.fused":
            return right(name) | {
                "reason": "the package numpy is not installed",
                "available": False,
            }
        return right(name)

    monkeypatch.setattr(module, "implementation_row", implementation_row)
    found = check_accuracy(seq_lens=[2], hidden_size=2, dtypes=["bfloat16"]).set_index(
        "implementation"
    )
    assert tuple(found.loc["numpy.fused", ["status", "error"]]) == (
        "skipped",
        "numpy.fused is not available here: the package numpy is not installed",
    )
    assert found.loc["numpy.reference", "status"] == "skipped"
    assert "bfloat16" in found.loc["numpy.reference", "error"]


@pytest.mark.usefixtures("two")
def test_the_same_seed_gives_the_same_records():
    first, again, other = (
        check_accuracy(seq_lens=[4], hidden_size=2, seed=seed) for seed in (1, 1, 2)
    )
    columns = ["output_rel_error", "grad_rel_error"]
    assert first[columns].equals(again[columns])
    assert not first[columns].equals(other[columns])


def test_bad_sizes_are_refused():
    with pytest.raises(lb.LstmbenchError):
        check_accuracy(seq_lens=[100_000], hidden_size=2)


@pytest.mark.usefixtures("two")
def test_several_lengths_are_held_each_once():
    found = check_accuracy(seq_lens=[3, 5, 3], hidden_size=2)
    assert len(found) == 2 * 2 * 2
    assert set(found["seq_len"]) == {3, 5}


@pytest.mark.usefixtures("two")
def test_the_records_say_where_they_come_from():
    found = check_accuracy(seq_lens=[3], hidden_size=2)
    manifest = found.attrs["manifest"]
    assert set(found["run_id"]) == {manifest["run_id"]}
    assert manifest["packages"]["numpy"]
    assert manifest["machine"]["cores"]
    (line,) = (line for line in accuracy_table(found).footer if line.startswith("Made again by: "))
    assert "check_accuracy(seq_lens=(3,), hidden_size=2" in line
    call = shlex.split(line.removeprefix("Made again by: "))[2]
    compile(call, "the command beneath the table", "exec")


def test_what_has_not_the_device_is_skipped() -> None:
    found = check_accuracy(
        seq_lens=[2], hidden_size=2, dtypes=["float32"], device="cuda"
    ).set_index("implementation")
    assert (
        found.loc["numpy.fused", "error"] == "numpy.fused sees no device 'cuda' here; it sees cpu"
    )
    assert "device='cuda'" in found.attrs["manifest"]["command"]
