"""Read and write MIDI files, by mido: notes of parts, in ticks."""

import functools
import io
import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.media.codec import BadItem
from pipeline.media.music.midi_scan import measure
from pipeline.media.music.pedal import find_pedals, sustain
from pipeline.media.music.settings import MusicLimits, MusicSettings

if TYPE_CHECKING:
    from mido import MidiFile, MidiTrack  # type: ignore[import-untyped]

PERCUSSION = 9  # the tenth channel, counted from 0
TICKS = 480
"""Ticks of a quarter note in files that are written."""

VELOCITY = 80
PROGRAM = 52
"""General MIDI instrument of files that are written: a choir."""


@dataclass(frozen=True)
class Note:
    """A note that sounds from tick or time step `start` to `end`, the latter excluded."""

    pitch: int
    start: int
    end: int


@dataclass(frozen=True)
class Score:
    """A decoded file.

    Attributes:
        parts: Notes of each track, or channel of a track, in the order of the file, without percussion.
        programs: General MIDI instrument of each part, 0 to 127; 0 if the file states none.
        drums: Notes of the percussion channel.
        division: Ticks of a quarter note.
        ticks: Duration.
        tempo: First tempo in quarter notes a minute; 120 if the file states none.
        tempo_changes: How often the tempo becomes another one after that.
        meters: Time signatures, such as "3/4", in the order of time; those that repeat the one before are left out.
        hanging: Notes that no event ended; they end with their track.
        overlapping: Notes that were cut because the same pitch began again.
        pedalled: Notes that the sustain pedal made longer.
    """

    parts: Sequence[Sequence[Note]]
    programs: Sequence[int]
    drums: Sequence[Note]
    division: int
    ticks: int
    tempo: float
    tempo_changes: int
    meters: Sequence[str]
    hanging: int
    overlapping: int
    pedalled: int

    @property
    def meter(self) -> str:
        """First time signature; 4/4 if the file states none, as the format has it."""
        return self.meters[0] if self.meters else "4/4"

    @property
    def pedalled_share(self) -> float:
        """Share of the notes that the sustain pedal made longer."""
        return self.pedalled / (sum(map(len, self.parts)) + len(self.drums))


def read_score(data: bytes, limits: MusicLimits) -> Score:
    """Decode a MIDI file.

    Raises:
        BadItem: It is damaged, has no notes, or exceeds a limit.
    """
    check_header(data, limits)
    events, ticks = measure(data)
    if events > limits.events:
        raise BadItem(f"has {events:,} events, over data.limits.events {limits.events:,}")
    quarters = ticks / int.from_bytes(data[12:14], "big")
    if quarters > limits.quarters:
        raise BadItem(f"lasts {quarters:,.0f} quarter notes, over data.limits.quarters {limits.quarters:,g}")
    file = parse(data)
    return collect(file, max((sum(message.time for message in track) for track in file.tracks), default=0))


def check_header(data: bytes, limits: MusicLimits) -> None:
    """Raise BadItem for a file that is no MIDI file, or one of a kind that has no notes on one time line."""
    if not data:
        raise BadItem("is empty")
    if not data.startswith(b"MThd"):
        raise BadItem("not a MIDI file (it does not start with MThd)")
    if len(data) < 14 or int.from_bytes(data[4:8], "big") < 6:
        raise BadItem("is truncated in its header")
    kind, tracks, division = (int.from_bytes(data[at : at + 2], "big") for at in (8, 10, 12))
    if kind == 2:
        raise BadItem("is of format 2: independent patterns, not one piece")
    if kind > 2:
        raise BadItem(f"is of an unknown format, {kind}")
    if division & 0x8000:
        raise BadItem("counts time in SMPTE frames, not in parts of a quarter note")
    if division == 0:
        raise BadItem("has a division of 0 ticks a quarter note")
    if tracks == 0:
        raise BadItem("has no tracks")
    if tracks > limits.tracks:
        raise BadItem(f"announces {tracks:,} tracks, over data.limits.tracks {limits.tracks:,}")


def parse(data: bytes) -> "MidiFile":
    """Return the tracks of a file. Raises BadItem if it is damaged."""
    import mido

    try:
        return mido.MidiFile(file=io.BytesIO(data), clip=True)
    except EOFError:
        raise BadItem("is truncated") from None
    except Exception as error:  # noqa: BLE001 - mido raises errors of many kinds on damaged events
        raise BadItem(f"is damaged: {str(error) or type(error).__name__}") from None


def collect(file: "MidiFile", ticks: int) -> Score:
    """Return the notes of a parsed file. Raises BadItem if there are none, or if a tempo is 0."""
    parts: dict[tuple[int, int], list[Note]] = {}
    programs: dict[tuple[int, int], int] = {}
    counts: dict[str, int] = defaultdict(int)
    tempos: list[tuple[int, int]] = []
    meters: list[tuple[int, str]] = []
    for number, track in enumerate(file.tracks):
        now = 0
        sounding: dict[tuple[int, int], int] = {}
        for message in track:
            now += message.time
            if message.type == "set_tempo":
                tempos.append((now, message.tempo))
            elif message.type == "time_signature":
                meters.append((now, f"{message.numerator}/{message.denominator}"))
            elif message.type == "program_change" and (number, message.channel) not in parts:
                programs[number, message.channel] = programs[-1, message.channel] = message.program
            elif message.type in ("note_on", "note_off"):
                key = message.channel, message.note
                starts = message.type == "note_on" and message.velocity > 0  # velocity 0 ends a note
                if key in sounding:
                    counts["overlapping"] += starts
                    add_note(parts, number, key, (sounding.pop(key), now))
                if starts:
                    sounding[key] = now
        for key, start in sounding.items():
            counts["hanging"] += 1
            add_note(parts, number, key, (start, now))
    if any(tempo == 0 for _, tempo in tempos):
        raise BadItem("has a tempo of 0 microseconds a quarter note")
    if not parts:
        raise BadItem("has no notes")
    sort = functools.partial(sorted, key=lambda note: (note.start, note.pitch))
    pitched = [key for key in parts if key[1] != PERCUSSION]
    pedals = find_pedals(file, ticks)
    dry = [sort(parts[key]) for key in pitched]
    wet = [sustain(part, pedals.get(channel, ())) for part, (_, channel) in zip(dry, pitched, strict=True)]
    return Score(
        parts=wet,
        programs=[programs.get(key, programs.get((-1, key[1]), 0)) for key in pitched],
        drums=sort([note for key, notes in parts.items() if key[1] == PERCUSSION for note in notes]),
        division=file.ticks_per_beat,
        ticks=ticks,
        tempo=60e6 / min(tempos)[1] if tempos else 120.0,
        tempo_changes=max(0, sum(1 for _ in itertools.groupby(tempo for _, tempo in sorted(tempos))) - 1),
        meters=[meter for meter, _ in itertools.groupby(meter for _, meter in sorted(meters))],
        hanging=counts["hanging"],
        overlapping=counts["overlapping"],
        pedalled=sum(
            a != b for before, after in zip(dry, wet, strict=True) for a, b in zip(before, after, strict=True)
        ),
    )


def add_note(parts: dict[tuple[int, int], list[Note]], track: int, key: tuple[int, int], span: tuple[int, int]) -> None:
    """Add a note to its part, unless it has no length."""
    channel, pitch = key
    if span[1] > span[0]:
        parts.setdefault((track, channel), []).append(Note(pitch, *span))


def check_meter(score: Score, settings: MusicSettings) -> None:
    """Raise BadItem for a file in another meter than `data.meter`, or one that changes it."""
    if settings.meter is None or set(score.meters or [score.meter]) == {settings.meter}:
        return
    if len(score.meters) > 1:
        raise BadItem(f"changes its meter ({', then '.join(score.meters[:4])}), and data.meter is {settings.meter}")
    raise BadItem(f"is in {score.meter}, and data.meter is {settings.meter}")


def in_ticks(parts: Sequence[Sequence[Note]], steps_per_quarter: int) -> list[list[Note]]:
    """Return notes in time steps as notes in ticks of `TICKS`."""
    ticks = TICKS // steps_per_quarter
    return [[Note(note.pitch, note.start * ticks, note.end * ticks) for note in part] for part in parts]


def write_score(
    parts: Sequence[Sequence[Note]],
    names: Sequence[str],
    tempo: float,
    programs: Sequence[int | None] = (),
    meter: str | None = None,
) -> bytes:
    """Return a file of format 1 with one track and one channel for each part.

    Args:
        parts: Notes in ticks of `TICKS`.
        names: Name of each track.
        tempo: Quarter notes a minute.
        programs: General MIDI instrument of each part, None for the percussion channel; empty: a choir.
        meter: Time signature to state.
    """
    import mido

    file = mido.MidiFile(ticks_per_beat=TICKS)
    channels = [channel for channel in range(16) if channel != PERCUSSION]
    instruments = programs or [PROGRAM] * len(parts)
    for number, (notes, name, program) in enumerate(zip(parts, names, instruments, strict=True)):
        track = mido.MidiTrack()
        track.append(mido.MetaMessage("track_name", name=name))
        if number == 0:
            track.append(mido.MetaMessage("set_tempo", tempo=round(60e6 / tempo)))
            if meter:
                beats, unit = map(int, meter.split("/"))
                track.append(mido.MetaMessage("time_signature", numerator=beats, denominator=unit))
        channel = PERCUSSION if program is None else channels[number % len(channels)]
        if program is not None:
            track.append(mido.Message("program_change", channel=channel, program=program))
        append_notes(track, notes, {"channel": channel, "velocity": VELOCITY})
        file.tracks.append(track)
    out = io.BytesIO()
    file.save(file=out)
    return out.getvalue()


def append_notes(track: "MidiTrack", notes: Sequence[Note], about: Mapping[str, Any]) -> None:
    """Append the events of notes; at one tick notes end before others start."""
    import mido

    events = sorted([(note.end, 0, note.pitch) for note in notes] + [(note.start, 1, note.pitch) for note in notes])
    last = 0
    for tick, starts, pitch in events:
        track.append(mido.Message("note_on" if starts else "note_off", note=pitch, time=tick - last, **about))
        last = tick
