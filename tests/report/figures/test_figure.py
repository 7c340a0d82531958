import io
import re
import xml.etree.ElementTree as ET

import matplotlib as mpl
import pytest
from made_up import IMPLEMENTATIONS, make, quick_rows
from matplotlib.colors import to_hex
from PIL import Image

from lstmbench import report
from lstmbench.report.figures.figure import COLUMN, style_of

SVG = "{http://www.w3.org/2000/svg}"


def test_lines_differ_in_more_than_their_colour():
    known = [style_of(name) for name in IMPLEMENTATIONS]
    assert (
        len({style.marker for style in known})
        == len({style.color for style in known})
        == len(known)
    )
    by_backend = {name.split(".")[0]: style_of(name).dashes for name in IMPLEMENTATIONS}
    assert len(set(by_backend.values())) == 3
    assert style_of("mine.a") == style_of("mine.a")
    assert style_of("mine.a").marker not in {style.marker for style in known}


def test_alt_text_says_what_is_drawn_and_stands_in_every_format(troubled):
    figure = report.standard_figures(troubled)[0]["quick-speed-cpu"]
    for text in (
        "Line chart of 6 panels",
        "sequence length T (steps), 16 to 1024",
        "time of one call (ms)",
        "torch.nn",
        "Training, random input, I = H = 256, T = 1024: lowest torch.nn",
        "Not drawn: ",
    ):
        assert text in figure.alt
    root = ET.fromstring(figure.svg())
    assert root.find(f"{SVG}title").text == figure.caption
    assert root.find(f"{SVG}desc").text == figure.alt
    assert root.get("role") == "img"
    with Image.open(io.BytesIO(figure.png())) as image:
        assert image.info["Description"] == figure.alt


def test_the_pdf_is_as_wide_as_a_column_and_the_same_bytes_whenever_it_is_made(quick):
    chosen = quick[(quick["mode"] == "training") & (quick["hidden_size"] == 256)]
    first, second = (report.plot(chosen).pdf() for _ in range(2))
    assert first == second and first.startswith(b"%PDF")
    box = re.search(rb"/MediaBox \[ ?0 0 ([0-9.]+) ", first)
    assert box and float(box[1]) == pytest.approx(72 * COLUMN)
    assert b"Type3" not in first  # no letters that are pictures: journals refuse them


def test_hostile_names_cannot_break_out_of_the_svg():
    name = 'x.</title><script>alert(1)</script>&"$\\input'
    rows = [
        row | {"implementation": name}
        for row in quick_rows()
        if row["implementation"] == "torch.loop"
    ]
    figure = report.standard_figures(make(rows))[0]["quick-speed"]
    root = ET.fromstring(figure.svg())
    assert not list(root.iter(f"{SVG}script"))
    assert "<script" not in figure.svg()


def test_nothing_is_set_for_the_figures_of_others(quick):
    chosen = quick[(quick["mode"] == "training") & (quick["hidden_size"] == 256)]
    before = dict(mpl.rcParams)
    wanted = report.plot(chosen).png()
    assert dict(mpl.rcParams) == before
    with mpl.rc_context(
        {"font.size": 30, "lines.linewidth": 9, "savefig.bbox": "tight", "axes.grid": False}
    ):
        assert report.plot(chosen).png() == wanted


@pytest.mark.parametrize("pyplot_is_used", [False, True])
def test_a_notebook_shows_a_figure_once_with_its_alt_text(quick, pyplot_is_used):
    pytest.importorskip("IPython")
    import matplotlib.pyplot as plt
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.core.pylabtools import select_figure_formats
    from IPython.utils.capture import capture_output

    figure = report.plot(quick[(quick["mode"] == "training") & (quick["hidden_size"] == 256)])
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance()
    if pyplot_is_used:
        select_figure_formats(shell, {"png"})  # what %matplotlib inline does
    try:
        with capture_output() as shown:
            data, _ = shell.display_formatter.format(figure)
    finally:
        InteractiveShell.clear_instance()
    (output,) = shown.outputs
    assert data == {}
    assert output.data == {"image/png": figure.png(), "text/plain": figure.alt}
    assert output.metadata["image/png"]["alt"] == figure.alt
    assert plt.get_fignums() == []


def test_colours_are_those_of_a_palette_for_the_colour_blind():
    import seaborn

    palette = set(seaborn.color_palette("colorblind").as_hex()) | {"#222222"}
    assert {to_hex(style_of(name).color) for name in IMPLEMENTATIONS} <= palette
