"""The bank of volumes: the built-in solids, or an archive of voxel grids."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from benchmarks.gate.data import Data, load_with_larger_rest
from benchmarks.gate.failure import Int64, Real
from benchmarks.gate.generated import GeneratedBank, add_generator_options
from benchmarks.gate.volume.failures import FAILURES

EXAMPLES = """
    python -m benchmarks.gate volume                          the built-in solids
    python -m benchmarks.gate volume --source chairs.zip      voxel grids in train/ and test/
    python -m benchmarks.gate volume --only dust --draws 0    failures whose name contains a word
    python -m benchmarks.gate volume --generator FOLDER       also volumes of an exported generator
"""

SOLIDS = "data: {medium: volume}\n"
FILES = "data: {medium: volume, source: SOURCE}\n"
REST = "model: {variant: dcgan}\n"
MOVED = 3
"""Each of so many training items joins the test split, which is small."""


def add_options(parser: ArgumentParser) -> None:
    """Add the options of this bank."""
    parser.add_argument("--source", type=Path, help="voxel grids with a test split; default: the built-in solids")
    add_generator_options(parser)


def load(source: Path | None, cache: Path) -> Data:
    """Load the volumes of a source; without one, the built-in solids."""
    name = "solids" if source is None else source.stem
    params = SOLIDS if source is None else FILES.replace("SOURCE", str(source.resolve()))
    return load_with_larger_rest(name, cache / f"volume-{name}", params + REST, MOVED)


def make_real(data: Data, fresh: Int64) -> Real:
    """Return fresh volumes; there are none of another kind."""
    volumes = data.rest.array[fresh]
    return Real(volumes, data.rest.labels[fresh], data.train.array, volumes[:0])


def open_bank(options: Namespace) -> GeneratedBank[Real]:
    """Load the volumes."""
    data = load(options.source, options.cache)
    return GeneratedBank(data, FAILURES, make_real, options, name=f"volume-{data.name}")
