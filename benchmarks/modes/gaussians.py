"""Mode coverage on a ring of 8 and a grid of 25 Gaussians.

All recipes train the same networks on the same points. They differ in objective, penalties, packing and optimiser; the
values are those of the papers, except for the learning rate, which was tuned for each recipe.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from benchmarks.modes import common
from benchmarks.modes.metrics import NEAR, Coverage, coverage_of_points
from benchmarks.modes.mixtures import MIXTURES
from benchmarks.modes.points import PointGAN, Points
from pipeline.arrays import Float64Array
from pipeline.gans.game.adversarial_settings import AdversarialSettings
from pipeline.training.device import pick_device
from pipeline.training.settings import TrainSettings

TRAINING_POINTS, EVALUATED_POINTS = 100_000, 2_500
BATCH = 256


@dataclass(frozen=True)
class Recipe:
    """Settings of one row of the table; `steps` are generator updates."""

    title: str
    steps: int
    rate: float
    betas: tuple[float, float]
    model: dict[str, Any]

    def settings(self) -> AdversarialSettings:
        """Return the settings of the networks and the objective."""
        return AdversarialSettings(latent=2, **self.model)

    def training(self, seed: int, steps: int) -> TrainSettings:
        """Return the settings of the training loop."""
        rate = {"start": self.rate, "end": self.rate / 200}
        return TrainSettings.model_validate(
            {
                "seed": seed,
                "precision": "float32",
                "batch_size": BATCH,
                "total_images": steps * BATCH,
                "learning_rate": {"generator": rate, "discriminator": rate},
                "beta1": self.betas[0],
                "beta2": self.betas[1],
                "ema_half_life": 500 * BATCH,
                "log_images": 500 * BATCH,
            }
        )


GAMMA = {"start": 0.02, "end": 0.0005}
RECIPES = {
    "gan": Recipe("GAN (non-saturating)", 7000, 1e-3, (0.5, 0.999), {"objective": "nonsaturating"}),
    "pacgan": Recipe(
        "PacGAN4", 7000, 1e-3, (0.5, 0.999), {"objective": "nonsaturating", "stabilisers": {"packing": 4}}
    ),
    "wgan-gp": Recipe(
        "WGAN-GP", 3000, 1e-3, (0.0, 0.9), {"objective": "wgan", "critic_steps": 5, "penalties": {"gp": 0.1}}
    ),
    "r3gan": Recipe(
        "R3GAN's loss", 7000, 3e-3, (0.5, 0.99), {"objective": "relativistic", "penalties": {"r1": GAMMA, "r2": GAMMA}}
    ),
}


@dataclass(frozen=True)
class Run:
    """One training and its result."""

    recipe: str
    mixture: str
    seed: int
    coverage: Coverage
    seconds: float  # CPU time; on a GPU wall-clock time
    points: Float64Array


def run(recipe: str, mixture: str, seed: int, device: str, steps: int | None = None) -> Run:
    """Train and evaluate one recipe; `steps` overrides its length."""
    truth, chosen, place = MIXTURES[mixture], RECIPES[recipe], pick_device(device)
    torch.manual_seed(seed)
    began = time.process_time()
    gan = PointGAN(chosen.settings())
    trainer = common.train(
        gan, Points(truth, TRAINING_POINTS, place, seed), chosen.training(seed, steps or chosen.steps), place
    )
    seconds = time.process_time() - began if place.type == "cpu" else trainer.seconds
    with trainer.ema.apply_to(gan):
        samples = gan.sample(EVALUATED_POINTS, torch.Generator().manual_seed(seed + 1)).cpu().numpy()
    points = samples.astype(np.float64) * truth.scale
    return Run(recipe, mixture, seed, coverage_of_points(points, truth), seconds, points)


def evaluate_true_sampler(mixture: str, seeds: int) -> list[Coverage]:
    """Evaluate samples of the mixture itself, the best possible result."""
    truth = MIXTURES[mixture]
    return [
        coverage_of_points(truth.draw(EVALUATED_POINTS, np.random.default_rng([seed, 1])), truth)
        for seed in range(seeds)
    ]


def cells(coverages: Sequence[Coverage]) -> list[str]:
    """Format the result columns of one row."""
    return [
        f"{common.spread([c.modes for c in coverages], 1)} of {coverages[0].total}",
        common.spread([100 * c.quality for c in coverages], 1),
        common.spread([c.kl for c in coverages], 3),
    ]


def format_run(run: Run) -> str:
    """Format a run in one line."""
    return f"{run.mixture} {run.recipe} seed {run.seed}: {format_coverage(run.coverage)}, {run.seconds:.0f} s"


def format_coverage(coverage: Coverage) -> str:
    """Format the three measures."""
    return f"{coverage.modes}/{coverage.total} modes, HQ {100 * coverage.quality:.1f} %, KL {coverage.kl:.3f}"


def report(runs: Sequence[Run], seeds: int, place: str) -> str:
    """Format one Markdown table per mixture."""
    parts = []
    chosen = [recipe for recipe in RECIPES if any(one.recipe == recipe for one in runs)]
    for mixture in dict.fromkeys(one.mixture for one in runs):
        rows = []
        for recipe in chosen:
            mine = [one for one in runs if (one.recipe, one.mixture) == (recipe, mixture)]
            rows.append(
                [
                    RECIPES[recipe].title,
                    *cells([one.coverage for one in mine]),
                    f"{np.mean([one.seconds for one in mine]):.0f}",
                ]
            )
        rows.append(["*a perfect sampler*", *cells(evaluate_true_sampler(mixture, seeds)), ""])
        head = [
            f"{mixture}, {len(MIXTURES[mixture].means)} modes",
            "modes covered",
            "HQ %",
            "KL (nats)",
            "seconds per run",
        ]
        parts.append(common.table(head, rows))
    seeded = f"mean ± standard deviation of {seeds} seeds" if seeds > 1 else "one seed"
    note = f"{EVALUATED_POINTS:,} points per run; {seeded}. {place}."
    return "\n\n".join([*parts, note])


def draw_picture(runs: Sequence[Run], file: Path) -> None:
    """Plot the samples of each recipe's first seed; high-quality samples are blue, others red.

    Circles mark three standard deviations around the modes.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.collections import EllipseCollection
    from matplotlib.figure import Figure

    recipes, mixtures = (
        list(dict.fromkeys(one.recipe for one in runs)),
        list(dict.fromkeys(one.mixture for one in runs)),
    )
    figure = Figure(figsize=(3.2 * len(recipes), 3.4 * len(mixtures)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(mixtures), len(recipes), squeeze=False)
    first = min(one.seed for one in runs)
    for one in (one for one in runs if one.seed == first):
        panel, truth = panels[mixtures.index(one.mixture)][recipes.index(one.recipe)], MIXTURES[one.mixture]
        good = np.linalg.norm(one.points[:, None] - truth.means[None], axis=2).min(axis=1) <= NEAR * truth.sigma
        for mask, colour in ((~good, "tab:red"), (good, "tab:blue")):
            panel.scatter(*one.points[mask].T, s=3, color=colour, linewidths=0, alpha=0.6)
        size = np.full(len(truth.means), 2 * NEAR * truth.sigma)
        circles = EllipseCollection(
            size, size, np.zeros_like(size), units="x", offsets=truth.means, offset_transform=panel.transData
        )
        circles.set(facecolor="none", edgecolor="black", linewidth=0.4)
        panel.add_collection(circles)
        reach = 1.25 * np.abs(truth.means).max()
        panel.set(xlim=(-reach, reach), ylim=(-reach, reach), xticks=[], yticks=[], aspect="equal")
        panel.set_title(f"{RECIPES[one.recipe].title}\n{format_coverage(one.coverage)}", fontsize=9)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=90)


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.modes.gaussians",
        description="Train each recipe on a ring of 8 and a grid of 25 Gaussians. "
        "Report the modes covered, the fraction of high-quality samples and the KL divergence.",
        epilog="examples:\n"
        "  python -m benchmarks.modes.gaussians\n"
        "  python -m benchmarks.modes.gaussians --recipes r3gan --mixtures grid --seeds 1\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--recipes", nargs="+", choices=RECIPES, default=list(RECIPES))
    parser.add_argument("--mixtures", nargs="+", choices=MIXTURES, default=list(MIXTURES))
    parser.add_argument("--seeds", type=int, default=5, help="runs per recipe, with seeds 0, 1, ... (default: 5)")
    parser.add_argument(
        "--device",
        choices=["cpu", "cuda"],
        default="cpu",
        help="a GPU does not speed up networks this small (default: cpu)",
    )
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="parallel runs (default: one per core)"
    )
    parser.add_argument("--steps", type=int, help="generator updates; overrides the recipes")
    parser.add_argument(
        "--out",
        type=Path,
        help="folder for gaussians.md and gaussians.png; without it the result is only printed",
    )
    chosen = parser.parse_args(argv)
    for name in ("seeds", "workers", "steps"):
        if getattr(chosen, name) is not None and getattr(chosen, name) < 1:
            parser.error(f"--{name} must be at least 1")
    return chosen


def main(argv: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    chosen = arguments(argv)
    jobs = [
        (recipe, mixture, seed)
        for mixture in chosen.mixtures
        for recipe in chosen.recipes
        for seed in range(chosen.seeds)
    ]
    with ProcessPoolExecutor(min(chosen.workers, len(jobs)), get_context("spawn"), common.use_one_thread) as pool:
        tasks = [pool.submit(run, *job, chosen.device, chosen.steps) for job in jobs]
        runs = []
        for task in tqdm(tasks, desc="runs", unit="run"):
            runs.append(task.result())
            tqdm.write(format_run(runs[-1]), file=sys.stderr)
    place = common.machine(pick_device(chosen.device), f"{chosen.workers} parallel runs, one thread each")
    text = report(runs, chosen.seeds, place)
    print(text)
    if chosen.out:
        common.write(chosen.out, "gaussians", text)
        draw_picture(runs, chosen.out / "gaussians.png")


if __name__ == "__main__":
    main()
