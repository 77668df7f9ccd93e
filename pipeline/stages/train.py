"""Train the variant of params.yaml; an interrupted training of the same settings and data is resumed."""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from pipeline import params as parameters
from pipeline import processes
from pipeline.code_digest import code_digest, defining_modules
from pipeline.errors import TrainingFailed
from pipeline.evaluation.measures.distance_tiles import distances_on
from pipeline.files import exclusive_lock, write_atomically
from pipeline.gans.base import Batch
from pipeline.gans.registry import VARIANTS, build
from pipeline.media.registry import find_medium
from pipeline.params import Params
from pipeline.stages import metrics_files, text_encoder
from pipeline.stages.parent import split_settings
from pipeline.stages.paths import Paths
from pipeline.stages.pretraining import pretrain
from pipeline.stages.signals import stop_on_signal
from pipeline.stages.training_inputs import Inputs, open_inputs
from pipeline.stages.training_reporter import (
    Reporter,
    Silent,
    print_message,
    report_intervals,
    report_schedule_change,
    report_share_of_checks,
    summarise,
)
from pipeline.tasks.registry import TASKS
from pipeline.tasks.training_case import TrainingCase
from pipeline.tracking import tracked_run
from pipeline.training import checkpoint, model_files, unattended
from pipeline.training.determinism import deterministic_algorithms
from pipeline.training.looks import Look
from pipeline.training.loop import Stopped, Trainer
from pipeline.training.protocols import Observer
from pipeline.training.response import respond
from pipeline.training.settings import TrainSettings

RUNTIME = {"device", "graphs", "start_from", "total_images", "snapshot_images", "checkpoint_images", "log_images"}
"""Keys of `train` that may change when a training is resumed; the parent's digest counts, not its name."""


def run(root: Path) -> None:
    """Read data/dataset and data/validated; write models/, reports/samples, reports/training.csv, metrics/train.json.

    Raises:
        InputError: The data is missing or was made with other parameters.
        TrainingFailed: No checkpoint is good enough, or GPU memory does not suffice.
        KeyboardInterrupt: Training was asked to stop; it can be resumed.
    """
    paths = Paths(root)
    params = parameters.load(paths.params)
    with deterministic_algorithms(params.train.deterministic):
        processes.join()
        if not processes.is_first():
            follow(open_inputs(paths, params))
        else:
            with exclusive_lock(paths.train_lock, "training"):
                train(open_inputs(paths, params))
        processes.leave()


def train(inputs: Inputs) -> None:
    """Resume or start the training, run it to its end, and write the outputs."""
    paths, params = inputs.paths, inputs.params
    folder = choose_folder(paths.checkpoints / fingerprint(inputs), params.train, inputs.noun)
    saved = processes.from_first(lambda: load_checkpoint(folder))
    if not saved:
        checkpoint.prune(paths.checkpoints, folder)
    run_id = saved["meta"]["run_id"] if saved else None
    with (
        stop_on_signal() as stop,
        tracked_run.start(params.tracking, paths.root, run_id=run_id) as tracked,
    ):
        with Reporter(paths, folder, tracked, inputs.info.item, params.train.total_images) as reporter:
            builder = TrainerBuilder(inputs, folder, reporter, tracked.id, stop.is_set)
            trainer = unattended.start_or_resume(builder, saved)
            trainer.meta["run_id"] = tracked.id
            if inputs.parent:
                frozen = f"; frozen layers: {', '.join(trainer.frozen)}" if trainer.frozen else ""
                print_message(f"starting from {inputs.parent.origin}{frozen}")
                tracked.tag({"ganline.parent": str(inputs.parent.origin)})
            if saved:
                report_schedule_change(saved["schedule_images"], trainer, inputs.noun)
            reporter.resume(trainer)
            report_intervals(trainer.settings, inputs.noun)
            for warning in text_encoder.warnings_of(inputs.text, inputs.data) if inputs.text else ():
                print_message(f"warning: {warning}", inputs.noun)
            tracked.log_params(params.model_dump(by_alias=True, include={"data", "model", "train"}))
            tracked.log_dataset(inputs.info.source, inputs.data.fingerprint, inputs.info.source)
            with distances_on(inputs.device):
                trainer = run_to_end(trainer, builder)
            report_share_of_checks(trainer.health_seconds, trainer.seconds, inputs.noun)
        metrics = summarise(trainer, reporter, selected_images=save_model(trainer, inputs))
        write_atomically(paths.run, (json.dumps(tracked.describe(), indent=2) + "\n").encode())
        metrics_files.write(paths.train_metrics, metrics)
        tracked.log_metrics({f"train/{name}": v for name, v in metrics.items() if isinstance(v, int | float)})
        tracked.log_file(paths.train_metrics)
        tracked.log_file(paths.samples, "samples")
        tracked.log_file(paths.curves)


def follow(inputs: Inputs) -> None:
    """Train in a process that reports nothing. The first process writes all outputs and the checkpoints."""
    saved: checkpoint.State | None = processes.from_first(lambda: None)
    with stop_on_signal() as stop:
        builder = TrainerBuilder(inputs, inputs.paths.checkpoints, Silent(), "", stop.is_set)
        run_to_end(unattended.start_or_resume(builder, saved), builder)


def choose_folder(folder: Path, settings: TrainSettings, noun: str) -> Path:
    """Return the folder for the checkpoints: `folder`, or one for this length if `folder` holds a longer training.

    So a smaller `train.total_images` gives the same model as a training that never was longer.
    """
    seen = checkpoint.newest(folder)
    if seen - settings.batch_size < settings.total_images:
        return folder
    print_message(
        f"{folder}: this training has seen {seen:,} images, more than train.total_images {settings.total_images:,}. "
        "A shorter training starts from the beginning; the longer one is kept",
        noun,
    )
    return folder.with_name(f"{folder.name}-{settings.total_images}")


def load_checkpoint(folder: Path) -> checkpoint.State | None:
    """Load the newest valid checkpoint; corrupted ones are renamed and reported."""
    saved, corrupted = checkpoint.load_latest(folder)
    for path in corrupted:
        print_message(f"{path}: corrupted, using the previous checkpoint; the file is kept as {path.stem}.corrupted")
        path.rename(path.with_suffix(".corrupted"))
    return saved


class TrainerBuilder:
    """Builds trainers with the settings that respond to symptoms; the `TrainerFactory` of unattended training.

    The look and the preview's examples are built with the first trainer and shared by later ones.
    """

    def __init__(self, inputs: Inputs, folder: Path, observer: Observer, run_id: str, stop: Callable[[], bool]) -> None:
        self.inputs, self.folder, self.observer, self.run_id, self.stop = inputs, folder, observer, run_id, stop
        self.shared: tuple[Look | None, Batch] | None = None

    def __call__(self, symptoms: Sequence[str]) -> tuple[Trainer, list[str]]:
        """Build a trainer; return it and the last response in words."""
        inputs, params = self.inputs, self.inputs.params
        augmentations = find_medium(params.data.medium).suitable_augmentations(params.data)
        settings, model, changes = respond(params.train, params.model, symptoms, augmentations)
        torch.manual_seed(params.train.seed + len(symptoms))  # new weights after a rollback differ from the first ones
        gan = build(model, inputs.info.item)
        if inputs.text:
            gan.use_text_encoder(inputs.text.content)
        pretrain(gan, inputs.data, inputs.device, params.train.seed, inputs.paths.cache)
        if inputs.parent:
            inputs.parent.load_into(gan)
        task = TASKS[gan.task]
        batches = task.open_view(gan.view, inputs.data, inputs.device, params.train.seed, flips=params.train.flips)
        if self.shared is None:
            test = inputs.test
            case = TrainingCase(gan, inputs.info.item, inputs.reference, test, params.train, inputs.device)
            look = task.look(case) if params.train.health.images is not None else None
            examples = task.examples(gan, test if len(test) else inputs.data, inputs.device, params.train.seed)
            self.shared = look, examples
        look, examples = self.shared
        trainer = Trainer(
            gan,
            batches,
            settings,
            device=inputs.device,
            folder=self.folder,
            observer=self.observer,
            meta={"run_id": self.run_id},
            look=look,
            examples=examples,
            stop=self.stop,
            items=inputs.items,
        )
        return trainer, changes


def run_to_end(trainer: Trainer, builder: TrainerBuilder) -> Trainer:
    """Train to the end; return the trainer that finished.

    Raises:
        TrainingFailed: No checkpoint is good enough, or GPU memory does not suffice.
        KeyboardInterrupt: Training was asked to stop.
    """
    try:
        return unattended.run(trainer, builder)
    except torch.OutOfMemoryError as error:
        raise TrainingFailed(explain_out_of_memory(builder.inputs.params, trainer, error)) from None
    except Stopped:
        if processes.is_first():
            saved = f"`dvc repro` resumes from {trainer.writer.saved_images:,} images"
            print_message(f"stopped after {trainer.images_seen:,} images; {saved}", builder.inputs.noun)
        raise KeyboardInterrupt from None


def explain_out_of_memory(params: Params, trainer: Trainer, error: torch.OutOfMemoryError) -> str:
    """Return the message for a training that does not fit into GPU memory."""
    if processes.count() > 1:
        remedy = (
            "Set train.micro_batch to a smaller number, or train.graphs: off; auto responds in a single process only"
        )
    elif params.train.micro_batch == "auto":
        remedy = "Lower the model's widths or train.batch_size"
    else:
        remedy = "Set train.micro_batch: auto"
    reason = str(error).splitlines()[0]
    return f"out of GPU memory with {trainer.accumulator.micro_batch} images per forward pass ({reason}). {remedy}"


def fingerprint(inputs: Inputs) -> str:
    """Return a name for everything that determines the weights: data, settings, parent and code.

    Checkpoints lie in a folder of this name, so no training resumes from another training's checkpoint.
    """
    params = inputs.params
    settings = {
        "data": inputs.data.fingerprint,
        "parent": inputs.parent.origin.sha256 if inputs.parent else None,
        "model": params.model.model_dump(),
        "train": params.train.model_dump(exclude=RUNTIME),
        "code": code_digest(*training_modules(params)),
    } | ({"text": text_encoder.digest(inputs.text)} if inputs.text else {})
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


def training_modules(params: Params) -> tuple[str, ...]:
    """Return the modules that determine the weights, with all they import: loop, task, variant and medium."""
    network = VARIANTS[params.model.variant].network.partition(":")[0]
    task = TASKS[params.model.task].training_modules
    medium = find_medium(params.data.medium)
    tensors = defining_modules(medium.tensors(medium.spec(params.data, ())))
    loop = "pipeline.training.unattended", "pipeline.training.response", "pipeline.stages.pretraining"
    return *loop, *task, network, *tensors


def save_model(trainer: Trainer, inputs: Inputs) -> int:
    """Write the EMA networks of the best checkpoint, the other networks, and config.json; return the images seen."""
    images_seen = trainer.select_best()
    if images_seen != trainer.images_seen:
        print_message(f"best checkpoint selected ({images_seen:,} of {trainer.images_seen:,} images)", inputs.noun)
    config = model_files.ModelConfig(
        model=inputs.params.model,
        item=inputs.info.item,
        dataset_source=inputs.info.source,
        dataset_fingerprint=inputs.data.fingerprint,
        images_seen=images_seen,
        seed=inputs.params.train.seed,
        split=split_settings(inputs.params),
        parent=inputs.parent.origin if inputs.parent else None,
    )
    with trainer.ema.apply_to(trainer.gan) as gan:
        model_files.save(gan, config, inputs.paths.weights.parent)
    return images_seen
