"""The bank of clips: the built-in moving digits, or an archive of clips."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from benchmarks.gate.data import Data, load_with_larger_rest
from benchmarks.gate.failure import Int64
from benchmarks.gate.generated import GeneratedBank, add_generator_options
from benchmarks.gate.video.failures import FAILURES, Clips

EXAMPLES = """
    python -m benchmarks.gate video                           one moving digit, with labels
    python -m benchmarks.gate video --source clips.zip        animations or strips of frames in folders of classes
    python -m benchmarks.gate video --only frozen --draws 0   failures whose name contains a word
    python -m benchmarks.gate video --generator FOLDER        also clips of an exported generator
"""

DIGITS = "data: {medium: video}\n"
FILES = "data: {medium: video, source: SOURCE, resolution: 32, frames: 16, test_fraction: 0.5}\n"
REST = "model: {variant: dcgan}\n"
MOVED = 4
"""One of so many training clips joins the test split."""


def add_options(parser: ArgumentParser) -> None:
    """Add the options of this bank."""
    parser.add_argument("--source", type=Path, help="clips in folders of classes; default: the moving digits")
    add_generator_options(parser)


def load(source: Path | None, cache: Path) -> Data:
    """Load the clips of a source; without one, the moving digits."""
    name = "moving-digits" if source is None else source.stem
    params = DIGITS if source is None else FILES.replace("SOURCE", str(source.resolve()))
    return load_with_larger_rest(name, cache / f"video-{name}", params + REST, MOVED)


def make_real(data: Data, fresh: Int64) -> Clips:
    """Return fresh clips; there are none of another kind."""
    clips = data.rest.array[fresh]
    return Clips(clips, data.rest.labels[fresh], data.train.array, clips[:0], data.item.frames)


def open_bank(options: Namespace) -> GeneratedBank[Clips]:
    """Load the clips."""
    data = load(options.source, options.cache)
    return GeneratedBank(data, FAILURES, make_real, options, name=f"video-{data.name}")
