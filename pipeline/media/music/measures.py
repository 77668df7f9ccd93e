"""Measures of music and the failure modes that they name.

Bounds are effect sizes: a share of chords or notes, semitones, or a share of moves that a listener notices in a set.
"""

import functools
from collections.abc import Callable
from typing import Any

from pipeline.arrays import Float64Array, Items
from pipeline.items import ItemSpec
from pipeline.measure import Bounds, Measure, Symptom
from pipeline.media.declared_measures import Found, excess, name_change, profile_measure, statistic_measure
from pipeline.media.music import harmony, roll_profiles
from pipeline.media.music.grid import find_begins, pitches_of, struck_of
from pipeline.media.music.profiles import GRAMMAR, PITCHES, SEVERAL, TRACKS, VOICES, lacks

CHORDS_LOST = 0.05
"""Share of the steps that are no chords any more, from which harmony suffers."""

MOVES_CHANGED = 0.05
"""Share of the moves that have other intervals, from which melodies suffer."""

CLASSES_ADDED = 0.25
"""Pitch classes of a track in a bar more or less than in real items, from which its notes are wrong."""

EXPLAINED = frozenset({"appearance", "fidelity", "classes", "conditions"})
LONGER = "Train longer (train.total_images), with wider networks, or with stronger model.penalties r1 and r2"
ORIGIN = "All samples are changed alike: look at data.key and data.pitches, and at how pieces are read"


def statistics(items: Items, spec: ItemSpec) -> dict[str, Float64Array]:
    """Return the onset rate, and of voices the mean interval, of each item, [n] each."""
    if TRACKS not in lacks(spec):
        return {"onset_rate": roll_profiles.onset_rate(items, spec)}
    pitches = pitches_of(items, spec)
    begins = find_begins(pitches, struck_of(items, spec))
    return {"onset_rate": harmony.onset_rate(begins), "interval": harmony.mean_interval(pitches)}


# --- failure modes ---


def loses_chords(found: Found) -> bool:
    """Return whether fewer steps are chords than in real items."""
    return -excess(found, "triads") > CHORDS_LOST


def changes_moves(found: Found) -> bool:
    """Return whether voices move by other intervals, or tracks use other pitch classes, than in real items."""
    return excess(found, "melody") > MOVES_CHANGED or excess(found, "used_classes") > CLASSES_ADDED


def is_slow(found: Found) -> bool:
    """Return whether voices begin fewer notes than in real items."""
    return (found["onset_rate"].number or 0.0) < 1


def is_change(found: Found, name: str) -> bool:
    """Return whether all samples were changed in the way that has this name."""
    return found["pitch_change_kind"].value == name


def without_slow(data: Any) -> Any:
    """Return the samples in which voices begin at least as many notes as in all but 1 % of the real items."""
    return data.select(data.not_below("onset_rate"))


def mode(name: str, priority: int, advice: str, when: Callable[[Found], bool] | None = None, **about: Any) -> Symptom:
    """Return a failure mode of all samples, or of a part of them."""
    return Symptom(name, priority, advice, explains=EXPLAINED, when=when, of_part=True, **about)


CHANGED = tuple(
    Symptom(
        name,
        12,
        ORIGIN,
        when=functools.partial(is_change, name=name),
        undo=lambda data: data.undo_change(),
        of_part=True,
    )
    for name in ("transposed", "swapped voices")
)
# Few pieces are possible if voices hardly move, so this comes before repeats, unless more is repeated.
FROZEN = mode(
    "frozen rhythm",
    10,
    f"Voices hardly move. {LONGER}",
    is_slow,
    undo=without_slow,
    alone=frozenset({"repeats"}),
)
WRONG_RESTS = mode("wrong rests", 19, f"A voice or track rests too much or too little. {LONGER}")
WRONG_NOTES = mode(
    "wrong notes",
    20,
    f"Single notes fit neither chord nor melody. {LONGER}",
    lambda f: loses_chords(f) and changes_moves(f),
)
CROSSED = mode("crossed voices", 21, f"Voices change places. {LONGER}", lambda found: not loses_chords(found))
BROKEN_MELODY = mode(
    "broken melody",
    22,
    f"Chords are right, but voices leap from one to the next. {LONGER}",
    lambda found: not loses_chords(found) and changes_moves(found),
)
WRONG_HARMONY = mode(
    "wrong harmony", 23, f"Each voice is plausible, but together they form no chords. {LONGER}", loses_chords
)
RESTLESS = mode("restless rhythm", 24, f"Voices move too often. {LONGER}", lambda found: not is_slow(found))
WRONG_KEY = mode("wrong key", 25, f"Pitch classes have other shares. {LONGER}")
WRONG_REGISTER = mode("wrong register", 26, f"A voice or track is too high or too low. {LONGER}")
WRONG_POLYPHONY = mode("wrong polyphony", 22, f"Tracks sound too many or too few notes at a time. {LONGER}")
SCATTERED = mode("scattered pitches", 24, f"A track uses too many or too few pitch classes in a bar. {LONGER}")
FRAGMENTED = mode("fragmented notes", 28, f"Notes are too short or too long. {LONGER}")
# What else is wrong breaks rules, too, and says more.
OUTSIDE_GRAMMAR = mode("broken progressions", 29, f"Items break a rule of the chord grammar. {LONGER}")


# --- measures ---


def describe_change(data: Any, bounds: Bounds) -> str:
    """Return the evidence of what was done to all samples."""
    words = data.change.words if data.change else "changed"
    gain = data.profiles["pitch_change"].measurement.number
    return f"samples are {words}: undone, the shares of their pitches are {gain:.2f} nearer to the real ones"


profile = functools.partial(profile_measure, real="real items")
ratio = functools.partial(statistic_measure, real="real items")

MEASURES = (
    profile(
        "valid_progressions",
        "share of items that keep every rule of the chord grammar",
        0.95,
        OUTSIDE_GRAMMAR,
        WRONG_NOTES,
        BROKEN_MELODY,
        WRONG_HARMONY,
        kind="relative",
        better="high",
        limits={"gt": 0, "le": 1},
        needs=GRAMMAR,
        headline=True,
    ),
    profile(
        "in_scale",
        "share of notes in the scale of C major, over that of real items",
        0.97,
        WRONG_NOTES,
        WRONG_KEY,
        kind="relative",
        better="high",
        limits={"gt": 0, "le": 1},
        needs=PITCHES,
    ),
    profile(
        "triads",
        "share of steps that sound a seventh chord, or a triad or part of one, minus that of real items",
        0.28,
        WRONG_NOTES,
        WRONG_HARMONY,
        better="high",
        needs=PITCHES,
    ),
    profile(
        "crossings",
        "share of steps at which a voice lies below the next one, minus that of real items",
        0.03,
        CROSSED,
        WRONG_NOTES,
        needs=VOICES,
    ),
    profile(
        "melody",
        "total variation of the intervals by which voices move, from those of real items",
        0.15,
        WRONG_NOTES,
        BROKEN_MELODY,
        needs=VOICES,
    ),
    profile(
        "pitch_classes",
        "total variation of the pitch classes from those of real items",
        0.1,
        WRONG_KEY,
        needs=PITCHES,
    ),
    profile(
        "registers",
        "largest difference of the mean pitch of a voice or track from that of real items, in semitones",
        2.0,
        WRONG_REGISTER,
        needs=PITCHES,
    ),
    profile(
        "rests",
        "largest difference of the share of rests of a voice or track from that of real items",
        0.05,
        WRONG_RESTS,
    ),
    profile(
        "empty_bars",
        "largest difference of a track's share of silent bars from that of real items",
        0.05,
        WRONG_RESTS,
        needs=TRACKS,
    ),
    profile(
        "polyphony",
        "largest difference of the mean number of notes that a track sounds at a time from that of real items",
        0.25,
        WRONG_POLYPHONY,
        needs=TRACKS,
    ),
    profile(
        "used_classes",
        "largest difference of the mean number of pitch classes that a track uses in a bar from that of real items",
        0.5,
        WRONG_NOTES,
        SCATTERED,
        needs=TRACKS,
    ),
    profile(
        "tonal_distance",
        "largest difference of the mean tonal distance of two tracks in a bar from that of real items (0 to 2)",
        0.1,
        WRONG_NOTES,
        WRONG_HARMONY,
        needs=SEVERAL,
    ),
    profile(
        "short_notes",
        "largest difference of a track's share of notes that last one step from that of real items",
        0.1,
        FRAGMENTED,
        needs=TRACKS,
    ),
    profile(
        "pitch_change",
        "how much nearer the shares of pitches come to real ones if samples are transposed or their voices reordered; "
        "0 unless that halves the distance",
        0.1,
        *CHANGED,
        evidence=describe_change,
        needs=VOICES,
    ),
    Measure("pitch_change_kind", name_change, "what was done to all samples", reported=False),
    ratio(
        "onset_rate", "share of steps at which a voice begins a note, or notes that begin at a step", FROZEN, RESTLESS
    ),
    ratio("interval", "mean interval by which voices move", BROKEN_MELODY, WRONG_NOTES, needs=VOICES),
)
