"""What a task is given to evaluate a model with, and the result that it returns. This part needs torch."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from pipeline.data.store import DatasetInfo, ItemSet
from pipeline.evaluation.comparison import Material
from pipeline.evaluation.extractors.base import Compute, Progress, compute_here, quiet
from pipeline.evaluation.real_data import RealData
from pipeline.evaluation.report_trend import EvaluatedRun
from pipeline.evaluation.settings import EvaluateSettings
from pipeline.gans.base import GAN
from pipeline.media.registry import tensors_of
from pipeline.media.tensors import Tensors
from pipeline.training.model_files import ModelConfig


@dataclass(frozen=True)
class Folders:
    """Where an evaluation finds and writes files.

    Attributes:
        root: What a relative path in evaluate.features starts from.
        model: Folder of the model's config.json.
        cache: Folder of cached features and nulls.
        extractors: Folder of feature extractors as ONNX.
        evaluations: Folder of cached evaluations of exported models.
    """

    root: Path
    model: Path
    cache: Path
    extractors: Path
    evaluations: Path


@dataclass(frozen=True, kw_only=True)
class EvaluationCase:
    """A model, and the data and settings it is evaluated with.

    Attributes:
        gan: The model on `device`; only its averaged networks are trained.
        opset: The ONNX opset in which the feature extractor is kept.
        run_id: The MLflow run that the report names.
        previous: Metrics of the previous evaluation of this project; None if there is none.
        curves: Rows of the training's curves, oldest first; empty if they are not known.
        history: Earlier evaluated runs, oldest first, for the trend in the report.
        compute: Computes features of items.
    """

    gan: GAN
    config: ModelConfig
    info: DatasetInfo
    train: ItemSet
    test: ItemSet
    settings: EvaluateSettings
    device: torch.device
    folders: Folders
    opset: int
    run_id: str = ""
    previous: dict[str, Any] | None = None
    curves: Sequence[Mapping[str, float]] = ()
    history: Sequence[EvaluatedRun] = ()
    compute: Compute = compute_here

    @property
    def tensors(self) -> Tensors:
        """Stored items as tensors, and back."""
        return tensors_of(self.info.item)

    def real_data(self, progress: Progress = quiet) -> RealData:
        """Return what samples are compared with. Nothing of it is computed yet."""
        return RealData(
            self.train,
            self.test,
            self.info.item,
            self.settings,
            self.device,
            cache=self.folders.cache,
            root=self.folders.root,
            progress=progress,
            compute=self.compute,
        )

    def checks(self, goals: Mapping[str, str]) -> dict[str, list[float]]:
        """Return the values of goals of the training's health checks, oldest first, by what they are called.

        Args:
            goals: Titles by measure, such as {"fid": "Fréchet distance"}.
        """
        return {
            title: [row[f"health_{name}"] for row in self.curves if f"health_{name}" in row]
            for name, title in goals.items()
        }

    def runs(self, metrics: Mapping[str, Any]) -> list[EvaluatedRun]:
        """Return the history with the present run, whose flat metrics these are, as its last."""
        return [*self.history, EvaluatedRun("this run", "", "", metrics["verdict"], metrics["protocol"], metrics)]

    def provenance(self, **more: str) -> dict[str, str]:
        """Return what was evaluated, by name, for the report."""
        config = self.config
        return {
            "model": f"{config.model.variant}, {config.images_seen:,} images seen",
            "MLflow run": self.run_id,
            "data": f"{config.dataset_source}, {config.item.size}",
            "data fingerprint": self.info.fingerprint,
            **more,
        }


@dataclass(frozen=True)
class EvaluationResult:
    """The result of one evaluation.

    Attributes:
        metrics: Flat numbers, with `verdict`, `reasons`, `untested`, `skipped` and `protocol`.
        page: The report as HTML.
        line: The most important numbers, for stdout.
        notes: Remarks for stderr.
        material: What another model's evaluation is compared with.
    """

    metrics: dict[str, Any]
    page: str
    line: str
    notes: list[str] = field(default_factory=list)
    material: Material = field(default_factory=Material)


def progress_bar(steps: range, label: str) -> Iterable[int]:
    """Show progress on stderr if there is more than one step: a bar on a terminal, otherwise one line."""
    if len(steps) > 1 and not sys.stderr.isatty():
        sys.stderr.write(f"ganline: {label} ({len(steps):,} steps)\n")
        sys.stderr.flush()
    return tqdm(steps, desc=label, leave=False, disable=None, mininterval=0.5) if len(steps) > 1 else steps
