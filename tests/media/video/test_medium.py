"""Video as a medium: files, sheets and tensors of clips, the built-in source, and checks of the data."""

import io
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pytest
import torch
from PIL import Image

from pipeline.arrays import Items
from pipeline.media.registry import MEDIA, tensors_of
from pipeline.media.video.clip import fold, unfold
from pipeline.media.video.moving_digits import TEST_DIGITS, bounce, draw_clip, draw_motion
from tests.media.video.clip_files import SIDE, numbered, strip

VIDEO: Any = MEDIA["video"]
SETTINGS: Any = VIDEO.Settings(resolution=SIDE, frames=8)
SPEC = VIDEO.spec(SETTINGS, tuple("0123456789"))


def items(n: int, digits: int = 1) -> Items:
    return fold(np.stack([draw_clip("train", number, digits, 8, (SIDE, SIDE)) for number in range(n)]))


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_written_clips_are_read_as_they_were(suffix: str) -> None:
    for values in items(3):
        file = VIDEO.encode(values, SPEC, suffix)
        assert (file.suffix, file.losses) == (suffix, ())
        (item,) = VIDEO.decode(file.data, SETTINGS)
        assert (item.values == values).all()


def test_colours_survive_a_lossless_file() -> None:
    settings = VIDEO.Settings(resolution=SIDE, frames=4, channels="rgb")
    spec = VIDEO.spec(settings, ())
    values = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 12), dtype=np.uint8)
    (item,) = VIDEO.decode(VIDEO.encode(values, spec, ".webp").data, settings)
    assert (item.values == values).all()
    gif = VIDEO.encode(values, spec)
    assert gif.losses == ("colours became a palette of 256 (.gif has no more)",)
    assert np.abs(next(VIDEO.decode(gif.data, settings)).values.astype(int) - values).mean() < 40


@pytest.mark.parametrize(("rate", "delay"), [(10, 100), (25, 40), (50, 20), (100, 20), (15, 70)])
def test_delays_of_gifs_are_hundredths_of_a_second_that_viewers_obey(rate: float, delay: int) -> None:
    spec = VIDEO.spec(VIDEO.Settings(resolution=SIDE, frames=8, frame_rate=rate), ())
    file = VIDEO.encode(items(1)[0], spec)
    with Image.open(io.BytesIO(file.data)) as image:
        assert image.info["duration"] == delay
        assert image.info["loop"] == 0
    assert bool(file.losses) == (1000 / delay != rate)


def test_folding_is_undone() -> None:
    clips = np.random.default_rng(0).integers(0, 256, (2, 5, 4, 6, 3), dtype=np.uint8)
    folded = fold(clips)
    assert folded.shape == (2, 4, 6, 15)
    assert (folded[1, :, :, 3 * 2 + 1] == clips[1, 2, :, :, 1]).all()
    assert (unfold(folded, 3) == clips).all()


def test_both_ways_to_networks_agree() -> None:
    batch, tensors = items(3), tensors_of(SPEC)
    values = tensors.to_network(torch.from_numpy(batch))
    assert values.shape == (3, 8, SIDE, SIDE)
    assert (values.numpy() == VIDEO.to_network(batch, SPEC)).all()
    assert (tensors.from_network(values) == batch).all()
    assert (tensors.from_network(tensors.mirror(values)) == batch[:, :, ::-1]).all()


def test_a_sheet_shows_key_frames_and_an_animated_one_all() -> None:
    batch = items(6)
    width, height = VIDEO.preview(batch, SPEC, columns=1).size
    assert (width, height) == (8 * 64 + 4, 6 * 66 + 2)
    moving = VIDEO.animate(batch, SPEC, ".gif", columns=3)
    with Image.open(io.BytesIO(moving.data)) as image:
        assert getattr(image, "n_frames", 1) == 8
        assert image.size == (3 * 66 + 2, 2 * 66 + 2)
    assert VIDEO.animate(batch, SPEC, ".png") is None


def test_a_person_watches_a_clip() -> None:
    assert VIDEO.html(items(1)[0], SPEC).startswith('<img alt="clip" src="data:image/gif;base64,R0lGOD')


# --- the built-in source ---


def test_moving_digits_are_the_same_at_every_call_and_test_digits_are_others() -> None:
    source = VIDEO.open_source("moving-digits", SETTINGS, None)
    names = [name for name, _ in source.files()]
    assert len(names) == len(set(names)) == 5000
    first = next(load for _, load in source.files())
    assert first() == first()
    shown = {split: {int(draw_motion(split, k, 1)[0][0]) for k in range(300)} for split in ("train", "test")}
    assert max(shown["test"]) < TEST_DIGITS <= min(shown["train"])


def test_digits_move_in_straight_lines_and_bounce() -> None:
    places = bounce(np.arange(10.0)[:, None] * 3 + 1, np.array([10]))
    assert places[:, 0].tolist() == [1, 4, 7, 10, 7, 4, 1, 2, 5, 8]
    clip = draw_clip("test", 0, 1, 6, (32, 32))[..., 0].astype(float)
    assert clip.sum(axis=(1, 2)) == pytest.approx(clip[0].sum(), rel=0.02)  # nothing leaves the frame
    rows = (clip.sum(axis=2) * np.arange(32)).sum(axis=1) / clip.sum(axis=(1, 2))
    _, _, speeds = draw_motion("test", 0, 1)
    assert np.abs(np.diff(rows)).max() == pytest.approx(abs(speeds[0, 0]) * 32, abs=0.05)


def test_two_digits_fit_any_shape() -> None:
    settings = VIDEO.Settings(source="two-moving-digits", resolution=[16, 32], frames=5, every=2)
    source = VIDEO.open_source("two-moving-digits", settings, None)
    name, load = next(source.files())
    (item,) = VIDEO.decode(load(), settings.model_copy(update={"strip": 10}))
    assert name == "train/00000.pgm"
    assert item.values.shape == (16, 32, 5)


# --- checks of the data ---


def test_still_and_empty_clips_are_set_aside_and_odd_ones_reported() -> None:
    still = strip(np.repeat(draw_clip("train", 0, 1, 1, (SIDE, SIDE)), 8, axis=0))
    empty = strip(np.zeros((8, SIDE, SIDE, 1), np.uint8))
    small = strip(numbered(8, 8))
    rows = pd.DataFrame([dict(next(VIDEO.decode(data, SETTINGS)).facts) for data in (still, empty, small)])
    rows["rate"], rows["rate_share"] = [5.0, 10.0, 10.0], [0.5, 1.0, 1.0]
    settings = VIDEO.Validation()
    constant, frozen = VIDEO.defects(rows, settings, "none")
    assert (constant.reason, constant.rows.tolist()) == ("near_constant", [False, True, False])
    assert (frozen.reason, frozen.rows.tolist()) == ("still", [True, False, False])
    messages = {one.key: one.message for one in VIDEO.expectations(rows, rows, settings)}
    assert messages["max_still_share"].startswith("in 2 of 3 (66.67%) items nothing moves")
    assert messages["max_repeated_share"].startswith("2 of 3 (66.67%) items repeat more than half")
    assert messages["max_enlarged_share"].startswith("1 of 3 (33.33%) items come from frames smaller")
    assert "down to 5" in messages["max_slow_share"]
