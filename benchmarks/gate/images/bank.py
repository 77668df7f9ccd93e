"""The bank of images: the embedded digits, or any labelled source with a test split."""

from argparse import ArgumentParser, BooleanOptionalAction, Namespace
from pathlib import Path

from benchmarks.gate.data import Data
from benchmarks.gate.failure import Int64, Real
from benchmarks.gate.generated import GeneratedBank, add_generator_options
from benchmarks.gate.images.data import load_digits, load_foreign, load_source
from benchmarks.gate.images.failures import FAILURES

EXAMPLES = """
    python -m benchmarks.gate images                                    embedded digits, some minutes on two cores
    python -m benchmarks.gate images --no-labels                        the same without their labels
    python -m benchmarks.gate images --source fashion-mnist.zip         any labelled source with a test split
    python -m benchmarks.gate images --only copies --draws 0            failures whose name contains a word
    python -m benchmarks.gate images --weakest                          only the strengths that decide
    python -m benchmarks.gate images --source cifar10.zip --channels rgb --limit 300    300 images of each class
    python -m benchmarks.gate images --train 360 --reference 90         as with a small dataset
    python -m benchmarks.gate images --generator FOLDER                 also samples of an exported generator
"""


def add_options(parser: ArgumentParser) -> None:
    """Add the options of this bank."""
    parser.add_argument("--source", type=Path, help="labelled folder or archive; default: the embedded digits")
    parser.add_argument("--resolution", type=int, default=32, help="side of the images of --source")
    parser.add_argument("--channels", choices=("gray", "rgb"), default="gray", help="colour of the images of --source")
    parser.add_argument("--limit", type=int, help="images of --source per class in either split, at most; default: all")
    parser.add_argument("--labels", action=BooleanOptionalAction, default=True, help="whether the gate sees the labels")
    add_generator_options(parser)
    parser.add_argument("--train", type=int, help="training images, at most; default: all")
    parser.add_argument(
        "--reference", type=int, help="images in the reference, at most; default: half of those held out"
    )


def open_bank(options: Namespace) -> GeneratedBank[Real]:
    """Load the images."""
    data = load_digits()
    if options.source:
        data = load_source(options.source, options.resolution, options.channels, options.cache, options.limit)
    foreign = load_foreign(data.rest.array.shape[1:])
    labels = data.rest.labels  # the corruptions see them even if the gate does not

    def make_real(data: Data, fresh: Int64) -> Real:
        return Real(data.rest.array[fresh], labels[fresh], data.train.array, foreign)

    restricted = data.restrict(options.labels, options.train, options.reference)
    name = data.name if options.labels else f"{data.name}-unlabelled"
    return GeneratedBank(restricted, FAILURES, make_real, options, name=name)
