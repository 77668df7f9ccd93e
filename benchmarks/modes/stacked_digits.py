"""Mode coverage of the project's variants on stacked digits (1,000 modes)."""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import TypeAdapter
from tqdm import tqdm

from benchmarks.modes import common
from benchmarks.modes.metrics import Coverage
from benchmarks.modes.triples import EVALUATED_TRIPLES, TRAINING_TRIPLES, TripleClassifier, Triples
from pipeline.arrays import UInt8Array
from pipeline.data.views import Unlabelled
from pipeline.gans.base import GAN
from pipeline.gans.registry import ModelSettings, build
from pipeline.items import ItemSpec
from pipeline.media.registry import tensors_of
from pipeline.training.device import pick_device
from pipeline.training.loop import Trainer
from pipeline.training.settings import TrainSettings

IMAGE = ItemSpec(height=8, width=8, channels=3)
SHOWN = 64
"""Samples per recipe in the picture."""


@dataclass(frozen=True)
class Recipe:
    """One row of the table: `model` and `train` as in params.yaml."""

    title: str
    model: dict[str, Any]
    train: dict[str, Any]


def schedule(start: float, fraction: float) -> dict[str, float]:
    """Return a schedule from `start` to `fraction` of it."""
    return {"start": start, "end": fraction * start}


AS_PUBLISHED = {
    "batch_size": 64,
    "total_images": 1_000_000,
    "learning_rate": {"generator": 2e-4, "discriminator": 2e-4},
    "beta1": 0.5,
    "ema_half_life": 0,
}
RECIPES = {
    "dcgan": Recipe("DCGAN as published", {"variant": "dcgan"}, AS_PUBLISHED),
    "pacdcgan": Recipe("PacDCGAN2", {"variant": "dcgan", "stabilisers": {"packing": 2}}, AS_PUBLISHED),
    "best": Recipe(
        "DCGAN's networks, R3GAN's loss",
        {
            "variant": "dcgan",
            "latent": 64,
            "discriminator_norm": "none",
            "objective": "relativistic",
            "penalties": {"r1": 30.0, "r2": 30.0},
        },
        {
            "batch_size": 128,
            "total_images": 1_500_000,
            "learning_rate": {"generator": schedule(2e-3, 0.1), "discriminator": schedule(2e-3, 0.1)},
            "beta1": 0.0,
            "beta2": 0.99,
            "ema_half_life": 30_000,
        },
    ),
}


@dataclass(frozen=True)
class Run:
    """One training and its result; `sheet` holds the first samples, uint8 [64, 8, 8, 3]."""

    recipe: str
    seed: int
    coverage: Coverage
    images: int
    seconds: float  # CPU time, summed over the threads; on a GPU wall-clock time
    sheet: UInt8Array


def sample(gan: GAN, trainer: Trainer, n: int, seed: int) -> UInt8Array:
    """Generate `n` images with the averaged weights, uint8 [n, 8, 8, 3]."""
    rng = torch.Generator().manual_seed(seed)
    with trainer.ema.apply_to(gan):
        to_items = tensors_of(Triples.item).from_network
        return np.concatenate([to_items(gan.sample(min(1000, n - done), rng)) for done in range(0, n, 1000)])


def run(
    recipe: str,
    seed: int,
    classifier: TripleClassifier,
    device: torch.device,
    images: int | None = None,
    n: int = EVALUATED_TRIPLES,
) -> Run:
    """Train and evaluate one recipe; `images` overrides its length."""
    chosen = RECIPES[recipe]
    model: ModelSettings = TypeAdapter(ModelSettings).validate_python(chosen.model)
    total = images or chosen.train["total_images"]
    settings = TrainSettings.model_validate(
        chosen.train | {"seed": seed, "total_images": total, "precision": "float32", "log_images": 20_000}
    )
    torch.manual_seed(seed)
    gan = build(model, IMAGE)
    batches = Unlabelled(Triples(classifier.train, TRAINING_TRIPLES, seed), device, seed)
    with tqdm(total=total, desc=f"{recipe}, seed {seed}", unit="image", unit_scale=True) as bar:
        began = time.process_time()
        trainer = common.train(gan, batches, settings, device, lambda seen: bar.update(seen - bar.n))
        seconds = time.process_time() - began if device.type == "cpu" else trainer.seconds
    samples = sample(gan, trainer, n, seed + 1)
    coverage = classifier.coverage(samples)
    message = f"{recipe} seed {seed}: {coverage.modes} modes, KL {coverage.kl:.4f}, {seconds / 60:.1f} minutes"
    tqdm.write(message, file=sys.stderr)
    return Run(recipe, seed, coverage, trainer.images_seen, seconds, samples[:SHOWN])


def report(runs: Sequence[Run], classifier: TripleClassifier, floor: Sequence[Coverage], place: str) -> str:
    """Format the Markdown table; `floor` are the results of the true sampler."""

    def cells(results: Sequence[Coverage]) -> list[str]:
        return [common.spread([c.modes for c in results], 0), common.spread([c.kl for c in results], 4)]

    rows = []
    for recipe in dict.fromkeys(one.recipe for one in runs):
        mine = [one for one in runs if one.recipe == recipe]
        minutes = np.mean([one.seconds for one in mine]) / 60
        rows.append(
            [RECIPES[recipe].title, *cells([one.coverage for one in mine]), f"{mine[0].images:,}", f"{minutes:.1f}"]
        )
    rows.append(["*a perfect sampler*", *cells(floor), "", ""])
    head = ["recipe", "modes of 1,000", "KL (nats)", "training images", "minutes per run"]
    seeds = len({one.seed for one in runs})
    seeded = "one seed" if seeds == 1 else f"mean ± standard deviation of {seeds} seeds"
    named = f"accuracy of the classifier on held-out digits: {100 * classifier.accuracy:.1f} %"
    note = f"{EVALUATED_TRIPLES:,} samples; {seeded}; {named}. {place}."
    return "\n\n".join([common.table(head, rows), note])


def draw_picture(runs: Sequence[Run], classifier: TripleClassifier, file: Path) -> None:
    """Draw samples of each recipe's first seed next to real triples."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from pipeline.media.sheet import grid

    first = min(one.seed for one in runs)
    sheets = [
        (f"{RECIPES[one.recipe].title}\n{one.coverage.modes} modes, KL {one.coverage.kl:.3f}", one.sheet)
        for one in runs
        if one.seed == first
    ]
    sheets.append(("real\n", Triples(classifier.train, SHOWN, 0).pixels))
    figure = Figure(figsize=(3.3 * len(sheets), 3.7), layout="constrained")
    FigureCanvasAgg(figure)
    for panel, (title, images) in zip(figure.subplots(1, len(sheets), squeeze=False)[0], sheets, strict=True):
        panel.imshow(grid(images, cell=32), interpolation="nearest")
        panel.set_title(title, fontsize=9)
        panel.set_axis_off()
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=90)


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.modes.stacked_digits",
        description="Train each recipe on triples of digits (1,000 modes). "
        "Report the modes covered and the KL divergence, compared with the true sampler.",
        epilog="examples:\n"
        "  python -m benchmarks.modes.stacked_digits\n"
        "  python -m benchmarks.modes.stacked_digits --recipes best --device cuda --seeds 3\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--recipes", nargs="+", choices=RECIPES, default=list(RECIPES))
    parser.add_argument("--seeds", type=int, default=1, help="runs per recipe, with seeds 0, 1, ... (default: 1)")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument(
        "--threads", type=int, default=1, help="CPU threads; more hardly help with images this small (default: 1)"
    )
    parser.add_argument("--images", type=int, help="training length in images; overrides the recipes")
    parser.add_argument(
        "--out",
        type=Path,
        help="folder for stacked_digits.md and stacked_digits.png; without it the result is only printed",
    )
    chosen = parser.parse_args(argv)
    for name in ("seeds", "threads", "images"):
        if getattr(chosen, name) is not None and getattr(chosen, name) < 1:
            parser.error(f"--{name} must be at least 1")
    return chosen


def main(argv: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    chosen = arguments(argv)
    torch.set_num_threads(chosen.threads)
    device = pick_device(chosen.device)
    classifier = TripleClassifier(device)
    floor = [classifier.evaluate_true_sampler(seed) for seed in range(5)]
    runs = [
        run(recipe, seed, classifier, device, chosen.images)
        for recipe in chosen.recipes
        for seed in range(chosen.seeds)
    ]
    place = common.machine(device, f"{chosen.threads} thread{'s' if chosen.threads > 1 else ''}")
    text = report(runs, classifier, floor, place)
    print(text)
    if chosen.out:
        common.write(chosen.out, "stacked_digits", text)
        draw_picture(runs, classifier, chosen.out / "stacked_digits.png")


if __name__ == "__main__":
    main()
