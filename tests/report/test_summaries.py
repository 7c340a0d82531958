import math

import pytest

from lstmbench.report import summaries
from lstmbench.results.schema import frame


def records(*rows):
    same = {
        "device": "cpu",
        "dtype": "float32",
        "threads": 1,
        "input": "random",
        "batch_size": 1,
        "num_layers": 1,
    }
    same |= {
        "input_size": 4,
        "hidden_size": 4,
        "seq_len": 16,
        "mode": "inference",
        "status": "ok",
        "run_id": "r",
    }
    return frame([same | row for row in rows])


def timed(name, low, median, high, **more):
    times = {"time_low_s": low, "time_median_s": median, "time_high_s": high}
    return (
        {"implementation": name, "ratio_to": "torch.nn", "ratio": median, "converged": True}
        | times
        | more
    )


def test_an_answer_is_shown_as_prose_in_a_notebook():
    answer = summaries.accuracy(records({"implementation": "a.b", "output_rel_error": 1e-7}))
    assert answer._repr_markdown_() == str(answer)


def test_accuracy_names_the_worst_and_the_tolerance():
    answer = summaries.accuracy(
        records(
            {"implementation": "a.b", "output_rel_error": 1.234e-7},
            {"implementation": "a.c", "output_rel_error": 3e-7, "seq_len": 64},
            {
                "implementation": "a.c",
                "output_rel_error": 1e-7,
                "grad_rel_error": 4e-7,
                "mode": "training",
            },
        )
    )
    assert "3 computed the LSTM within the tolerance (2 implementations), and 0 did not." in answer
    assert (
        "In float32 the largest relative error was 3.0e-07 in the outputs (a.c, T = 64)" in answer
    )
    assert "and 4.0e-07 in the gradients (a.c, T = 16), where 1e-05 is allowed." in answer


def test_accuracy_names_what_is_wrong_and_keeps_it_out_of_the_largest_error():
    answer = summaries.accuracy(
        records(
            {"implementation": "a.b", "output_rel_error": 1e-7},
            {"implementation": "mine.my_fast", "output_rel_error": 0.5, "status": "wrong_result"},
            {"implementation": "a.d", "status": "skipped"},
        )
    )
    assert "1 did not (mine.my\\_fast)." in answer
    assert "1.0e-07 in the outputs (a.b" in answer
    assert "Without a number: 1 skipped." in answer


def test_the_fastest_is_named_only_where_no_interval_overlaps():
    answer = summaries.speed(
        records(
            timed("a.b", 0.9, 1.0, 1.1),
            timed("torch.nn", 2.0, 2.1, 2.2),
            timed("a.b", 0.9, 1.0, 1.1, seq_len=64),
            timed("torch.nn", 1.05, 1.2, 1.3, seq_len=64),
        )
    )
    assert (
        "of 2 workloads, the fastest was a.b in 1; "
        "in 1 the interval of the fastest overlaps another." in answer
    )


def test_an_interval_of_a_slower_row_that_reaches_below_the_fastest_leaves_it_open():
    answer = summaries.speed(
        records(
            timed("a.b", 0.9, 1.0, 1.1),
            timed("a.c", 1.2, 1.3, 1.4),
            timed("torch.nn", 0.5, 2.0, 4.0),
        )
    )
    assert "of 1 workload, the fastest was none for certain; in 1" in answer


def test_ratios_are_averaged_geometrically_without_the_base():
    rows = [timed("a.b", 1, 1, 1, ratio=0.5), timed("a.b", 1, 1, 1, ratio=8.0, seq_len=64)]
    answer = summaries.speed(records(*rows, timed("torch.nn", 1, 1, 1, ratio=1.0)))
    assert f"geometric mean over 2 workloads: a.b {math.sqrt(0.5 * 8):.2f}." in answer


def test_means_are_over_the_workloads_that_all_have():
    rows = [
        timed(name, 1, 1, 1, ratio=ratio, seq_len=T)
        for name, ratio, T in (("a.b", 2, 8), ("a.b", 9, 64), ("a.c", 3, 8))
    ]
    answer = summaries.speed(records(*rows))
    assert (
        "geometric mean over the 1 of 2 workloads that all of them have: a.b 2.00, a.c 3.00."
        in answer
    )


def test_modes_are_answered_apart(quick):
    answer = summaries.speed(quick)
    assert answer.index("In inference, of 12 workloads") < answer.index(
        "In training, of 12 workloads"
    )


def test_ratios_that_did_not_converge_are_counted_without_the_base():
    rows = [
        timed("a.b", 1, 1, 1, converged=False),
        timed("a.c", 1, 1, 1),
        timed("torch.nn", 1, 1, 1),
    ]
    assert "1 of 2 ratios had not converged" in summaries.speed(records(*rows))
    assert "converged" not in summaries.speed(records(*rows[1:]))


def test_memory_compares_growth_with_the_formula(quick):
    answer = summaries.memory(quick)
    assert (
        "In inference, bytes that each further time step takes, as a multiple of the formula's: "
        in answer
    )
    assert "numpy.fused 1.3" in answer
    assert "torch.nn 1.9" in answer


def test_one_length_alone_tells_no_growth(quick):
    assert "growth cannot be computed" in summaries.memory(quick[quick["seq_len"] == 16])


@pytest.mark.parametrize("answer", [summaries.accuracy, summaries.speed, summaries.memory])
def test_trouble_is_counted_and_nothing_breaks(troubled, answer):
    assert "Without a number: " in answer(troubled)
    assert "nan" not in answer(troubled).lower().replace("nanosecond", "")


@pytest.mark.parametrize("answer", [summaries.accuracy, summaries.speed, summaries.memory])
def test_records_in_which_everything_was_skipped_get_an_answer(answer):
    assert "2 skipped" in answer(
        records(*({"implementation": name, "status": "skipped"} for name in ("a.b", "a.c")))
    )


# Trust


def test_what_the_controls_showed_and_what_was_disturbed_is_told(quick):
    said = summaries.trust(
        quick, {"controls": {"noise_floor": "1.0% (the reference against itself)"}}
    )
    rounds = int(quick["rounds"].sum())
    assert "Noise floor: 1.0%" in said
    disturbed = f"{2 * len(quick)} of {rounds} rounds were disturbed; because of them, 0 of"
    assert f"{disturbed} {len(quick)} rows are noisy" in said
    assert "No row is flagged" in said


def test_noisy_and_flagged_rows_are_counted(quick):
    odd = quick.copy()
    odd.loc[odd.index[:3], "noisy"] = True
    odd.loc[odd.index[:2], "flags"] = "waits"
    said = summaries.trust(odd, {})
    assert "3 of" in said and "Flagged: waits in 2." in said
    assert "Noise floor: not measured." in said
