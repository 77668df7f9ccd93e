"""The benchmark of the gate: what it corrupts, what it expects, and how it counts."""

from argparse import Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks.gate import __main__ as command
from benchmarks.gate.bank import Bank, Draw, Sample
from benchmarks.gate.captions.failures import FAILURES as CAPTIONS
from benchmarks.gate.captions.failures import Digits, ignore_colour, ignore_digit
from benchmarks.gate.captions.failures import paint as paint_digits
from benchmarks.gate.failure import Failure, Int64, Real, UInt8
from benchmarks.gate.images.corruptions.classes import drop_classes
from benchmarks.gate.images.data import load_digits, load_foreign
from benchmarks.gate.images.failures import FAILURES
from benchmarks.gate.music.failures import FAILURES as MUSIC
from benchmarks.gate.music.track_failures import FAILURES as TRACKS
from benchmarks.gate.results import Outcome, Results
from benchmarks.gate.runner import run
from benchmarks.gate.sound.failures import FAILURES as SOUND
from benchmarks.gate.sound.failures import Clips
from benchmarks.gate.transformed.failures import FAILURES as TRANSFORMED
from benchmarks.gate.transformed.failures import Results as Transformed
from benchmarks.gate.volume.failures import FAILURES as VOLUMES
from pipeline.evaluation.verdict import Verdict
from pipeline.media.audio.settings import AudioSettings
from pipeline.media.audio.sound_file import read_recording
from pipeline.media.audio.tones import write_tone
from pipeline.media.audio.waves import to_picture
from pipeline.media.image.captioned_digits import COLOURS
from pipeline.media.music.grammar_source import ChordGrammar
from pipeline.media.music.settings import MusicSettings
from pipeline.media.registry import MEDIA
from pipeline.media.volume.solids import CLASSES as SOLIDS
from pipeline.media.volume.solids import draw_solid

CLASSES = 10


def real_images(side: int, channels: int) -> Real:
    rng = np.random.default_rng(0)
    shape = (side, side, channels)
    images, train = (rng.integers(0, 256, (n, *shape)).astype(np.uint8) for n in (100, 50))
    return Real(images, np.arange(100) % CLASSES, train, load_foreign(shape))


def assert_failures_break(failures: Sequence[Failure[Any]], real: Any, intact: UInt8) -> None:
    """Assert that every failure keeps the form of items, and at its strongest changes them or asks for labels."""
    for failure in failures:
        for strength in failure.strengths:
            items = failure.apply(real, strength, np.random.default_rng(1))
            assert items.dtype == np.uint8, failure.key
            assert items.shape[1:] == intact.shape[1:], failure.key
            if failure.ask is not None:
                assert failure.ask(real, strength, np.random.default_rng(1)).shape == (len(items),)
        if failure.ask is None and failure.must is not None:
            assert not np.array_equal(items, intact), failure.key


@pytest.mark.parametrize(("side", "channels"), [(8, 1), (28, 1), (32, 3)])
def test_every_failure_of_images_breaks_them(side: int, channels: int) -> None:
    real = real_images(side, channels)
    failures = [failure for failure in FAILURES if failure.applies(real, labelled=True)]
    assert len([one for one in failures if one.must is not None]) >= 40
    assert_failures_break(failures, real, real.images)


def coloured_digits() -> Digits:
    """Return items in four shapes of each of ten digits, three colours and two forms of captions."""
    rng = np.random.default_rng(0)
    ink = rng.integers(0, 2, (40, 8, 8, 1)).astype(np.float64).repeat(3, axis=0)
    palette = np.array(list(COLOURS.values()), dtype=np.uint8)
    shapes, colours = np.arange(40).repeat(3), np.tile([0, 1, 2], 40) + rng.integers(0, 4, 40).repeat(3)
    captions = tuple(f"{('a', 'the number')[k % 2]} {k % 10} in {colour}" for k, colour in enumerate(colours))
    return Digits(
        images=paint_digits(ink, palette[colours]),
        labels=shapes % 10,
        train=paint_digits(ink[::-1], palette[colours]),
        foreign=np.zeros((0, 8, 8, 3), dtype=np.uint8),
        captions=captions,
        shapes=shapes,
        colours=colours,
        palette=palette,
        unseen=np.arange(120) % 5 == 0,
        train_captions=captions[::-1],
    )


def test_every_failure_of_captions_breaks_them() -> None:
    real = coloured_digits()
    assert_failures_break(CAPTIONS, real, real.images)
    assert len([one for one in CAPTIONS if one.must is not None]) >= 8


def test_items_in_other_colours_and_shapes_do_not_repeat() -> None:
    real, rng = coloured_digits(), np.random.default_rng(2)
    assert np.array_equal(paint_digits(real.ink, real.palette[real.colours]), real.images)
    for change in (ignore_colour, ignore_digit):
        items = change(real, 1.0, rng)
        assert len(np.unique(items.reshape(120, -1), axis=0)) == 120
    items = ignore_colour(real, 1.0, rng)
    assert np.array_equal(items.any(axis=3), real.images.any(axis=3)), "the digits are the same"
    digits = ignore_digit(real, 1.0, rng).reshape(120, -1, 3).max(axis=1)
    assert np.array_equal(digits, real.images.reshape(120, -1, 3).max(axis=1)), "the colours are the same"


def test_every_failure_of_sounds_breaks_them() -> None:
    codec = AudioSettings().codec
    waves = np.stack([read_recording(write_tone(k % 4, k), AudioSettings().limits).wave for k in range(40)])
    waves = np.pad(waves[:, : codec.samples], ((0, 0), (0, max(0, codec.samples - waves.shape[1]))))
    clips = Clips(waves, np.arange(40) % 4, list("aabb" * 10), waves[::-1], codec)
    assert_failures_break(SOUND, clips, to_picture(waves, codec))


def test_every_failure_of_music_breaks_it() -> None:
    rng = np.random.default_rng(0)
    pieces, train = (rng.integers(40, 80, (100, 16, 4, 1)).astype(np.uint8) for _ in range(2))
    assert_failures_break(MUSIC, Real(pieces, np.arange(100) % 4, train, pieces[:0]), pieces)


def test_every_failure_of_tracks_breaks_them() -> None:
    settings = MusicSettings(pitches=(41, 79), tracks=("pipe", "piano", "bass"))
    source, medium = ChordGrammar(settings), MEDIA["music"]
    loaders = [load for number, (_, load) in enumerate(source.files()) if number % 60 == 0]
    rolls = np.stack([next(medium.decode(load(), settings)).values for load in loaders])
    real = Real(rolls, np.arange(len(rolls)) * 6 // len(rolls), rolls[::-1], rolls[:0])
    assert len(TRACKS) >= 8
    assert_failures_break(TRACKS, real, rolls)


def test_every_failure_of_volumes_breaks_them() -> None:
    fresh, train = (
        np.stack([draw_solid(name, 16, np.random.default_rng(k)) for k in range(25) for name in reversed(SOLIDS)])
        * np.uint8(255)
        for _ in range(2)
    )
    assert_failures_break(VOLUMES, Real(fresh, np.arange(100) % 4, train, fresh[:0]), fresh)


@pytest.mark.parametrize("task", ["translate", "restore"])
def test_every_failure_of_transformed_images_breaks_them(task: str) -> None:
    real = real_images(16, 3)
    results = Transformed(real.train, real.images[:50], real.images[50:], real.foreign)
    assert_failures_break(TRANSFORMED[task], results, results.good)


def test_strengths_are_rejected_from_the_weakest_required_one() -> None:
    failure: Failure[Real] = Failure(
        "JPEG", ("compression",), (75, 50, 30, 10), lambda real, s, rng: real.images, must=30, accept=75
    )
    expected = [failure.expectation(strength, labelled=True) for strength in failure.strengths]
    assert expected == ["accept", "free", "reject", "reject"]
    assert failure.decisive(labelled=True) == (75, 30)


def test_without_labels_less_is_required() -> None:
    real = real_images(8, 1)
    by_key = {failure.key: failure for failure in FAILURES}
    assert by_key["drop classes"].weakest(labelled=True) == 1
    assert by_key["drop classes"].weakest(labelled=False) == 5
    assert by_key["rare class"].weakest(labelled=False) is None
    assert not by_key["labels ignored"].applies(real, labelled=False)


def outcome(failure: Failure[Any], strength: float, *names: str) -> Outcome:
    tests: Any = [SimpleNamespace(name="recall", value=0.1, state="fail")] if names else []
    verdict = Verdict(tests, [f"{name}: evidence. Advice" for name in names])
    judged: Any = SimpleNamespace(verdict=verdict, metrics={})
    return Outcome(failure, strength, failure.expectation(strength, True), strength == failure.must, judged)


def test_shares_count_rejections_and_names() -> None:
    blur: Failure[Real] = Failure("blur", ("blurred",), (1, 2), lambda real, s, rng: real.images, must=1)
    shift: Failure[Real] = Failure("shift", (), (1,), lambda real, s, rng: real.images, accept=1)
    outcomes = [outcome(blur, 1), outcome(blur, 2, "noisy", "blurred"), outcome(shift, 1)]
    results = Results(outcomes, [[], ["blurred"]])
    text = "\n".join(results.summary())
    assert "rejected at the weakest required strength | 0 of 1" in text
    assert "all required strengths | 1 of 2" in text
    assert "harmless sets accepted | 1 of 1" in text
    assert "false alarm | 1 of 2 (blurred)" in text
    assert not results.complete
    assert "| blur | blurred | 1: **pass** | 2: **noisy** |" in results.matrix()
    assert Results([outcome(blur, 1, "blurred"), outcome(shift, 1)]).complete


def test_data_can_be_small_and_without_labels() -> None:
    data = load_digits().restrict(labelled=False, train=360, reference=90)
    reference, fresh = data.split(0, samples=100)
    assert (len(data.train), len(reference), len(fresh)) == (360, 90, 100)
    assert set(reference.labels) == {-1}
    assert not data.item.classes


class Darkness(Draw[Real]):
    """Judges items by their brightness."""

    def __init__(self, real: Real) -> None:
        self.real, self.intact, self.labels = real, real.images, real.labels
        self.claimed: list[bool] = []

    def judge(self, items: UInt8, asked: Int64 | None = None, failure: Failure[Real] | None = None) -> Any:
        self.claimed.append(asked is not None)
        names = ["dark"] if items.mean() < 100 else []
        tests: Any = [SimpleNamespace(name="brightness", value=0.1, state="fail")] if names else []
        return SimpleNamespace(verdict=Verdict(tests, [f"{name}: evidence. Advice" for name in names]), metrics={})


class DarkBank(Bank[Real]):
    """One failure, and a model that is dark."""

    name, labelled = "dark-bank", True
    failures = (Failure("darker", ("dark",), (0.9, 0.5), lambda r, s, g: (r.images * s).astype(np.uint8), must=0.5),)

    def __init__(self) -> None:
        self.only = Darkness(real_images(8, 1))

    def draw(self, seed: int) -> Darkness:
        return self.only

    def describe(self, draw: Draw[Real]) -> str:
        return "100 items."

    def samples(self) -> Iterator[Sample]:
        yield Sample("black", 0, np.zeros_like(self.only.intact), None)


def test_a_bank_is_run_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bank = DarkBank()
    options = Namespace(only=[], weakest=False, draws=2, out=tmp_path)
    results = run(bank, options)
    assert [one.rejected for one in results.outcomes] == [False, True]
    assert results.models == {"black": [["dark"]]}
    assert results.alarms == [[], []]
    assert not results.complete
    assert bank.only.claimed == [False, False, False, False, True], "every second draw claims its labels"
    page = (tmp_path / "dark-bank.md").read_text()
    assert "100 items. 1 failures in 2 sets." in page
    assert "| darker | dark | 0.9: pass (free) | 0.5: dark |" in page
    assert "# Numbers" not in page, "no measure has a z-score"
    assert "darker | 0.5: dark" in capsys.readouterr().out


def test_every_bank_explains_itself(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for bank in command.BANKS:
        monkeypatch.setattr("sys.argv", ["gate", bank, "--help"])
        with pytest.raises(SystemExit, match="0"):
            command.parse_arguments()
        assert f"python -m benchmarks.gate {bank}" in capsys.readouterr().out


def test_a_source_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["benchmarks.gate", "images", "--source", "nothing.zip"])
    with pytest.raises(SystemExit) as stopped:
        command.parse_arguments()
    assert stopped.value.code == 2
    assert "--source: nothing.zip: no such file or folder" in capsys.readouterr().err


@pytest.mark.parametrize(("classes", "dropped", "left"), [(10, 1, 9), (10, 5, 5), (4, 1, 3), (4, 5, 2)])
def test_at_most_half_of_the_classes_are_dropped(classes: int, dropped: int, left: int) -> None:
    labels = np.arange(100) % classes
    images = np.broadcast_to(labels[:, None, None, None], (100, 8, 8, 1)).astype(np.uint8)
    real = Real(images, labels, images, images[:0])
    assert set(drop_classes(real, dropped, np.random.default_rng(0)).ravel()) == set(range(left))
