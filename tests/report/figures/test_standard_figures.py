import pytest

from lstmbench.errors import LstmbenchError
from lstmbench.report import plot, series, standard_figures
from lstmbench.report.figures import faceted_plot
from lstmbench.report.figures import standard_figures as module
from lstmbench.report.figures.figure import Figure
from lstmbench.report.labels import rows_of


def test_a_standard_quantity_gives_the_standard_figures(quick):
    wanted = {
        name: figure for name, figure in standard_figures(quick)[0].items() if "speed" in name
    }
    figures = series(quick, "time_median_s")
    assert [figure.id for figure in figures] == list(wanted)
    assert [figure.alt for figure in figures] == [figure.alt for figure in wanted.values()]


def test_any_other_quantity_is_split_in_the_same_way(quick):
    (figure,) = series(quick, "first_call_s")
    assert figure.id == "quick-first-call-s"
    assert len(figure.axes) == len(series(quick, "time_median_s")[0].axes)


def test_what_is_given_comes_before_what_is_usual(quick):
    assert series(quick, "allocated_bytes", title="Bytes")[0].caption.startswith("Bytes")


def test_gradients_have_no_panel_of_inference(quick):
    assert "inference" not in series(quick, "grad_rel_error")[0].alt


def test_nothing_to_draw_is_a_sentence_and_a_wrong_name_refused(quick):
    (sentence,) = series(quick, "peak_device_bytes")
    assert "no case has a number in `peak_device_bytes` (168 ok)" in sentence
    inference = quick[quick["mode"] == "inference"]
    assert "no case has a number in `grad_rel_error`" in series(inference, "grad_rel_error")[0]
    with pytest.raises(LstmbenchError, match="no column"):
        series(quick, "speed_of_light")


def test_what_differs_between_panels_is_not_said_to_hold_for_all(quick):
    same = quick[quick["hidden_size"] == 64]
    figure = plot(same, col="mode", row="input")
    assert "H = 64" in figure.caption
    assert "I = " not in figure.caption


def test_records_are_converted_once_for_all_figures(quick, monkeypatch):
    converted = []

    def counted_rows_of(*given):
        converted.append(given)
        return rows_of(*given)

    for home in (module, faceted_plot):
        monkeypatch.setattr(home, "rows_of", counted_rows_of)
    monkeypatch.setattr(module, "draw", lambda shown: Figure())
    assert len(standard_figures(quick)[0]) == 6
    assert len(converted) == 1


def test_columns_and_rows_of_panels_are_named_one_by_one_or_not_at_all(quick, monkeypatch):
    monkeypatch.setattr(faceted_plot, "draw", lambda shown: (shown.rows, shown.cols))
    same = quick[(quick["input"] == "random") & (quick["hidden_size"] == 64)]
    assert plot(same, col="mode") == plot(same, col=["mode"], row=None)
    assert plot(same[same["mode"] == "training"], col=None) == ([""], [""])
