"""What every task's judgement is given, and what it gives back."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from tqdm import tqdm

from pipeline.data.store import DatasetInfo, ImageSet
from pipeline.evaluation.comparison import Material
from pipeline.evaluation.extractors.base import quiet
from pipeline.gans.base import GAN
from pipeline.params import Params
from pipeline.stages.paths import Paths
from pipeline.training.model_files import ModelConfig


@dataclass(frozen=True)
class Case:
    """A model on `device`, and the data and settings it is judged by; `previous` holds the metrics of the run before."""

    paths: Paths
    params: Params
    info: DatasetInfo
    train: ImageSet
    test: ImageSet
    gan: GAN
    config: ModelConfig
    device: torch.device
    run_id: str
    previous: dict[str, Any] | None

    def provenance(self, **more: str) -> dict[str, str]:
        """What the report says was judged."""
        config = self.config
        return {
            "model": f"{config.model.variant}, {config.images_seen:,} images seen",
            "MLflow run": self.run_id,
            "data": f"{config.dataset_source}, {config.item.size}",
            "data fingerprint": self.info.fingerprint,
            **more,
        }


@dataclass(frozen=True)
class Outcome:
    """`metrics` (with verdict, reasons and protocol) and the report's page; `line` for stdout, `notes` for stderr; `material` to be compared with
    another model's."""

    metrics: dict[str, Any]
    page: str
    line: str
    notes: list[str]
    material: Material


def show(steps: range, label: str) -> Iterable[int]:
    """A bar on stderr, silent where nobody watches and for what takes one step."""
    return (
        tqdm(steps, desc=label, leave=False, disable=None, mininterval=0.5) if len(steps) > 1 else quiet(steps, label)
    )
