"""What the kernel says of threads is read as far as it is there."""

from collections.abc import Iterator

import pytest

from lstmbench.measure.process import probes


def test_a_thread_without_three_numbers_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def thread_files(*_: object) -> Iterator[tuple[str, bytes]]:
        yield from [("1", b"500000000 2000000000 3\n"), ("2", b""), ("3", b"7 8\n")]

    monkeypatch.setattr(probes, "thread_files", thread_files)
    assert probes._queued_ns() == 2_000_000_000
    assert probes._cpu_ns_by_thread() == {"1": 500_000_000}
