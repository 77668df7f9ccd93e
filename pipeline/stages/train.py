"""Train the variant of params.yaml; an interrupted run of the same settings and data goes on where it stopped."""

import csv
import hashlib
import io
import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

import torch
from torch import Tensor
from tqdm import tqdm

import pipeline
from pipeline import params as parameters
from pipeline import tracking
from pipeline.data.store import DatasetInfo, ImageSet, open_split
from pipeline.data.views import VIEWS
from pipeline.errors import TrainingFailed
from pipeline.files import held, remove_partial, write_atomically
from pipeline.gans.base import ImageSpec, to_uint8
from pipeline.gans.registry import build
from pipeline.media.preview import grid
from pipeline.params import Params
from pipeline.stages import metrics
from pipeline.stages.paths import Paths
from pipeline.training import checkpoint, model
from pipeline.training.loop import Row, Stopped, Trainer, pick_device

CODE = ("gans", "training", "data/views.py")
"""What of this package determines the weights: the same that dvc.yaml names for the stage."""

RUNTIME = {"device", "total_images", "snapshot_images", "checkpoint_images", "log_images"}
"""Keys of `train` that may change between two sittings of one training."""

WIDEST = 16
"""Columns of a sheet of samples by class."""

ROWS_PER_BATCH = 20
"""Rows sent to MLflow at a time: a call costs far more than a row."""


def run(root: Path) -> None:
    """Reads data/dataset and data/validated; writes models/, reports/samples, reports/training.csv and metrics/train.json."""
    paths = Paths(root)
    params = parameters.load(paths.params)
    with held(paths.train_lock, "training"):
        train(paths, params)


def train(paths: Paths, params: Params) -> None:
    data = open_split(paths.dataset, paths.validated, "train", verify=True)
    info = DatasetInfo.read(paths.dataset)
    device = pick_device(params.train.device)

    torch.manual_seed(params.train.seed)
    image = ImageSpec(info.resolution, info.channels, len(info.classes))
    gan = build(params.model, image)
    batches = VIEWS[gan.view.name](data, device, params.train.seed, flips=params.train.flips, **gan.view.options)

    work = paths.checkpoints / fingerprint(params, data)
    saved, damaged = checkpoint.latest(work)
    for path in damaged:
        say(f"{path}: damaged, going back to the checkpoint before it; what is left of it is kept as {path.stem}.damaged")
        path.rename(path.with_suffix(".damaged"))
    if not saved:
        checkpoint.prune(paths.checkpoints, work)
    with stop_on_signal() as stop, tracking.start(params.tracking, paths.root, run_id=saved["meta"]["run_id"] if saved else None) as tracked:
        with Reporter(paths, work, tracked, params.train.total_images, gan.classes) as reporter:
            trainer = Trainer(gan, batches, params.train, device, work, reporter, meta={"run_id": tracked.id}, stop=stop.is_set)
            if saved:
                trainer.restore(saved)
                trainer.meta["run_id"] = tracked.id
                tell_of_schedule(saved["schedule_images"], trainer)
            reporter.resume(trainer)
            if trainer.images_seen - params.train.batch_size >= params.train.total_images:
                say(f"this training has already seen more than train.total_images {params.train.total_images:,}; to train anew delete {work}")
            tracked.log_params(params.model_dump(by_alias=True, include={"data", "model", "train"}))
            tracked.log_dataset(info.source, data.fingerprint, info.source)
            try:
                trainer.run()
            except torch.OutOfMemoryError as error:
                raise TrainingFailed(out_of_memory(params, trainer, error)) from None
            except Stopped:
                where = "there" if trainer.saved == trainer.images_seen else f"{trainer.saved:,}"
                say(f"stopped after {trainer.images_seen:,} images; `dvc repro` goes on from {where}")
                raise KeyboardInterrupt from None
        deliver(trainer, params, info, data, paths)
        paths.run.write_text(json.dumps(tracked.describe(), indent=2) + "\n")
        measured = summary(trainer, reporter)
        metrics.write(paths.train_metrics, measured)
        tracked.log_metrics({f"train/{name}": value for name, value in measured.items() if not isinstance(value, str)})
        tracked.log_file(paths.samples, "samples")
        tracked.log_file(paths.curves)


def out_of_memory(params: Params, trainer: Trainer, error: torch.OutOfMemoryError) -> str:
    way_out = "lower model's widths or train.batch_size" if params.train.micro_batch == "auto" else "set train.micro_batch: auto, or a smaller number"
    return f"out of GPU memory with {trainer.micro} images at a time ({str(error).splitlines()[0]}); {way_out}"


def tell_of_schedule(before: int, trainer: Trainer) -> None:
    """Says so where another train.total_images, without a train.schedule_images, moves an unfinished or finished schedule."""
    if before != trainer.schedule:
        was, now = (min(trainer.images_seen / images, 1.0) for images in (before, trainer.schedule))
        say(
            f"schedules ({{start, end}}) now end at {trainer.schedule:,} images, not at {before:,}: they stand at {now:.0%} of their way, not at {was:.0%}. "
            "A training that is to be extended without that names its train.schedule_images from the beginning"
        )


def fingerprint(params: Params, data: ImageSet) -> str:
    """A name for everything that determines the weights (data, settings, code), so that nothing continues a stranger's checkpoint."""
    package = Path(pipeline.__file__).parent
    files = sorted(path for part in CODE for path in ([package / part] if part.endswith(".py") else (package / part).glob("*.py")))
    settings = {
        "data": data.fingerprint,
        "model": params.model.model_dump(),
        "train": params.train.model_dump(exclude=RUNTIME),
        "code": [hashlib.sha256(path.read_bytes()).hexdigest() for path in files],
    }
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


def deliver(trainer: Trainer, params: Params, info: DatasetInfo, data: ImageSet, paths: Paths) -> None:
    """Writes the averaged networks, the others, and the description that rebuilds them."""
    config = model.ModelConfig(
        model=params.model,
        resolution=info.resolution,
        channels=info.channels,
        class_names=info.classes,
        dataset_source=info.source,
        dataset_fingerprint=data.fingerprint,
        images_seen=trainer.images_seen,
        seed=params.train.seed,
    )
    with trainer.average.applied(trainer.gan) as gan:
        model.save(gan, config, paths.weights.parent)


def summary(trainer: Trainer, reporter: "Reporter") -> dict[str, float | str]:
    """metrics/train.json: how long, how fast, and the last row of the curves."""
    last = trainer.history[-1]
    return {
        "images_seen": trainer.images_seen,
        "steps": trainer.step,
        "seconds": round(trainer.seconds, 1),
        "images_per_second": round(trainer.images_seen / trainer.seconds, 1),
        "tracking_share": round(reporter.tracking_seconds / trainer.seconds, 5),
        "device": str(trainer.device),
        "precision": str(trainer.dtype).removeprefix("torch."),
        "micro_batch": trainer.micro,
        **({"peak_gpu_mib": round(torch.cuda.max_memory_allocated(trainer.device) / 2**20, 1)} if trainer.device.type == "cuda" else {}),
        **{name: round(value, 6) for name, value in last.items() if name.startswith(("loss_", "d_", "grad_norm_"))},
    }


class Reporter:
    """The trainer's observer: the progress bar, training.csv, pictures, and MLflow.

    DVC clears a stage's outputs before it runs, so what an earlier sitting reported is written again from the checkpoint
    (rows) and from the folder beside it (pictures).
    """

    def __init__(self, paths: Paths, work: Path, tracked: tracking.Run, total: int, classes: int) -> None:
        self.paths, self.tracked = paths, tracked
        self.columns_of_sheet = classes if 1 < classes <= WIDEST else None  # a column a class, where the variant knows classes
        self.pictures = work / "samples"
        for folder in (paths.samples, paths.curves.parent, self.pictures):
            folder.mkdir(parents=True, exist_ok=True)
        remove_partial(self.pictures)
        self.file = paths.curves.open("w", newline="")
        self.columns: list[str] = []
        self.behind = False  # the file lacks rows, because its disk was full
        self.rows: list[Row] = []
        self.waiting: list[Row] = []
        self.tracking_seconds = 0.0
        # In a log file or a flow's log a line every ten seconds is enough.
        interval = 0.5 if sys.stderr.isatty() else 10.0
        self.bar = tqdm(total=total, unit="img", unit_scale=True, desc="train", mininterval=interval, maxinterval=interval, dynamic_ncols=True)

    def __enter__(self) -> "Reporter":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.tracked.log_history(self.waiting)
        self.bar.close()
        if self.behind and kind is None:
            try:
                self.write(self.rows[-1])
            except OSError as error:
                error.filename = str(self.paths.curves)
                raise
        with suppress(OSError):
            self.file.close()

    def resume(self, trainer: Trainer) -> None:
        """Brings the files to the state they had when the checkpoint was written."""
        for row in trainer.history:
            self.rows.append(row)
            self.write(row)
        for picture in sorted(self.pictures.glob("*.png")):
            if int(picture.stem) <= trainer.images_seen and trainer.step > 0:
                (self.paths.samples / picture.name).write_bytes(picture.read_bytes())
        self.tracked.log_history(trainer.history)
        self.bar.update(trainer.images_seen)
        if trainer.step > 0:
            say(f"going on after {trainer.images_seen:,} images")

    def advanced(self, images_seen: int) -> None:
        self.bar.update(images_seen - self.bar.n)

    def measured(self, row: Row) -> None:
        self.rows.append(row)
        try:
            self.write(row)
            self.behind = False
        except OSError as error:
            if not self.behind:
                self.unwritten(self.paths.curves, error)
            self.behind, self.columns = True, []  # the next row writes all of them again
        self.bar.set_postfix({name.removeprefix("loss_")[:4]: f"{value:.3f}" for name, value in row.items() if name.startswith("loss_")})
        self.waiting.append(row)
        if len(self.waiting) >= ROWS_PER_BATCH:
            began = time.monotonic()
            self.tracked.log_history(self.waiting)
            self.waiting = []
            self.tracking_seconds += time.monotonic() - began

    def write(self, row: Row) -> None:
        """Adds the last row's line; what appears later than in the first row (a lazy penalty) becomes a column, empty before."""
        if set(row) <= set(self.columns):
            self.line(row)
        else:
            self.columns = list(dict.fromkeys(name for row in self.rows for name in row))
            self.file.seek(0)
            self.file.truncate()
            csv.writer(self.file).writerow(self.columns)
            for one in self.rows:
                self.line(one)
        self.file.flush()

    def line(self, row: Row) -> None:
        values = (row.get(name, "") for name in self.columns)
        csv.writer(self.file).writerow([f"{value:.6g}" if isinstance(value, float) else value for value in values])

    def snapshot(self, images_seen: int, images: Tensor) -> None:
        picture = io.BytesIO()
        grid(to_uint8(images), self.columns_of_sheet).save(picture, format="PNG")
        for folder in (self.pictures, self.paths.samples):
            path = folder / f"{images_seen:09d}.png"
            try:
                write_atomically(path, picture.getvalue())
            except OSError as error:
                self.unwritten(path, error)

    def unwritten(self, path: Path, error: OSError) -> None:
        self.warned(f"{path}: cannot be written ({error.strerror}); training goes on, make room on that disk")

    def warned(self, message: str) -> None:
        say(f"warning: {message}")


class StopFlag:
    """Set by the first SIGINT or SIGTERM; the training loop asks for it after every step."""

    def __init__(self) -> None:
        self.set = False

    def is_set(self) -> bool:
        return self.set

    def raise_flag(self, signum: int, frame: FrameType | None) -> None:
        if self.set:
            raise KeyboardInterrupt
        self.set = True


@contextmanager
def stop_on_signal() -> Iterator[StopFlag]:
    """Within the context the first SIGINT or SIGTERM asks for a checkpoint and an orderly end; the second ends at once."""
    flag = StopFlag()
    before = {number: signal.signal(number, flag.raise_flag) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def say(message: str) -> None:
    sys.stderr.write(f"ganline train: {message}\n")
