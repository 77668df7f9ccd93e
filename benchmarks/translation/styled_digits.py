"""Translations of digits between four styles against the truth: which style they show, and which digit.

Two classifiers learn from the real training images, one the styles and one the digits. Both are independent.
The numbers stand next to those of real held-out images.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from pipeline.arrays import Int64Array, Items, UInt8Array
from pipeline.evaluation.extractors.base import ArrayItems, extract
from pipeline.evaluation.extractors.classifier import Classifier, train_classifier
from pipeline.items import ItemSpec
from pipeline.media.image.digits import load_pixels
from pipeline.media.image.styled_digits import INK, SIDE, TEST_EVERY, draw
from pipeline.serving.graph_tensors import latents
from pipeline.serving.runtime.generator import Graph

STYLES = tuple(sorted(INK))
BATCH = 256


class Drawings(ArrayItems):
    """One side of the split of the styled digits; `labels` are styles or digits."""

    def __init__(self, *, test: bool) -> None:
        pixels, digits = load_pixels()
        chosen = [(number, style) for number in range(len(pixels)) for style in range(len(STYLES))]
        chosen = [(number, style) for number, style in chosen if (number % TEST_EVERY == 0) == test]
        super().__init__(np.stack([draw(pixels[number], STYLES[style], number) for number, style in chosen])[..., None])
        self.styles = np.array([style for _, style in chosen])
        self.digits: Int64Array = digits[[number for number, _ in chosen]].astype(np.int64)
        self.labels = self.styles
        self.fingerprint = ""

    def labelled(self, labels: Int64Array) -> "Drawings":
        """Return the same images with these labels."""
        self.labels = labels
        return self


@dataclass(frozen=True)
class Judges:
    """A classifier of styles and one of digits."""

    styles: Classifier
    digits: Classifier

    def shares(self, images: Items, style: Int64Array, digit: Int64Array) -> tuple[float, float]:
        """Return the share of images that show the given styles, and of those that show the given digits."""
        shown = [
            one.predict(extract(one, ArrayItems(images), BATCH)).argmax(axis=1) for one in (self.styles, self.digits)
        ]
        return float(np.mean(shown[0] == style)), float(np.mean(shown[1] == digit))


def train_judges(train: Drawings) -> Judges:
    """Train both classifiers on real images."""
    nothing, device = np.empty(0, dtype=np.int64), torch.device("cpu")
    kinds = ((train.styles, STYLES), (train.digits, tuple(map(str, range(10)))))
    found = [
        train_classifier(
            train.labelled(labels), nothing, ItemSpec(height=SIDE, width=SIDE, channels=1, classes=names), device
        )
        for labels, names in kinds
    ]
    return Judges(*found)


def translate(graph: Graph, images: UInt8Array, style: int, references: UInt8Array | None, seed: int) -> Items:
    """Translate images [n, H, W, 1] to a style, in a random variation of it or in that of references."""
    medium, item = graph.medium, graph.metadata.item
    inputs = {"image": medium.to_network(images, item), "label": np.full(len(images), style)}
    if references is None:
        inputs["z"] = latents(seed, 0, len(images), graph.metadata.latent)
    else:
        inputs["reference"] = medium.to_network(references, item)
    return graph.to_items(graph.session.run(["images"], inputs)[0])


def measure(generator: Path, seed: int) -> list[tuple[str, str, float, float]]:
    """Return rows: source of the style, target, share with the style, share that keeps the digit."""
    test, judges = Drawings(test=True), train_judges(Drawings(test=False))
    graph = Graph(generator)
    if tuple(graph.metadata.classes) != STYLES:
        raise SystemExit(f"{generator}: its classes are {graph.metadata.classes}, not {STYLES}")
    example = Graph(generator.with_name("example.onnx"))
    rng = np.random.default_rng(seed)
    rows = []
    for number, name in enumerate(STYLES):
        real, others = test.styles == number, test.styles != number
        digits, wanted = test.digits[others], np.full(int(others.sum()), number)
        rows.append(("real images", name, *judges.shares(test.array[real], test.styles[real], test.digits[real])))
        references = test.array[rng.choice(np.flatnonzero(real), len(wanted))]
        for kind, source in (("z", None), ("example", references)):
            images = translate(graph if source is None else example, test.array[others], number, source, seed)
            rows.append((kind, name, *judges.shares(images, wanted, digits)))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("generator", type=Path, nargs="?", default=Path("exported/generator.onnx"))
    parser.add_argument("--seed", type=int, default=0, help="of the latents and of the choice of examples")
    arguments = parser.parse_args()
    rows = measure(arguments.generator, arguments.seed)
    print("| style from | target | style as asked | digit kept |\n|---|---|---|---|")
    for kind in ("real images", "z", "example"):
        chosen = [row for row in rows if row[0] == kind]
        mean = ("mean", *(float(np.mean([row[column] for row in chosen])) for column in (2, 3)))
        for _, name, style, digit in [*chosen, (kind, *mean)]:
            print(f"| {kind} | {name} | {style:.1%} | {digit:.1%} |")


if __name__ == "__main__":
    main()
