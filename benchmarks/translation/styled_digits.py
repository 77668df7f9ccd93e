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


def translate(graph: Graph, images: UInt8Array, style: int | None, references: UInt8Array | None, seed: int) -> Items:
    """Translate images [n, H, W, 1], in the style of references, or in a random one if the graph takes `z`.

    `style` is None for graphs that take no label.
    """
    medium, item = graph.medium, graph.metadata.item
    inputs = {"image": medium.to_network(images, item)}
    if style is not None:
        inputs["label"] = np.full(len(images), style)
    if references is not None:
        inputs["reference"] = medium.to_network(references, item)
    elif graph.metadata.latent:
        inputs["z"] = latents(seed, 0, len(images), graph.metadata.latent)
    return graph.to_items(graph.session.run(["images"], inputs)[0])


@dataclass(frozen=True)
class Row:
    """Shares of the images of one direction.

    Attributes:
        kind: Where the style comes from: "z", "example", or "real images", which are not translated.
        source: Style of the inputs.
        target: Style that was asked for.
        style: Share that shows the target.
        digit: Share that keeps the digit.
    """

    kind: str
    source: str
    target: str
    style: float
    digit: float


def measure(generator: Path, seed: int) -> list[Row]:
    """Return the shares of real images and of translations in every direction."""
    test, judges = Drawings(test=True), train_judges(Drawings(test=False))
    graph = Graph(generator)
    if tuple(graph.metadata.classes) != STYLES:
        raise SystemExit(f"{generator}: its classes are {graph.metadata.classes}, not {STYLES}")
    example = Graph(generator.with_name("example.onnx"))
    rng = np.random.default_rng(seed)
    rows = []
    for target, name in enumerate(STYLES):
        real = test.styles == target
        rows.append(
            Row("real images", name, name, *judges.shares(test.array[real], test.styles[real], test.digits[real]))
        )
        for source, other in enumerate(STYLES):
            chosen = test.styles == source
            if source == target:
                continue
            wanted = np.full(int(chosen.sum()), target)
            references = test.array[rng.choice(np.flatnonzero(real), len(wanted))]
            for kind, opened, like in (("z", graph, None), ("example", example, references)):
                images = translate(opened, test.array[chosen], target, like, seed)
                rows.append(Row(kind, other, name, *judges.shares(images, wanted, test.digits[chosen])))
    return rows


def mean_shares(rows: list[Row]) -> str:
    """Return the cells of the means of both shares."""
    return f"{np.mean([row.style for row in rows]):.1%} | {np.mean([row.digit for row in rows]):.1%}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("generator", type=Path, nargs="?", default=Path("exported/generator.onnx"))
    parser.add_argument("--seed", type=int, default=0, help="of the latents and of the choice of examples")
    arguments = parser.parse_args()
    rows = measure(arguments.generator, arguments.seed)
    print("| style from | target | style as asked | digit kept |\n|---|---|---|---|")
    for kind in ("real images", "z", "example"):
        of_kind = [row for row in rows if row.kind == kind]
        for name in STYLES:
            print(f"| {kind} | {name} | {mean_shares([row for row in of_kind if row.target == name])} |")
        print(f"| {kind} | mean | {mean_shares(of_kind)} |")
    print(f"\n| digit kept, z | {' | '.join(f'to {name}' for name in STYLES)} |\n|{'---|' * (len(STYLES) + 1)}")
    kept = {(row.source, row.target): f"{row.digit:.1%}" for row in rows if row.kind == "z"}
    for name in STYLES:
        print(f"| from {name} | {' | '.join(kept.get((name, target), '') for target in STYLES)} |")


if __name__ == "__main__":
    main()
