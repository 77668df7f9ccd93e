"""Checkpoints: atomic, verified, and free of code."""

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
    loaded, corrupted = checkpoint.load_latest(tmp_path)
    assert corrupted == []
    assert loaded is not None
    assert loaded["step"] == 30
    assert torch.equal(loaded["weights"]["w"], state(30)["weights"]["w"])
    assert loaded["history"] == state(30)["history"]
    assert len(list(tmp_path.glob("*.pt"))) == 2, "only the last two are kept"
    assert len(list(tmp_path.iterdir())) == 2, "no other files"


def test_no_checkpoint(tmp_path: Path) -> None:
    assert checkpoint.load_latest(tmp_path / "none") == (None, [])


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("damage", ["truncate", "flip", "unreadable"])
def test_corrupted_checkpoints_are_skipped(tmp_path: Path, damage: str, share: float) -> None:
    """Corrupted at the start, in the middle, and at the end, where the checksum is."""
    checkpoint.save(tmp_path, 1, state(1))
    path = checkpoint.save(tmp_path, 2, state(2))
    data = bytearray(path.read_bytes())
    where = round(share * (len(data) - 1))
    if damage == "truncate":
        path.write_bytes(data[:where])
    elif damage == "flip":
        data[where] ^= 1
        path.write_bytes(data)
    else:
        path.unlink()
        path.mkdir()
    loaded, corrupted = checkpoint.load_latest(tmp_path)
    assert corrupted == [path]
    assert loaded is not None
    assert loaded["step"] == 1


def test_code_in_a_pickle_is_never_run(tmp_path: Path) -> None:
    """Even with a valid checksum it is skipped like a corrupted checkpoint."""

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (str(tmp_path / "pwned"),))

    checkpoint.save(tmp_path, 1, state(1))
    evil = checkpoint.save(tmp_path, 2, {"step": Evil()})
    loaded, corrupted = checkpoint.load_latest(tmp_path)
    assert corrupted == [evil]
    assert loaded is not None
    assert loaded["step"] == 1
    assert not (tmp_path / "pwned").exists()


def test_marked_checkpoints_are_kept(tmp_path: Path) -> None:
    for number in range(1, 9):
        checkpoint.save(tmp_path, number, state(number))
        if number in (2, 3):
            checkpoint.mark(tmp_path, "best", number)
        if number == 4:
            checkpoint.mark(tmp_path, "healthy", number)
    assert sorted(path.name for path in tmp_path.glob("*.pt")) == [f"{number:012d}.pt" for number in (3, 4, 7, 8)]
    best = checkpoint.read_marked(tmp_path, "best")
    assert best is not None
    assert best["step"] == 3
    assert checkpoint.read_marked(tmp_path, "worst") is None
    with pytest.raises(FileNotFoundError):
        checkpoint.mark(tmp_path, "best", 5)
    (tmp_path / "best.mark").write_text("x")
    assert checkpoint.read_marked(tmp_path, "best") is None
    checkpoint.save(tmp_path, 9, state(9))
    assert sorted(path.name for path in tmp_path.glob("*.pt")) == [f"{number:012d}.pt" for number in (4, 8, 9)]


def test_a_mark_that_cannot_be_written_is_unchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (1, 2):
        checkpoint.save(tmp_path, number, state(number))
    checkpoint.mark(tmp_path, "best", 1)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(checkpoint.WriteError, match=r"best\.mark: cannot be written \(No space left on device\)"):
        checkpoint.mark(tmp_path, "best", 2)
    best = checkpoint.read_marked(tmp_path, "best")
    assert best is not None
    assert best["step"] == 1


def test_prune_keeps_the_most_recent_trainings(tmp_path: Path) -> None:
    for number in range(8):
        folder = tmp_path / f"{7 - number}"
        checkpoint.save(folder, 1, state(1))
        os.utime(folder, (number, number))
    checkpoint.prune(tmp_path, tmp_path / "7", keep=3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1", "2", "7"]
    checkpoint.prune(tmp_path / "none", tmp_path / "none" / "x")


def test_partial_files_are_removed(tmp_path: Path) -> None:
    partial = tmp_path / ".000000000001.pt.4711"
    partial.touch()
    checkpoint.save(tmp_path, 2, state(2))
    assert not partial.exists()
