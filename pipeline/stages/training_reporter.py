"""What a training shows while it runs: the progress bar, reports/training.csv, pictures, and the curves in MLflow."""

import csv
import io
import sys
import time
from contextlib import suppress
from pathlib import Path

from torch import Tensor
from tqdm import tqdm

from pipeline.files import remove_partial, write_atomically
from pipeline.gans.base import to_uint8
from pipeline.media.image.preview import grid
from pipeline.stages.paths import Paths
from pipeline.tracking import tracked_run
from pipeline.training.loop import Row, Trainer

WIDEST = 16
"""Columns of a sheet of samples by class."""

ROWS_PER_BATCH = 20
"""Rows sent to MLflow at a time: a call costs far more than a row."""


class Reporter:
    """The trainer's observer.

    DVC clears a stage's outputs before it runs, so what an earlier sitting reported is written again from the checkpoint
    (rows) and from the folder beside it (pictures).
    """

    def __init__(self, paths: Paths, work: Path, tracked: tracked_run.Run, total: int) -> None:
        self.paths, self.tracked = paths, tracked
        self.columns_of_sheet: int | None = None
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
        self.bar = tqdm(
            total=total,
            unit="img",
            unit_scale=True,
            desc="train",
            mininterval=interval,
            maxinterval=interval,
            dynamic_ncols=True,
        )

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
        classes = trainer.gan.classes
        # As the variant wants it, else a column a class where it knows classes.
        self.columns_of_sheet = trainer.gan.preview_columns or (classes if 1 < classes <= WIDEST else None)
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
        self.bar.set_postfix(
            {name.removeprefix("loss_")[:4]: f"{value:.3f}" for name, value in row.items() if name.startswith("loss_")}
        )
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


def say(message: str) -> None:
    sys.stderr.write(f"ganline train: {message}\n")
