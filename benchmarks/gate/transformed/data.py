"""The real images: pieces of scikit-learn's two photographs, or a source with two classes or with pairs."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn import datasets

from benchmarks.gate.data import ingest
from benchmarks.gate.failure import UInt8
from benchmarks.gate.images.data import load_foreign
from benchmarks.gate.transformed.failures import Results

TRAINING = 1500
"""Training images of the target domain, at most."""


@dataclass(frozen=True, eq=False)  # compared by identity, so that it can be the key of a cache
class Split:
    """One draw: results of a good model, what they are compared with, and training images of the target domain.

    `paired`: `target` holds the partners of the inputs.
    """

    results: Results
    target: UInt8
    train: UInt8
    paired: bool


@dataclass(frozen=True)
class Data:
    """Images of the source and of the target domain, in pairs or not."""

    name: str
    source: UInt8
    target: UInt8
    paired: bool

    def split(self, seed: int, samples: int) -> Split:
        """Draw inputs with good results, images to compare with, and training images; none of them twice."""
        rng = np.random.default_rng(seed)
        n = min(samples, len(self.target) // 5, len(self.source))
        order = rng.permutation(len(self.target))
        fresh, held_out, train = order[:n], order[n : 2 * n], order[2 * n : 2 * n + TRAINING]
        good, foreign = self.target[fresh], load_foreign(self.target.shape[1:])
        inputs = self.source[fresh] if self.paired else self.source[rng.permutation(len(self.source))[:n]]
        results = Results(inputs, good, self.target[held_out], foreign)
        return Split(results, good if self.paired else self.target[held_out], self.target[train], self.paired)


def photographs(side: int, count: int = 3000) -> tuple[UInt8, UInt8]:
    """Return pieces of the photographs of a temple and of a flower, [count, side, side, 3] each."""
    rng = np.random.default_rng(0)
    pieces = []
    for name in ("china.jpg", "flower.jpg"):
        picture = datasets.load_sample_image(name)
        rows, columns = (rng.integers(0, most - side, count) for most in picture.shape[:2])
        pieces.append(np.stack([picture[y : y + side, x : x + side] for y, x in zip(rows, columns, strict=True)]))
    return pieces[0], pieces[1]


def load_photographs(side: int, paired: bool) -> Data:
    """Return gray pieces and the same in colour as pairs, or pieces of a temple and of a flower as two domains."""
    temple, flower = photographs(side)
    if not paired:
        return Data("photographs", temple, flower, paired=False)
    both = np.concatenate([temple, flower])
    gray = np.repeat(np.rint(both.mean(axis=3, keepdims=True)).astype(np.uint8), 3, axis=3)
    return Data("photographs-paired", gray, both, paired=True)


def load_source(path: Path, resolution: int, cache: Path, *, pairs: str = "", classes: str = "") -> Data:
    """Ingest a source with pairs (the setting data.pairs) or two classes; a second run reads it from the cache."""
    from pipeline.data.domains import split_domains

    extra, variant = (f"pairs: {pairs}", "pix2pix") if pairs else (f"classes: [{classes}]", "cyclegan")
    params = (
        f"data: {{source: {path.resolve()}, resolution: {resolution}, channels: rgb, {extra}}}\n"
        f"model: {{variant: {variant}}}\n"
    )
    train, test = ingest(cache / f"{path.stem}-{resolution}-{pairs}{classes.replace(',', '-')}", params)
    # The gate sees nothing of the split: what is not compared is training data.
    domains = [list(split_domains(part).values()) for part in (test, train)]
    source, target = (np.concatenate([pair[side].images() for pair in domains]) for side in (0, 1))
    return Data(path.stem, source, target, bool(pairs))
