"""One run at a time: a second one in a folder is refused, one on the same machine waits."""

import fcntl
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import write_suite

import lstmbench as lb
from lstmbench.measure import workload_session
from lstmbench.measure.process import locks

HOLDER = """
import sys
from pathlib import Path
from lstmbench.measure.process import locks
with locks.lock_folder(Path(sys.argv[1])), locks.lock_machine():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def nothing_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workload_session, "measure_workload", lambda *_: ([], [], []))


@pytest.mark.usefixtures("nothing_measured")
def test_a_second_run_in_a_folder_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    suite = write_suite(tmp_path / "tiny.yaml", ["numpy.fused"])
    (tmp_path / "out").mkdir()
    with locks.lock_folder(tmp_path / "out"):
        with pytest.raises(
            lb.LstmbenchError, match=r"Another run is at work in .*out; wait for its end, or choose"
        ):
            lb.run(suite, tmp_path / "out", progress=False)
        assert list((tmp_path / "out").iterdir()) == []
        lb.run(suite, tmp_path / "other", progress=False)
    lb.run(suite, tmp_path / "out", progress=False)


@pytest.mark.usefixtures("nothing_measured")
def test_a_second_run_on_a_machine_that_must_not_wait_is_refused(tmp_path: Path) -> None:
    suite = write_suite(tmp_path / "tiny.yaml", ["numpy.fused"])
    with (
        locks.lock_machine(),
        pytest.raises(lb.LstmbenchError, match="Another run is being timed on this machine"),
    ):
        lb.run(suite, tmp_path / "out", progress=False, wait=False)
    assert lb.run(suite, tmp_path / "out", progress=False, wait=False).manifest["complete"]


def test_a_second_run_on_a_machine_prints_one_line_and_waits(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    waited: list[int] = []

    def flock(descriptor: int, how: int) -> None:
        if how & fcntl.LOCK_NB:
            raise BlockingIOError
        waited.append(descriptor)

    monkeypatch.setattr(fcntl, "flock", flock)
    with locks.lock_machine():
        assert len(waited) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.skipif(not os.path.exists("/proc/locks"), reason="needs Linux's list of locks")
def test_the_message_names_the_other_run_by_command_and_start_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        start = r"\d{4}-\d\d-\d\d at [\d:]{8}"
        named = rf" It is process {holder.pid}, begun on {start}: {sys.executable} -c "
        with (
            pytest.raises(lb.LstmbenchError, match=f"disturb each other\\.{named}"),
            locks.lock_machine(wait=False),
        ):
            pass
        with (
            pytest.raises(lb.LstmbenchError, match=f"another folder\\.{named}"),
            locks.lock_folder(tmp_path),
        ):
            pass
        acquire = locks._acquire
        monkeypatch.setattr(
            locks, "_acquire", lambda descriptor, wait: not wait and acquire(descriptor, wait)
        )
        with locks.lock_machine():
            pass
        assert re.search(f"this one waits for its end\\.{named}", capsys.readouterr().err)
        holder.kill()


def test_a_killed_process_releases_its_locks(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        for lock in (locks.lock_folder(tmp_path), locks.lock_machine(wait=False)):
            with pytest.raises(lb.LstmbenchError, match="Another run"), lock:
                pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with locks.lock_folder(tmp_path), locks.lock_machine(wait=False):
        pass


def test_a_file_system_without_locks_does_not_stop_a_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nor does a machine on which the lock file cannot be created."""
    monkeypatch.setattr(
        fcntl, "flock", lambda *_: (_ for _ in ()).throw(OSError(95, "Operation not supported"))
    )
    monkeypatch.setenv(locks.VARIABLE, str(tmp_path / "none" / "lock"))
    with locks.lock_folder(tmp_path), locks.lock_machine(wait=False):
        pass


def test_the_lock_file_of_another_user_is_opened_for_reading_only(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "lock").write_text("")
    (tmp_path / "lock").chmod(0o444)
    monkeypatch.setenv(locks.VARIABLE, str(tmp_path / "lock"))
    opened: list[int] = []
    really = os.open
    monkeypatch.setattr(
        os, "open", lambda path, flags, *mode: opened.append(flags) or really(path, flags, *mode)
    )
    with locks.lock_machine(wait=False):
        assert opened == [os.O_RDONLY]
