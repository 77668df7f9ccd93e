"""What is counted in tracks: closed forms on small rolls, and the chord grammar as tracks."""

from typing import Any

import numpy as np
import pytest

from pipeline.arrays import BoolArray, Items
from pipeline.media.music import roll_harmony
from pipeline.media.music.grammar import PROGRESSIONS, compose
from pipeline.media.music.grammar_source import FAMILIES, as_voices, valid
from pipeline.media.music.measures import statistics
from pipeline.media.registry import MEDIA

MUSIC: Any = MEDIA["music"]
LOW, BAR = 60, 2


def roll(*tracks: list[list[int]], pitches: int = 24) -> BoolArray:
    """Return one item of tracks, each the sounding pitches of every step, from middle C up."""
    on = np.zeros((1, len(tracks[0]), pitches, len(tracks)), dtype=bool)
    for number, steps in enumerate(tracks):
        for step, sounding in enumerate(steps):
            on[0, step, sounding, number] = True
    return on


def test_chords_and_pitch_classes_of_all_tracks_count() -> None:
    on = roll([[0, 4], [5], [], [1, 2]], [[7], [9, 12], [], [3]])
    assert roll_harmony.triads(on, LOW)[0, 0] == pytest.approx(2 / 3)
    assert roll_harmony.in_scale(on, LOW)[0, 0] == pytest.approx(7 / 9)
    shares = roll_harmony.pitch_classes(on, LOW)[0]
    assert shares[0] == pytest.approx(2 / 9)
    assert shares.sum() == pytest.approx(1)
    shifted = roll_harmony.pitch_classes(on, LOW + 1)[0]
    assert np.allclose(np.roll(shares, 1), shifted)


def test_registers_rests_and_polyphony_are_of_each_track() -> None:
    on = roll([[0, 4], [5], [], [1]], [[], [], [], [12]])
    assert roll_harmony.registers(on, LOW)[0].tolist() == [60 + 64 + 65 + 61, 72, 4, 1]
    assert roll_harmony.rests(on)[0].tolist() == [0.25, 0.75]
    assert roll_harmony.polyphony(on)[0].tolist() == [4, 1, 3, 1]


def test_bars() -> None:
    on = roll([[0, 4], [12], [], []], [[], [], [], [7]])
    assert roll_harmony.empty_bars(on, BAR)[0].tolist() == [0.5, 0.5]
    assert roll_harmony.used_classes(on, LOW, BAR)[0].tolist() == [1.0, 0.5]
    assert roll_harmony.empty_bars(on, 3)[0].tolist() == [0, 1], "the rest of a bar does not count"
    assert roll_harmony.empty_bars(on, 16)[0].tolist() == [0, 0], "a bar is at most an item"


def test_short_notes() -> None:
    on = roll([[0], [0, 4], [0], [7]])
    begins = on.copy()
    begins[:, 1:] &= ~on[:, :-1]
    assert roll_harmony.short_notes(on, begins)[0].tolist() == [2, 3]
    begins[0, 1, 0] = True  # struck again
    assert roll_harmony.short_notes(on, begins)[0].tolist() == [3, 4]


def test_tonal_distances() -> None:
    """Equal pitch classes have distance 0; a fifth is nearer than a tritone."""
    same, fifth, tritone = (roll([[0], [0]], [[k], [k]]) for k in (12, 7, 6))
    values = [roll_harmony.tonal_distances(on, LOW, BAR)[0, 0] for on in (same, fifth, tritone)]
    assert values[0] == pytest.approx(0, abs=1e-6)
    assert values[0] < values[1] < values[2]
    angles = np.pi * np.array([7 / 6, 3 / 2, 2 / 3]) * 7
    wanted = np.sqrt(sum(r**2 * (2 - 2 * np.cos(angle)) for r, angle in zip((1, 1, 0.5), angles, strict=True)))
    assert values[1] == pytest.approx(wanted, abs=1e-6)
    silent = roll_harmony.tonal_distances(roll([[0], [0]], [[], []]), LOW, BAR)[0]
    assert silent.tolist() == [0, 0]


def compose_tracks(onsets: bool, order: tuple[str, ...] = FAMILIES) -> tuple[Items, Any]:
    settings = MUSIC.Settings(pitches=(41, 79), tracks=order, onsets=onsets)
    source = MUSIC.open_source("chord-grammar", settings, None)
    files = [load() for name, load in source.files() if name.endswith(("/0000.mid", "/0001.mid"))]
    return np.stack([next(MUSIC.decode(data, settings)).values for data in files]), MUSIC.spec(settings, ())


@pytest.mark.parametrize("onsets", [False, True])
def test_the_grammar_as_tracks_keeps_its_rules(onsets: bool) -> None:
    items, spec = compose_tracks(onsets, ("piano", "pipe", "bass"))
    assert items.shape == (12, 8, 39, 3)
    assert valid(items, spec).tolist() == [1] * 12
    pitches, _ = as_voices(items, spec)
    rng = np.random.default_rng((19, 0, 0))
    assert (pitches[0] == compose(next(iter(PROGRESSIONS)), 8, rng)).all()


@pytest.mark.parametrize("damage", ["a note more", "a note less", "another note", "no stroke"])
def test_a_single_cell_breaks_the_rules(damage: str) -> None:
    items, spec = compose_tracks(onsets=damage == "no stroke")
    step, pitch = np.argwhere(items[0, :, :, 0] == 1)[3]
    if damage == "a note more":
        items[0, step, pitch - 1, 0] = 1
    elif damage == "no stroke":
        chord = np.argwhere(items[0, 2:3, :, 1] == 1)[0]
        items[0, 2, chord[1], 1] = 0
    else:
        items[0, step, pitch, 0] = 0
    if damage == "another note":
        items[0, step, pitch - 1, 0] = 1
    assert valid(items, spec).tolist() == [0] + [1] * 11


def test_repeated_notes_of_the_grammar_are_struck_again() -> None:
    held, struck = (statistics(*compose_tracks(onsets))["onset_rate"] for onsets in (False, True))
    assert (struck >= held).all()
    assert struck.mean() > held.mean()
    assert set(struck.tolist()) == {(7 + 3 * 3) / 7}, "seven of the soprano, three chords of the others"


def test_profiles_and_measures_agree_on_what_tracks_have() -> None:
    items, spec = compose_tracks(onsets=False)
    profiles = {one.name: one for one in MUSIC.profiles(spec)}
    needed = {one.name for one in MUSIC.appearance() if one.needs not in MUSIC.lacks(spec)} - {"pitch_change_kind"}
    assert needed == {*profiles, *MUSIC.statistics(items, spec)}
    for profile in profiles.values():
        mean = profile.values(items).mean(axis=0).astype(np.float64)
        assert profile.compare(mean, mean) in (0, 1)
