"""Checkpoints: whole or absent, checked, and never code."""

import pickle
from pathlib import Path

import pytest
import torch

from pipeline.training import checkpoint


def state(number: int) -> checkpoint.State:
    return {"step": number, "weights": {"w": torch.full((100,), float(number))}, "history": [{"step": 1, "loss": 0.5}], "meta": {"run_id": "abc"}}


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
    assert len(list(tmp_path.iterdir())) == 4, "nothing but checkpoints and their sums"


def test_nothing_there(tmp_path: Path) -> None:
    assert checkpoint.latest(tmp_path / "none") == (None, [])


@pytest.mark.parametrize("harm", ["truncate", "flip", "empty", "no-sum"])
def test_damage_falls_back_to_the_one_before(tmp_path: Path, harm: str) -> None:
    checkpoint.save(tmp_path, 1, state(1))
    path = checkpoint.save(tmp_path, 2, state(2))
    data = bytearray(path.read_bytes())
    if harm == "truncate":
        path.write_bytes(data[: len(data) // 2])
    elif harm == "flip":
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    elif harm == "empty":
        path.write_bytes(b"")
    else:
        path.with_suffix(".sha256").unlink()
    found, damaged = checkpoint.latest(tmp_path)
    assert damaged == [path]
    assert found is not None
    assert found["step"] == 1


def test_a_pickle_with_code_is_never_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (str(tmp_path / "pwned"),))

    torch.save({"step": Evil()}, tmp_path / "x.pt")
    data = (tmp_path / "x.pt").read_bytes()
    (tmp_path / "x.pt").unlink()
    checkpoint.write_atomically(tmp_path / "000000000001.pt", data)
    import hashlib

    (tmp_path / "000000000001.sha256").write_text(hashlib.sha256(data).hexdigest())
    with pytest.raises(pickle.UnpicklingError):
        checkpoint.latest(tmp_path)
    assert not (tmp_path / "pwned").exists()


def test_a_failed_write_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    checkpoint.write_atomically(path, b"old")

    def full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        checkpoint.write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
