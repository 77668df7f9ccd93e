"""One file for a model that accompanies what is given, and its result as a file."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline.items import ItemSpec
from pipeline.media.codec import BadItem, TransformInput
from pipeline.media.music.families import DRUMS
from pipeline.media.music.form import form_of, lowest, pitch_count
from pipeline.media.music.midi import Note, read_score
from pipeline.media.music.settings import MusicLimits, MusicSettings

HIGHEST = 127
"""The highest MIDI pitch."""


@dataclass(frozen=True)
class Origin:
    """What a file had that a result gets back: its first tempo and meter, and by how many semitones it was moved."""

    tempo: float
    shift: int
    meter: str | None = None


def settings_of(spec: ItemSpec) -> MusicSettings:
    """Return the settings by which items of a spec were stored."""
    details = spec.details
    low = lowest(spec)
    return MusicSettings.model_validate(
        {
            "source": "a file",
            "voices": 1 if "tracks" in details else spec.width,
            "steps": spec.height,
            "steps_per_quarter": details.get("steps_per_quarter", 1),
            "pitches": [low, low + pitch_count(spec) - 1],
            "key": details.get("key", "keep"),
            "onsets": bool(details.get("onsets")),
        }
    )


def read_piece(data: bytes, spec: ItemSpec, largest: int) -> TransformInput:
    """Return a file of any length as one item [steps, W, C]; voices or tracks that it lacks are silent.

    The parts of the file are the first voices or tracks.

    Raises:
        BadItem: It has more parts than the model has voices or tracks, notes out of range, or too many steps.
    """
    score = read_score(data, MusicLimits())
    form, settings = form_of(spec), settings_of(spec)
    names, parts = form.names(spec), [*score.parts]
    if names[0] == DRUMS:
        # A rhythm has no key.
        parts, settings = [score.drums, *parts], settings.model_copy(update={"key": "keep"})
    if not any(parts):
        raise BadItem("has only percussion (channel 10)")
    if len(parts) > len(names):
        raise BadItem(
            f"has {len(parts)} parts with notes, and the model takes at most {len(names)}: {', '.join(names)}"
        )
    filled = replace(score, parts=[*parts, *([[]] * (len(names) - len(parts)))])
    if "tracks" in spec.details:
        settings = settings.model_copy(update={"tracks": len(names)})
    placed = form.place(filled, settings)
    if placed.length * spec.width * spec.channels > largest:
        raise BadItem(f"lasts {placed.length:,} time steps, which is too long for one piece")
    values = placed.window(0, settings.model_copy(update={"steps": placed.length}))
    if values is None:
        low, high = settings.pitches
        after = f", transposed by {placed.shift} semitones," if placed.shift else ""
        raise BadItem(f"has notes that{after} are outside the range of the model, MIDI pitches {low} to {high}")
    losses = [f"{placed.lost:.0%} of the notes sound at no time step"] if placed.lost else []
    if placed.stacked:
        losses.append(f"{placed.stacked:.0%} of the notes are hidden by higher ones of their voice")
    if score.tempo_changes:
        losses.append(f"the tempo stays at its first value, {score.tempo:.3g} quarter notes a minute")
    if len(score.meters) > 1:
        losses.append(f"the meter stays {score.meter}")
    meter = score.meter if score.meters else None
    return TransformInput(values, Origin(score.tempo, placed.shift, meter), tuple(losses))


def undo_shift(notes: Sequence[Sequence[Note]], names: Sequence[str], origin: Origin) -> list[list[Note]]:
    """Return the notes of each voice or track in the key of the source; percussion has none."""
    return [
        list(part) if name == DRUMS else [replace(note, pitch=move(note.pitch, -origin.shift)) for note in part]
        for part, name in zip(notes, names, strict=True)
    ]


def move(pitch: int, semitones: int) -> int:
    """Return a transposed pitch; one that is no MIDI pitch goes by octaves to where it is one."""
    moved = pitch + semitones
    return moved + 12 if moved < 0 else moved - 12 if moved > HIGHEST else moved
