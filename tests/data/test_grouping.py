"""Files of one group stay on one side of the split."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pytest
from mido import MetaMessage, MidiTrack  # type: ignore[import-untyped]
from PIL import Image

from pipeline.data.ingestion import ingest
from pipeline.errors import InputError
from pipeline.media.image.settings import ImageSettings
from pipeline.media.music.settings import MusicSettings
from pipeline.params import parse
from tests.media.music.midi_files import melody, write


def manifest_of(tmp_path: Path, group: str, **more: Any) -> tuple[pd.DataFrame, list[str]]:
    """Ingest the folder `raw` and return the manifest and what was reported."""
    lines: list[str] = []
    settings = ImageSettings(source=str(tmp_path / "raw"), group=group, test_fraction=0.5, **more)
    ingest(settings, tmp_path, tmp_path / "cache", tmp_path / "dataset", workers=1, report=lines.append)
    return pd.read_parquet(tmp_path / "dataset" / "manifest.parquet"), lines


def write_images(folder: Path, names: list[str]) -> None:
    rng = np.random.default_rng(0)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(folder / name)


@pytest.mark.parametrize("group", [r"([a-z]+)_\d+\.png$", "folder"])
def test_a_group_is_on_one_side(tmp_path: Path, group: str) -> None:
    people = ["anna", "ben", "carl", "dora", "emil", "fay"]
    write_images(tmp_path / "raw", [f"{who}/{who}_{take}.png" for who in people for take in range(6)])
    rows, lines = manifest_of(tmp_path, group)
    sides = rows.assign(who=rows["path"].str.split("/").str[0]).groupby("who")["split"].unique()
    assert all(len(side) == 1 for side in sides)
    assert {side[0] for side in sides} == {"train", "test"}
    assert not any("data.group" in line for line in lines)


def test_a_piece_at_two_tempos_is_on_one_side(tmp_path: Path) -> None:
    """Files of several items, too, are split by their values, not by their bytes."""
    (tmp_path / "raw").mkdir()
    rng = np.random.default_rng(0)
    for number in range(12):
        tune = melody([(int(pitch), at, at + 1) for at, pitch in enumerate(rng.integers(50, 70, 8))])
        for tempo in (400_000, 700_000):
            speed = MidiTrack([MetaMessage("set_tempo", tempo=tempo)])
            (tmp_path / "raw" / f"{number}_{tempo}.mid").write_bytes(write(speed, tune))
    settings = MusicSettings(source=str(tmp_path / "raw"), voices=1, steps=4, test_fraction=0.5)
    ingest(settings, tmp_path, tmp_path / "cache", tmp_path / "dataset", workers=1)
    rows = pd.read_parquet(tmp_path / "dataset" / "manifest.parquet")
    sides = rows.assign(piece=rows["path"].str.split("_").str[0]).groupby("piece")["split"].unique()
    assert rows.groupby("path").size().tolist() == [2] * 24
    assert all(len(side) == 1 for side in sides)
    assert {side[0] for side in sides} == {"train", "test"}


def test_files_without_a_group_are_set_aside_by_name(tmp_path: Path) -> None:
    write_images(tmp_path / "raw", [f"anna_{take}.png" for take in range(4)] + ["unknown.png"])
    rows, _ = manifest_of(tmp_path, r"(\w+)_\d")
    bad = rows[rows["error"].notna()]
    assert bad["path"].tolist() == ["unknown.png"]
    assert "data.group" in bad["error"].iloc[0]


def test_groups_in_both_splits_of_a_source_are_reported(tmp_path: Path) -> None:
    names = [f"{split}/{who}_{take}.png" for split in ("train", "test") for who in ("anna", "ben") for take in range(3)]
    write_images(tmp_path / "raw", names)
    _, lines = manifest_of(tmp_path, r"([a-z]+)_\d")
    assert any("2 of 2 groups (data.group) are in both splits of the source ('anna', 'ben')" in line for line in lines)


@pytest.mark.parametrize(("limit", "kept"), [(None, {("ben", "test"): 6, ("anna", "train"): 6}), (2, None)])
def test_named_groups_are_held_out_whatever_the_split_of_the_source(
    tmp_path: Path, limit: int | None, kept: dict[tuple[str, str], int] | None
) -> None:
    names = [f"{split}/{who}_{take}.png" for split in ("train", "test") for who in ("anna", "ben") for take in range(3)]
    write_images(tmp_path / "raw", names)
    rows, lines = manifest_of(tmp_path, r"([a-z]+)_\d", held_out=("ben",), limit=limit)
    sides = rows.assign(who=rows["path"].str.extract(r"([a-z]+)_\d")[0]).value_counts(["who", "split"]).to_dict()
    assert sides == (kept or {("ben", "test"): 2, ("anna", "train"): 2})
    assert not any("in both splits" in line for line in lines)


def test_a_held_out_group_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    write_images(tmp_path / "raw", ["anna_0.png", "ben_0.png"])
    with pytest.raises(InputError, match=r"data\.held_out: no file belongs to 'carl'.* are anna, ben"):
        manifest_of(tmp_path, r"([a-z]+)_\d", held_out=("anna", "carl"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("held_out: [anna]", "files have no group names; set group: folder"),
        ("group: '('", "neither file, folder nor a regular expression"),
        ("group: folder, pairs: folders", "set group"),
    ],
)
def test_impossible_groups_are_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse(f"data: {{{text}}}\nmodel: {{variant: pix2pix}}\n", "params.yaml")
