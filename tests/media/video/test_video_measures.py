"""What is measured of clips: motion, equal frames, flicker, order, cuts, and what was done to all of them."""

from typing import Any

import numpy as np
import pytest

from pipeline.arrays import Items, UInt8Array
from pipeline.media.profiles import Change
from pipeline.media.registry import MEDIA
from pipeline.media.video.clip import fold
from pipeline.media.video.digit_recognition import name_frames, recognised_frames
from pipeline.media.video.moving_digits import draw_clip, draw_motion, load_digits
from pipeline.media.video.profiles import reverse
from pipeline.media.video.statistics import levels, statistics

VIDEO: Any = MEDIA["video"]
SPEC = VIDEO.spec(VIDEO.Settings(source="clips/"), ())
RNG = np.random.default_rng(0)
CLIPS = np.stack([draw_clip("train", number, 1, 8, (16, 16)) for number in range(60)])


def compare(changed: UInt8Array, real: UInt8Array = CLIPS) -> dict[str, float]:
    """Return how profiles of changed clips [n, T, H, W, C] differ from those of real ones."""
    found = {}
    for profile in VIDEO.profiles(SPEC):
        means = [profile.values(fold(clips)).mean(axis=0).astype(np.float64) for clips in (changed, real)]
        found[profile.name] = profile.compare(*means)
    return found


def test_motion_and_edges_are_relative_to_each_other() -> None:
    still = np.repeat(CLIPS[:, :1], 8, axis=1)
    fast, ours = statistics(CLIPS), statistics(still)
    assert (ours["motion"] == 0).all()
    assert ours["edges"].mean() == pytest.approx(fast["edges"].mean(), rel=0.05)
    assert statistics(CLIPS // 2)["motion"].mean() == pytest.approx(fast["motion"].mean() / 2, rel=0.05)


def test_frames_that_repeat_are_counted_also_in_faint_clips() -> None:
    frozen = CLIPS.copy()
    frozen[:, 6:] = frozen[:, 5:6]
    assert compare(frozen)["equal_frames"] == pytest.approx(2 / 7)
    assert compare(frozen // 8)["equal_frames"] == pytest.approx(2 / 7)
    assert compare(CLIPS // 8)["equal_frames"] == 0


def test_flicker_is_a_jump_of_the_light_and_not_a_slow_change() -> None:
    jumps = 1 + 0.2 * (-1) ** np.arange(8)
    fading = np.linspace(1, 0.5, 8)
    flickering, dimmed = (
        (CLIPS * gain[None, :, None, None, None]).clip(0, 255).astype(np.uint8) for gain in (jumps, fading)
    )
    assert compare(flickering)["flicker"] > 0.2
    assert compare(dimmed)["flicker"] < 0.02


def test_shuffled_frames_and_cuts_differ() -> None:
    shuffled = np.stack([clip[RNG.permutation(8)] for clip in CLIPS])
    cut = np.concatenate([CLIPS[:, :4], np.roll(CLIPS, 1, axis=0)[:, 4:]], axis=1)
    assert compare(shuffled)["order"] > 0.2
    assert compare(cut)["order"] < 0.1
    assert compare(cut)["cuts"] > 0.3


def test_real_clips_differ_in_nothing() -> None:
    others = np.stack([draw_clip("train", number, 1, 8, (16, 16)) for number in range(60, 120)])
    found = compare(others)
    assert max(abs(value) for value in found.values()) < 0.05


def fading_clips(seed: int) -> Items:
    """Return clips that become darker, so that a reversed one differs."""
    rng = np.random.default_rng(seed)
    clips = CLIPS[rng.permutation(60)] * np.linspace(1, 0.2, 8)[None, :, None, None, None]
    return fold(clips.astype(np.uint8))


def test_clips_that_are_played_backwards_are_found_and_undone() -> None:
    (profile,) = (one for one in VIDEO.profiles(SPEC) if one.change is not None)

    def change(batch: Items) -> Change | None:
        found: Change | None = profile.change(
            *(profile.values(part).mean(axis=0).astype(np.float64) for part in (batch, fading_clips(1)))
        )
        return found

    batch = fading_clips(0)
    found = change(reverse(batch, SPEC))
    assert found is not None
    assert (found.name, (found.undo(reverse(batch, SPEC)) == batch).all()) == ("backwards", True)
    assert change(batch) is None


def test_short_and_colourful_clips_can_be_measured() -> None:
    for frames in (2, 3):
        spec = VIDEO.spec(VIDEO.Settings(frames=frames, channels="rgb", resolution=8), ())
        items = RNG.integers(0, 256, (4, 8, 8, 3 * frames), dtype=np.uint8)
        for profile in VIDEO.profiles(spec):
            assert np.isfinite(profile.values(items)).all()
        assert all(np.isfinite(values).all() for values in VIDEO.statistics(items, spec).values())


def test_frames_are_recognised_by_the_digit_that_they_show() -> None:
    for side in (16, 32):
        clips = np.stack([draw_clip("test", number, 1, 8, (side, side)) for number in range(30)])
        shown = [load_digits()[1][draw_motion("test", number, 1)[0][0]] for number in range(30)]
        named = name_frames(levels(clips)[..., 0].reshape(-1, side, side)).reshape(30, 8)
        assert (named == np.array(shown)[:, None]).mean() > 0.95
        assert recognised_frames(levels(clips)).mean() > 0.95
        assert recognised_frames(levels(clips.repeat(3, axis=-1))).mean() > 0.95


def test_frames_without_a_digit_and_clips_of_several_digits_are_not_recognised() -> None:
    pixels = RNG.permuted(CLIPS.reshape(60, 8, 256), axis=2).reshape(CLIPS.shape)
    assert recognised_frames(levels(pixels)).mean() < 0.05
    assert recognised_frames(levels(np.zeros_like(CLIPS))).mean() == 0
    mixed = CLIPS.swapaxes(0, 1)[:, :56].reshape(56, 8, 16, 16, 1)  # frames of eight clips
    assert recognised_frames(levels(mixed)).mean() < 0.6


def test_only_clips_of_one_built_in_digit_are_read() -> None:
    for source, wanted in (("moving-digits", True), ("two-moving-digits", False), ("clips/", False)):
        spec = VIDEO.spec(VIDEO.Settings(source=source), ())
        assert ("recognised" in [one.name for one in VIDEO.profiles(spec)]) == wanted
        assert (VIDEO.lacks(spec) == frozenset()) == wanted
