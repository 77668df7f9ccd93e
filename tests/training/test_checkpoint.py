"""Checkpoints: whole or absent, checked, and never code."""

import os
from pathlib import Path

import pytest
import torch

from pipeline.training import checkpoint


def state(number: int) -> checkpoint.State:
    return {
        "step": number,
        "weights": {"w": torch.full((100,), float(number))},
        "history": [{"step": 1, "loss": 0.5}],
        "meta": {"run_id": "abc"},
    }


def test_round_trip_and_newest_wins(tmp_path: Path) -> None:
    for number in (1, 2, 30):
        checkpoint.save(tmp_path, number, state(number))
    found, damaged = checkpoint.latest(tmp_path)
    assert damaged == []
    assert found is not None
    assert found["step"] == 30
    assert torch.equal(found["weights"]["w"], state(30)["weights"]["w"])
    assert found["history"] == state(30)["history"]
    assert len(list(tmp_path.glob("*.pt"))) == 2, "only the last two are kept"
    assert len(list(tmp_path.iterdir())) == 2, "nothing but checkpoints"


def test_nothing_there(tmp_path: Path) -> None:
    assert checkpoint.latest(tmp_path / "none") == (None, [])


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("harm", ["truncate", "flip", "unreadable"])
def test_damage_falls_back_to_the_one_before(tmp_path: Path, harm: str, share: float) -> None:
    """At the beginning, within, and at the very end, where the sum lies."""
    checkpoint.save(tmp_path, 1, state(1))
    path = checkpoint.save(tmp_path, 2, state(2))
    data = bytearray(path.read_bytes())
    where = round(share * (len(data) - 1))
    if harm == "truncate":
        path.write_bytes(data[:where])
    elif harm == "flip":
        data[where] ^= 1
        path.write_bytes(data)
    else:
        path.unlink()
        path.mkdir()
    found, damaged = checkpoint.latest(tmp_path)
    assert damaged == [path]
    assert found is not None
    assert found["step"] == 1


def test_a_pickle_with_code_is_never_run(tmp_path: Path) -> None:
    """Not even with the right sum: it is passed over like a damaged one."""

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (str(tmp_path / "pwned"),))

    checkpoint.save(tmp_path, 1, state(1))
    evil = checkpoint.save(tmp_path, 2, {"step": Evil()})
    found, damaged = checkpoint.latest(tmp_path)
    assert damaged == [evil]
    assert found is not None
    assert found["step"] == 1
    assert not (tmp_path / "pwned").exists()


def test_marked_ones_outlive_the_last_few(tmp_path: Path) -> None:
    for number in range(1, 9):
        checkpoint.save(tmp_path, number, state(number))
        if number in (2, 3):
            checkpoint.mark(tmp_path, "best", number)
        if number == 4:
            checkpoint.mark(tmp_path, "healthy", number)
    assert sorted(path.name for path in tmp_path.glob("*.pt")) == [f"{number:012d}.pt" for number in (3, 4, 7, 8)]
    best = checkpoint.marked(tmp_path, "best")
    assert best is not None
    assert best["step"] == 3
    assert checkpoint.marked(tmp_path, "worst") is None
    with pytest.raises(FileNotFoundError):
        checkpoint.mark(tmp_path, "best", 5)
    (tmp_path / "best.mark").write_text("x")
    assert checkpoint.marked(tmp_path, "best") is None
    checkpoint.save(tmp_path, 9, state(9))
    assert sorted(path.name for path in tmp_path.glob("*.pt")) == [f"{number:012d}.pt" for number in (4, 8, 9)]


def test_a_mark_that_cannot_be_written_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (1, 2):
        checkpoint.save(tmp_path, number, state(number))
    checkpoint.mark(tmp_path, "best", 1)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(checkpoint.Unwritten, match=r"best\.mark: cannot be written \(No space left on device\)"):
        checkpoint.mark(tmp_path, "best", 2)
    best = checkpoint.marked(tmp_path, "best")
    assert best is not None
    assert best["step"] == 1


def test_other_trainings_are_pruned_to_those_last_written_to(tmp_path: Path) -> None:
    for number in range(8):
        folder = tmp_path / f"{7 - number}"
        checkpoint.save(folder, 1, state(1))
        os.utime(folder, (number, number))
    checkpoint.prune(tmp_path, tmp_path / "7", keep=3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1", "2", "7"]
    checkpoint.prune(tmp_path / "none", tmp_path / "none" / "x")


def test_a_killed_write_leaves_nothing_behind_for_long(tmp_path: Path) -> None:
    left = tmp_path / ".000000000001.pt.4711"
    left.touch()
    checkpoint.save(tmp_path, 2, state(2))
    assert not left.exists()
