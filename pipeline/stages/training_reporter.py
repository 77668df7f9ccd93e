"""The observer of the train stage: progress bar, reports/training.csv, sample grids, and the curves in MLflow."""

import csv
import io
import json
import math
import sys
import time
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from pipeline.files import remove_partial, write_atomically
from pipeline.items import ItemSpec
from pipeline.media.registry import find_medium, tensors_of
from pipeline.media.wording import PLAIN, say
from pipeline.stages.paths import Paths
from pipeline.tracking import tracked_run
from pipeline.training.loop import Trainer
from pipeline.training.protocols import Row
from pipeline.training.settings import TrainSettings

FEW_CHECKS = 10
"""A training with fewer health checks is warned about."""

LARGE_SHARE, MANY_SECONDS = 0.2, 60
"""A training that spends more on health checks is reported."""

MAX_CLASS_COLUMNS = 16
"""Classes for which a sample grid has one column per class; above it, the grid is nearly square."""

ROWS_PER_CALL = 20
"""Rows sent to MLflow at a time, because a call costs much more than a row."""


class Reporter:
    """Reports the progress of a training.

    DVC removes a stage's outputs before it runs. A resumed training therefore writes the earlier rows again from the
    checkpoint, and the earlier pictures from a copy in the folder of the checkpoints.

    Args:
        paths: Of the project.
        folder: Folder of the checkpoints.
        tracked: The MLflow run.
        item: The items of the training.
        total_images: Length of the training.

    Attributes:
        tracking_seconds: Duration of the calls to MLflow.
    """

    def __init__(self, paths: Paths, folder: Path, tracked: tracked_run.Run, item: ItemSpec, total_images: int) -> None:
        self.paths, self.tracked, self.item = paths, tracked, item
        self.noun = find_medium(item.medium).noun
        self.grid_columns: int | None = None
        self.pictures = folder / "samples"
        for directory in (paths.samples, paths.curves.parent, self.pictures):
            directory.mkdir(parents=True, exist_ok=True)
        remove_partial(self.pictures)
        paths.curves.unlink(missing_ok=True)  # DVC may have linked it to its cache
        self.file = paths.curves.open("w", newline="")
        self.columns: list[str] = []
        self.incomplete = False  # the file lacks rows, because the disk was full
        self.rows: list[Row] = []
        self.unsent: list[Row] = []
        self.tracking_seconds = 0.0
        # A line every ten seconds is enough for a log file.
        interval = 0.5 if sys.stderr.isatty() else 10.0
        self.bar = tqdm(
            total=total_images,
            unit="img" if self.noun == PLAIN else f" {self.noun}s",
            unit_scale=True,
            desc="train",
            mininterval=interval,
            maxinterval=interval,
            dynamic_ncols=True,
        )

    def __enter__(self) -> "Reporter":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.tracked.log_history(self.unsent)
        self.bar.close()
        if self.incomplete and kind is None:
            try:
                self.write(self.rows[-1])
            except OSError as error:
                error.filename = str(self.paths.curves)
                raise
        with suppress(OSError):
            self.file.close()

    def resume(self, trainer: Trainer) -> None:
        """Write the rows and pictures up to the checkpoint that `trainer` resumes from."""
        classes = trainer.gan.classes
        by_class = classes if 1 < classes <= MAX_CLASS_COLUMNS else None
        self.grid_columns = trainer.gan.preview_columns or by_class
        for row in trainer.history:
            self.rows.append(row)
            self.write(row)
        for picture in sorted(self.pictures.glob("*.png")):
            if int(picture.stem) <= trainer.images_seen and trainer.step > 0:
                write_atomically(self.paths.samples / picture.name, picture.read_bytes())
        self.tracked.log_history(trainer.history)
        self.bar.update(trainer.images_seen)
        if trainer.step > 0:
            print_message(f"resuming after {trainer.images_seen:,} images", self.noun)

    def on_step(self, images_seen: int) -> None:
        """Update the progress bar."""
        self.bar.update(images_seen - self.bar.n)

    def on_row(self, row: Row) -> None:
        """Write a row of the curves, and send rows to MLflow if enough have accumulated."""
        self.rows.append(row)
        try:
            self.write(row)
            self.incomplete = False
        except OSError as error:
            if not self.incomplete:
                self.warn_unwritten(self.paths.curves, error)
            self.incomplete, self.columns = True, []  # the next row rewrites the file
        self.bar.set_postfix(
            {name.removeprefix("loss_")[:4]: f"{value:.3f}" for name, value in row.items() if name.startswith("loss_")}
        )
        self.unsent.append(row)
        if len(self.unsent) >= ROWS_PER_CALL:
            start = time.monotonic()
            self.tracked.log_history(self.unsent)
            self.unsent = []
            self.tracking_seconds += time.monotonic() - start

    def write(self, row: Row) -> None:
        """Append a row to the file; a name that is new, such as that of a lazy penalty, adds a column."""
        if set(row) <= set(self.columns):
            self.write_line(row)
        else:
            self.columns = list(dict.fromkeys(name for row in self.rows for name in row))
            self.file.seek(0)
            self.file.truncate()
            csv.writer(self.file).writerow(self.columns)
            for earlier in self.rows:
                self.write_line(earlier)
        self.file.flush()

    def write_line(self, row: Row) -> None:
        """Append one line; values that a row lacks stay empty."""
        values = (row.get(name, "") for name in self.columns)
        csv.writer(self.file).writerow([f"{value:.6g}" if isinstance(value, float) else value for value in values])

    def on_snapshot(self, images_seen: int, images: Tensor) -> None:
        """Write a sample grid to reports/samples and to the folder of the checkpoints."""
        picture = io.BytesIO()
        items = tensors_of(self.item).from_network(images)
        sheet = find_medium(self.item.medium).preview(items, self.item, self.grid_columns)
        sheet.save(picture, format="PNG")
        for folder in (self.pictures, self.paths.samples):
            path = folder / f"{images_seen:09d}.png"
            try:
                write_atomically(path, picture.getvalue())
            except OSError as error:
                self.warn_unwritten(path, error)

    def warn_unwritten(self, path: Path, error: OSError) -> None:
        """Warn that a report could not be written."""
        self.on_warning(f"{path}: cannot be written ({error.strerror}). Training continues; make room on that disk")

    def on_note(self, message: str) -> None:
        """Print a note."""
        print_message(message, self.noun)

    def on_warning(self, message: str) -> None:
        """Print a warning."""
        print_message(f"warning: {message}", self.noun)


class Silent:
    """The observer of a process that reports nothing, because the first process does."""

    def on_step(self, images_seen: int) -> None: ...

    def on_row(self, row: Row) -> None: ...

    def on_snapshot(self, images_seen: int, images: Tensor) -> None: ...

    def on_note(self, message: str) -> None: ...

    def on_warning(self, message: str) -> None: ...


def print_message(message: str, noun: str = PLAIN) -> None:
    """Print a message on stderr, about items of this kind."""
    sys.stderr.write(f"ganline train: {say(message, noun)}\n")


def report_schedule_change(before: int, trainer: Trainer, noun: str) -> None:
    """Report if another train.total_images, without a train.schedule_images, moves the end of the schedules."""
    now = trainer.schedule_images
    if before != now:
        old, new = (min(trainer.images_seen / images, 1.0) for images in (before, now))
        print_message(
            f"schedules ({{start, end}}) now end at {now:,} images, not at {before:,}: they jump from {old:.0%} to "
            f"{new:.0%}. To extend a training without that, set train.schedule_images from the beginning",
            noun,
        )


def report_intervals(settings: TrainSettings, noun: str) -> None:
    """Warn if intervals in params.yaml are too long for the length of the training."""
    total, intervals = settings.total_images, settings.intervals
    if intervals.health is not None and (checks := math.ceil(total / intervals.health)) < FEW_CHECKS:
        print_message(
            f"warning: only {checks} health checks in {total:,} images, so that failures are noticed late and few "
            f"checkpoints compete. Set train.health.images to auto, or to {total // FEW_CHECKS:,} or less",
            noun,
        )
    if intervals.checkpoints > total:
        print_message(
            f"warning: train.checkpoint_images {intervals.checkpoints:,} exceeds the {total:,} images of the training. "
            "Set it to auto",
            noun,
        )


def report_share_of_checks(seconds: float, total: float, noun: str) -> None:
    """Report if health checks took many of the `total` seconds of a training.

    Their interval counts images and not seconds, so that a training makes the same decisions on every machine.
    """
    if seconds > MANY_SECONDS and seconds > LARGE_SHARE * total:
        print_message(
            f"health checks took {seconds / total:.0%} of the training. If this machine trains fast enough to notice "
            "failures later, raise train.health.images",
            noun,
        )


def summarise(trainer: Trainer, reporter: Reporter, *, selected_images: int) -> dict[str, float | str | list[str]]:
    """Return metrics/train.json: duration, speed, events, and the last row of the curves."""
    last = trainer.history[-1]
    metrics: dict[str, float | str | list[str]] = {
        "images_seen": trainer.images_seen,
        "selected_images": selected_images,
        "steps": trainer.step,
        "seconds": round(trainer.seconds, 1),
        "images_per_second": round(trainer.images_seen / trainer.seconds, 1),
        "tracking_share": round(reporter.tracking_seconds / trainer.seconds, 5),
        "health_share": round(trainer.health_seconds / trainer.seconds, 5),
        "rollbacks": len(json.loads(trainer.meta["symptoms"])),
        "events": [say(str(event), reporter.noun) for event in trainer.health.events],
        "device": str(trainer.device),
        "precision": str(trainer.dtype).removeprefix("torch."),
        "micro_batch": trainer.accumulator.micro_batch,
    }
    if trainer.device.type == "cuda":
        metrics["peak_gpu_mib"] = round(torch.cuda.max_memory_allocated(trainer.device) / 2**20, 1)
    prefixes = ("loss_", "d_", "grad_norm_", "health_")
    return metrics | {name: round(value, 6) for name, value in last.items() if name.startswith(prefixes)}
