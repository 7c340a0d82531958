"""Tables and comparisons do without what draws."""

from pathlib import Path

from fresh import fresh

from lstmbench import report

HEAVY = ("matplotlib", "seaborn", "scipy.stats", "torch", "jax")


def loaded(script: str) -> list[str]:
    return fresh(f"{script}\nout = [name for name in {HEAVY} if name in sys.modules]")


def test_tables_and_comparisons_import_nothing_that_draws():
    assert loaded("from lstmbench.report import compare, speed_table, standard_tables") == []
    assert "matplotlib" in loaded("from lstmbench.report import plot")


def test_every_name_is_there_and_none_is_hidden_by_a_module():
    for name in report.__all__:
        assert callable(getattr(report, name)), name
    folder = Path(report.__file__).parent
    modules = {path.stem for path in folder.iterdir() if path.is_dir() or path.suffix == ".py"}
    assert modules.isdisjoint(report.__all__)
    assert set(dir(report)) == set(report.__all__)
