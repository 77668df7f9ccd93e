"""Atomic writes and locks."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.files import exclusive_lock, folder_lock, remove_partial, write_atomically
from tests.waiting import WAIT_SECONDS

HOLDER = """
import os, sys
from pathlib import Path
from pipeline.files import exclusive_lock
with exclusive_lock(Path(sys.argv[1]), "training"):
    print(os.getpid(), flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("fails", ["replace", "fsync", "open"])
def test_a_failed_write_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os if fails == "fsync" else Path, fails, full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_data_then_name_are_flushed_before_the_call_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test cannot cause a power failure, but it can check the order of the calls that protect against one."""
    order: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def synced(handle: int) -> None:
        order.append("folder" if os.path.isdir(f"/proc/self/fd/{handle}") else "data")
        fsync(handle)

    def renamed(self: Path, target: Path) -> Path:
        order.append("rename")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    write_atomically(tmp_path / "file", memoryview(b"new"))
    assert order == ["data", "rename", "folder"]
    assert (tmp_path / "file").read_bytes() == b"new"


def test_only_temporary_files_of_killed_processes_are_removed(tmp_path: Path) -> None:
    left, others = tmp_path / ".0001.pt.4711", [tmp_path / name for name in ("0001.pt", ".gitignore", "best.mark")]
    for path in [left, *others]:
        path.touch()
    remove_partial(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(others)


def test_a_lock_is_exclusive_and_released_when_its_process_dies(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "train.lock"
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    number = child.stdout.readline().strip()
    with (
        pytest.raises(
            InputError,
            match=rf"train\.lock: process {number} is training in this checkout; "
            rf"wait for it, or stop it with `kill {number}`",
        ),
        exclusive_lock(path, "training"),
    ):
        pytest.fail("two processes hold the lock")
    child.send_signal(signal.SIGKILL)
    child.communicate()
    with exclusive_lock(path, "training"):
        assert path.read_text() == str(os.getpid())
    with exclusive_lock(path, "training"):
        pass


def test_a_folder_that_cannot_be_written_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(InputError, match=r"train\.lock: cannot be written"),
        exclusive_lock(tmp_path / "file" / "train.lock", "training"),
    ):
        pytest.fail("the lock is held")


def test_a_folder_lock_passes_to_a_waiting_process_when_its_holder_dies(tmp_path: Path) -> None:
    code = f"""
import sys, time
from pathlib import Path
from pipeline.files import folder_lock
with folder_lock(Path({str(tmp_path)!r})):
    print("in", flush=True)
    time.sleep({WAIT_SECONDS})
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "in\n"
        waited: list[float] = []

        def wait() -> None:
            with folder_lock(tmp_path):
                waited.append(time.monotonic())

        thread = threading.Thread(target=wait)
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()
        killed = time.monotonic()
        other.kill()
        thread.join(WAIT_SECONDS)
    assert waited[0] >= killed
    with folder_lock(tmp_path / "missing"):
        pass
