"""Stacked digits: which training of the project's variants finds all thousand modes, and each in its share?"""

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
from benchmarks.modes.triples import EVALUATED_TRIPLES, TRAINING_TRIPLES, Judge, Triples
from pipeline.arrays import UInt8Array
from pipeline.data.views import Unlabelled
from pipeline.gans.base import GAN, to_uint8
from pipeline.gans.registry import ModelSettings, build
from pipeline.items import ItemSpec
from pipeline.training.device import pick_device
from pipeline.training.loop import Trainer
from pipeline.training.settings import TrainSettings

IMAGE = ItemSpec(height=8, width=8, channels=3)
RESULTS = Path(__file__).parent / "results"
SHOWN = 64
"""Samples on a recipe's sheet."""


@dataclass(frozen=True)
class Recipe:
    """One row: `model` and `train` as they would stand in params.yaml."""

    title: str
    model: dict[str, Any]
    train: dict[str, Any]


def falling(start: float, share: float) -> dict[str, float]:
    """A schedule from `start` to `share` of it."""
    return {"start": start, "end": share * start}


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
            "learning_rate": {"generator": falling(2e-3, 0.1), "discriminator": falling(2e-3, 0.1)},
            "beta1": 0.0,
            "beta2": 0.99,
            "ema_half_life": 30_000,
        },
    ),
}


@dataclass(frozen=True)
class Run:
    """One training, judged; `sheet` holds its first samples, uint8 [64, 8, 8, 3]."""

    recipe: str
    seed: int
    coverage: Coverage
    images: int
    seconds: float  # of the processor, summed over its threads; on a GPU of the clock
    sheet: UInt8Array


def samples(gan: GAN, trainer: Trainer, n: int, seed: int) -> UInt8Array:
    """`n` images of the averaged networks, uint8 [n, 8, 8, 3]."""
    rng = torch.Generator().manual_seed(seed)
    with trainer.average.applied(gan):
        return np.concatenate([to_uint8(gan.sample(min(1000, n - done), rng)) for done in range(0, n, 1000)])


def run(
    recipe: str, seed: int, judge: Judge, device: torch.device, images: int | None = None, n: int = EVALUATED_TRIPLES
) -> Run:
    """Trains and judges one recipe; `images` shortens it."""
    chosen = RECIPES[recipe]
    model: ModelSettings = TypeAdapter(ModelSettings).validate_python(chosen.model)
    total = images or chosen.train["total_images"]
    settings = TrainSettings.model_validate(
        chosen.train | {"seed": seed, "total_images": total, "precision": "float32", "log_images": 20_000}
    )
    torch.manual_seed(seed)
    gan = build(model, IMAGE)
    batches = Unlabelled(Triples(judge.train, TRAINING_TRIPLES, seed), device, seed)
    with tqdm(total=total, desc=f"{recipe}, seed {seed}", unit="image", unit_scale=True) as bar:
        began = time.process_time()
        trainer = common.train(gan, batches, settings, device, lambda seen: bar.update(seen - bar.n))
        seconds = time.process_time() - began if device.type == "cpu" else trainer.seconds
    made = samples(gan, trainer, n, seed + 1)
    found = judge.coverage(made)
    tqdm.write(
        f"{recipe} seed {seed}: {found.modes} modes, KL {found.kl:.4f}, {seconds / 60:.1f} minutes", file=sys.stderr
    )
    return Run(recipe, seed, found, trainer.images_seen, seconds, made[:SHOWN])


def report(runs: Sequence[Run], judge: Judge, floor: Sequence[Coverage], place: str) -> str:
    """The table in Markdown."""

    def cells(found: Sequence[Coverage]) -> list[str]:
        return [common.spread([c.modes for c in found], 0), common.spread([c.kl for c in found], 4)]

    rows = []
    for recipe in dict.fromkeys(one.recipe for one in runs):
        mine = [one for one in runs if one.recipe == recipe]
        minutes = np.mean([one.seconds for one in mine]) / 60
        rows.append(
            [RECIPES[recipe].title, *cells([one.coverage for one in mine]), f"{mine[0].images:,}", f"{minutes:.1f}"]
        )
    rows.append(["*a perfect sampler*", *cells(floor), "", ""])
    head = ["recipe", "modes of 1,000", "KL (nats)", "training images", "minutes a run"]
    seeds = len({one.seed for one in runs})
    seeded = "one seed" if seeds == 1 else f"mean ± standard deviation of {seeds} seeds"
    named = f"the classifier names {100 * judge.accuracy:.1f} % of held-out digits rightly"
    note = f"{EVALUATED_TRIPLES:,} samples; {seeded}; {named}. {place}."
    return "\n\n".join([common.table(head, rows), note])


def picture(runs: Sequence[Run], judge: Judge, file: Path) -> None:
    """A sheet of samples of each recipe's first seed, beside real triples."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from pipeline.media.image.preview import grid

    first = min(one.seed for one in runs)
    sheets = [
        (f"{RECIPES[one.recipe].title}\n{one.coverage.modes} modes, KL {one.coverage.kl:.3f}", one.sheet)
        for one in runs
        if one.seed == first
    ]
    sheets.append(("real\n", Triples(judge.train, SHOWN, 0).pixels))
    figure = Figure(figsize=(3.3 * len(sheets), 3.7), layout="constrained")
    FigureCanvasAgg(figure)
    for panel, (title, images) in zip(figure.subplots(1, len(sheets), squeeze=False)[0], sheets, strict=True):
        panel.imshow(grid(images, cell=32), interpolation="nearest")
        panel.set_title(title, fontsize=9)
        panel.set_axis_off()
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=90)


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.modes.stacked_digits",
        description="Trains each recipe on triples of digits (1,000 modes) and reports modes covered and KL beside a perfect sampler's.",
        epilog="examples:\n  python -m benchmarks.modes.stacked_digits\n  python -m benchmarks.modes.stacked_digits --recipes best --device cuda --seeds 3\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--recipes", nargs="+", choices=RECIPES, default=list(RECIPES))
    parser.add_argument(
        "--seeds", type=int, default=1, help="trainings of each recipe, with seeds 0, 1, ... (default: 1)"
    )
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument(
        "--threads", type=int, default=1, help="of the processor; images this small hardly gain from more (default: 1)"
    )
    parser.add_argument("--images", type=int, help="training images, instead of each recipe's own")
    parser.add_argument(
        "--out",
        type=Path,
        default=RESULTS,
        help="folder of stacked_digits.md and stacked_digits.png (default: %(default)s)",
    )
    chosen = parser.parse_args(argv)
    for name in ("seeds", "threads", "images"):
        if getattr(chosen, name) is not None and getattr(chosen, name) < 1:
            parser.error(f"--{name} must be at least 1")
    return chosen


def main(argv: Sequence[str] | None = None) -> None:
    chosen = arguments(argv)
    torch.set_num_threads(chosen.threads)
    device = pick_device(chosen.device)
    judge = Judge(device)
    floor = [judge.perfect(seed) for seed in range(5)]
    runs = [
        run(recipe, seed, judge, device, chosen.images) for recipe in chosen.recipes for seed in range(chosen.seeds)
    ]
    place = common.machine(device, f"{chosen.threads} thread{'s' if chosen.threads > 1 else ''}")
    common.write(chosen.out, "stacked_digits", report(runs, judge, floor, place))
    picture(runs, judge, chosen.out / "stacked_digits.png")


if __name__ == "__main__":
    main()
