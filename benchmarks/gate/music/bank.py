"""The bank of music: voices or tracks of the chord grammar, or MIDI files with a test split."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from benchmarks.gate.data import Data, Items, ingest, load_with_larger_rest
from benchmarks.gate.failure import Int64, Real
from benchmarks.gate.generated import GeneratedBank, add_generator_options
from benchmarks.gate.music import failures, track_failures

EXAMPLES = """
    python -m benchmarks.gate music                          the chord grammar, some minutes on two cores
    python -m benchmarks.gate music --tracks                 the same pieces as three tracks
    python -m benchmarks.gate music --source chorales.zip    MIDI files of four parts, with a test split
    python -m benchmarks.gate music --only voices --draws 0  failures whose name contains a word
    python -m benchmarks.gate music --generator FOLDER       also pieces of an exported generator
"""

GRAMMAR = "data: {medium: music, pitches: [41, 79]}\n"
TRACKS = "data: {medium: music, pitches: [36, 84], tracks: [pipe, piano, bass]}\n"
FILES = "data: {medium: music, source: SOURCE, pitches: [33, 88], key: C, hop: 2}\n"
REST = "model: {variant: vanilla}\ntrain: {flips: false}\n"
MOVED = 3
"""One of so many training pieces of the chord grammar joins the test split."""


def add_options(parser: ArgumentParser) -> None:
    """Add the options of this bank."""
    parser.add_argument("--source", type=Path, help="MIDI files with a test split; default: the chord grammar")
    parser.add_argument("--tracks", action="store_true", help="the chord grammar as tracks instead of voices")
    add_generator_options(parser)


def load(source: Path | None, cache: Path, tracks: bool = False) -> Data:
    """Load the pieces of a source; without one, of the chord grammar as voices or tracks."""
    if source is not None:
        params = FILES.replace("SOURCE", str(source.resolve()))
        train, rest = map(Items.read, ingest(cache / f"music-{source.stem}", params + REST))
        return Data(source.stem, train, rest, train.item)
    name = "chord-tracks" if tracks else "chord-grammar"
    return load_with_larger_rest(name, cache / f"music-{name}", (TRACKS if tracks else GRAMMAR) + REST, MOVED)


def make_real(data: Data, fresh: Int64) -> Real:
    """Return fresh pieces; there are none of another kind."""
    images = data.rest.array[fresh]
    return Real(images, data.rest.labels[fresh], data.train.array, images[:0])


def open_bank(options: Namespace) -> GeneratedBank[Real]:
    """Load the pieces."""
    if options.tracks and options.source:
        raise SystemExit("--tracks is for the chord grammar: omit --source")
    broken = track_failures.FAILURES if options.tracks else failures.FAILURES
    return GeneratedBank(load(options.source, options.cache, options.tracks), broken, make_real, options)
