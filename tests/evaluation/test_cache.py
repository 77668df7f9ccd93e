from pathlib import Path

import pytest
import torch

from pipeline.evaluation.cache import Tensors, remember


class Maker:
    """Counts how often it had to work."""

    def __init__(self, value: float = 1.0) -> None:
        self.value, self.calls = value, 0

    def __call__(self) -> Tensors:
        self.calls += 1
        return {"x": torch.full((3,), self.value)}


SHAPES = {"x": (3,)}


def test_made_once_a_key(tmp_path: Path) -> None:
    first, other = Maker(1.0), Maker(2.0)
    for _ in range(3):
        assert remember(tmp_path, "n", "a", SHAPES, first)["x"].tolist() == [1.0] * 3
    assert remember(tmp_path, "n", "b", SHAPES, other)["x"].tolist() == [2.0] * 3
    assert (first.calls, other.calls) == (1, 1)
    assert not list(tmp_path.glob("*.*[0-9]"))


@pytest.mark.parametrize("damage", ["truncated", "empty", "noise", "other", "list", "missing"])
def test_a_broken_file_is_made_again(tmp_path: Path, damage: str) -> None:
    remember(tmp_path, "n", "a", SHAPES, Maker())
    (path,) = tmp_path.iterdir()
    content = path.read_bytes()
    if damage == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "noise":
        path.write_bytes(bytes(range(256)) * 20)
    elif damage == "other":
        torch.save({"x": torch.zeros(4)}, path)
    elif damage == "list":
        torch.save([torch.zeros(3)], path)
    else:
        path.unlink()
    maker = Maker()
    assert remember(tmp_path, "n", "a", SHAPES, maker)["x"].tolist() == [1.0] * 3
    assert maker.calls == 1
    again = Maker()
    remember(tmp_path, "n", "a", SHAPES, again)
    assert again.calls == 0


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    marker = tmp_path / "ran"

    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (marker,))

    folder = tmp_path / "cache"
    remember(folder, "n", "a", SHAPES, Maker())
    (path,) = folder.iterdir()
    torch.save({"x": Evil()}, path)
    maker = Maker()
    remember(folder, "n", "a", SHAPES, maker)
    assert maker.calls == 1
    assert not marker.exists()


def test_a_disk_that_takes_nothing_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    assert remember(tmp_path / "file" / "cache", "n", "a", SHAPES, Maker())["x"].tolist() == [1.0] * 3


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    def fail() -> Tensors:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        remember(tmp_path, "n", "a", SHAPES, fail)
    assert not list(tmp_path.iterdir())


def test_changed_code_computes_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remember(tmp_path, "n", "a", SHAPES, Maker())
    monkeypatch.setattr("pipeline.evaluation.cache.code_digest", lambda *modules: "another")
    again = Maker()
    remember(tmp_path, "n", "a", SHAPES, again)
    assert again.calls == 1
