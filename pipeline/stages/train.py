"""Train the variant of params.yaml; an interrupted run of the same settings and data goes on where it stopped."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import torch

from pipeline import params as parameters
from pipeline.code_digest import code_digest, defining_modules
from pipeline.data.store import DatasetInfo, ItemSet, open_split
from pipeline.errors import InputError, TrainingFailed
from pipeline.files import exclusive_lock
from pipeline.gans.base import Batch
from pipeline.gans.registry import VARIANTS, build
from pipeline.media.registry import find_medium
from pipeline.params import Params
from pipeline.stages import metrics_files
from pipeline.stages.paths import Paths
from pipeline.stages.signals import stop_on_signal
from pipeline.stages.training_reporter import Reporter, say
from pipeline.tasks.registry import TASKS
from pipeline.tasks.training_case import TrainingCase
from pipeline.tracking import tracked_run
from pipeline.training import checkpoint, model_files, unattended
from pipeline.training.device import pick_device
from pipeline.training.looks import Look
from pipeline.training.loop import Stopped, Trainer
from pipeline.training.response import treat

RUNTIME = {"device", "total_images", "snapshot_images", "checkpoint_images", "log_images"}
"""Keys of `train` that may change between two sittings of one training."""


def run(root: Path) -> None:
    """Reads data/dataset and data/validated; writes models/, reports/samples, reports/training.csv and metrics/train.json."""
    paths = Paths(root)
    params = parameters.load(paths.params)
    with exclusive_lock(paths.train_lock, "training"):
        train(paths, params)


def train(paths: Paths, params: Params) -> None:
    data = open_split(paths.dataset, paths.validated, "train", verify=True)
    info = DatasetInfo.read(paths.dataset)
    if info.pairs != params.data.pairs:
        raise InputError(
            f"{paths.dataset}: was made with data.pairs {info.pairs}, and {paths.params} says {params.data.pairs}; run `dvc repro`"
        )
    device = pick_device(params.train.device)
    work = paths.checkpoints / fingerprint(params, data)
    saved, damaged = checkpoint.latest(work)
    for path in damaged:
        say(
            f"{path}: damaged, going back to the checkpoint before it; what is left of it is kept as {path.stem}.damaged"
        )
        path.rename(path.with_suffix(".damaged"))
    if not saved:
        checkpoint.prune(paths.checkpoints, work)
    with (
        stop_on_signal() as stop,
        tracked_run.start(params.tracking, paths.root, run_id=saved["meta"]["run_id"] if saved else None) as tracked,
    ):
        watch: Look | None = None
        examples: Batch = {}

        def make(symptoms: Sequence[str]) -> tuple[Trainer, list[str]]:
            nonlocal watch, examples
            settings, design, words = treat(params.train, params.model, symptoms)
            torch.manual_seed(params.train.seed + len(symptoms))  # a training begun again begins elsewhere
            gan = build(design, info.item)
            task = TASKS[gan.task]
            batches = task.open_view(gan.view, data, device, params.train.seed, flips=params.train.flips)
            if watch is None:
                held_out = open_split(paths.dataset, paths.validated, "test")
                if params.train.health.images is not None:
                    watch = task.look(TrainingCase(gan, info.item, data, held_out, params.train, device))
                examples = task.examples(gan, held_out if len(held_out) else data, device, params.train.seed)
            meta = {"run_id": tracked.id}
            return Trainer(
                gan, batches, settings, device, work, reporter, meta, watch, stop=stop.is_set, examples=examples
            ), words

        with Reporter(paths, work, tracked, params.train.total_images) as reporter:
            trainer = unattended.start(make, saved)
            trainer.meta["run_id"] = tracked.id
            if saved:
                tell_of_schedule(saved["schedule_images"], trainer)
            reporter.resume(trainer)
            if trainer.images_seen - params.train.batch_size >= params.train.total_images:
                say(
                    f"this training has already seen more than train.total_images {params.train.total_images:,}; to train anew delete {work}"
                )
            tracked.log_params(params.model_dump(by_alias=True, include={"data", "model", "train"}))
            tracked.log_dataset(info.source, data.fingerprint, info.source)
            try:
                trainer = unattended.run(trainer, make)
            except torch.OutOfMemoryError as error:
                raise TrainingFailed(out_of_memory(params, trainer, error)) from None
            except Stopped:
                where = "there" if trainer.saved == trainer.images_seen else f"{trainer.saved:,}"
                say(f"stopped after {trainer.images_seen:,} images; `dvc repro` goes on from {where}")
                raise KeyboardInterrupt from None
        delivered = deliver(trainer, params, info, data, paths)
        paths.run.write_text(json.dumps(tracked.describe(), indent=2) + "\n")
        measured = summary(trainer, reporter, delivered)
        metrics_files.write(paths.train_metrics, measured)
        tracked.log_metrics(
            {f"train/{name}": value for name, value in measured.items() if isinstance(value, int | float)}
        )
        tracked.log_file(paths.train_metrics)
        tracked.log_file(paths.samples, "samples")
        tracked.log_file(paths.curves)


def out_of_memory(params: Params, trainer: Trainer, error: torch.OutOfMemoryError) -> str:
    way_out = (
        "lower model's widths or train.batch_size"
        if params.train.micro_batch == "auto"
        else "set train.micro_batch: auto, or a smaller number"
    )
    return f"out of GPU memory with {trainer.micro} images at a time ({str(error).splitlines()[0]}); {way_out}"


def tell_of_schedule(before: int, trainer: Trainer) -> None:
    """Says so where another train.total_images, without a train.schedule_images, moves an unfinished or finished schedule."""
    if before != trainer.schedule:
        was, now = (min(trainer.images_seen / images, 1.0) for images in (before, trainer.schedule))
        say(
            f"schedules ({{start, end}}) now end at {trainer.schedule:,} images, not at {before:,}: they stand at {now:.0%} of their way, not at {was:.0%}. "
            "A training that is to be extended without that names its train.schedule_images from the beginning"
        )


def fingerprint(params: Params, data: ItemSet) -> str:
    """Return a name for everything that determines the weights: data, settings and code.

    Checkpoints lie in a folder of this name, so no training resumes from another training's checkpoint.
    """
    settings = {
        "data": data.fingerprint,
        "model": params.model.model_dump(),
        "train": params.train.model_dump(exclude=RUNTIME),
        "code": code_digest(*training_modules(params)),
    }
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


def training_modules(params: Params) -> tuple[str, ...]:
    """Return the modules that determine the weights, with all they import: loop, task, variant and medium."""
    network = VARIANTS[params.model.variant].network.partition(":")[0]
    task = TASKS[params.model.task].training_modules
    medium = find_medium(params.data.medium)
    tensors = defining_modules(medium.tensors(medium.spec(params.data, ())))
    return "pipeline.training.unattended", "pipeline.training.response", *task, network, *tensors


def deliver(trainer: Trainer, params: Params, info: DatasetInfo, data: ItemSet, paths: Paths) -> int:
    """Writes the averaged networks of the best look, the others, and the description that rebuilds them; returns the images they saw."""
    seen = trainer.deliver()
    if seen != trainer.images_seen:
        say(f"the model of {seen:,} images is delivered, the best one")
    config = model_files.ModelConfig(
        model=params.model,
        item=info.item,
        dataset_source=info.source,
        dataset_fingerprint=data.fingerprint,
        images_seen=seen,
        seed=params.train.seed,
    )
    with trainer.average.applied(trainer.gan) as gan:
        model_files.save(gan, config, paths.weights.parent)
    return seen


def summary(trainer: Trainer, reporter: Reporter, delivered: int) -> dict[str, float | str | list[str]]:
    """metrics/train.json: how long, how fast, what happened, and the last row of the curves."""
    last = trainer.history[-1]
    return {
        "images_seen": trainer.images_seen,
        "selected_images": delivered,
        "steps": trainer.step,
        "seconds": round(trainer.seconds, 1),
        "images_per_second": round(trainer.images_seen / trainer.seconds, 1),
        "tracking_share": round(reporter.tracking_seconds / trainer.seconds, 5),
        "health_share": round(trainer.looking / trainer.seconds, 5),
        "rollbacks": len(json.loads(trainer.meta["treated"])),
        "events": [str(event) for event in trainer.health.events],
        "device": str(trainer.device),
        "precision": str(trainer.dtype).removeprefix("torch."),
        "micro_batch": trainer.micro,
        **(
            {"peak_gpu_mib": round(torch.cuda.max_memory_allocated(trainer.device) / 2**20, 1)}
            if trainer.device.type == "cuda"
            else {}
        ),
        **{
            name: round(value, 6)
            for name, value in last.items()
            if name.startswith(("loss_", "d_", "grad_norm_", "health_"))
        },
    }
