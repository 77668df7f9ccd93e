"""The look of the task "predict": the same held-out clips are completed at every look."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from pipeline.evaluation.extractors.base import ArrayItems
from pipeline.evaluation.quick_look import QuickLook
from pipeline.gans.base import GAN
from pipeline.gans.game.frame_completion import complete, predicted_frames
from pipeline.items import ItemSpec
from pipeline.media.registry import tensors_of
from pipeline.media.scale import BYTES
from pipeline.tasks.training_case import TrainingCase

COMPLETED = 256
"""Most held-out clips that one look completes."""


@dataclass(frozen=True)
class PredictionLook:
    """Completes the same clips at every look.

    Attributes:
        item: What one clip is.
        real: Held-out clips as networks see them, [n, T * C, H, W], on the device.
        texture: Compares completed clips with real ones by features of an untrained network.
    """

    goals: ClassVar[Mapping[str, str]] = {"fid": "Fréchet distance", "rmse": "error of the predicted frames"}

    item: ItemSpec
    real: Tensor
    texture: QuickLook

    @torch.no_grad()
    def look(self, gan: GAN, samples: int, seed: int, batch_size: int) -> dict[str, float]:
        """Complete at most `samples` clips; `rmse` and `fid` are NaN if one is not finite."""
        colours = self.item.channels // self.item.frames
        real = self.real[:samples]
        rng = torch.Generator().manual_seed(seed + 1)
        completed = torch.cat([complete(gan, part, colours, rng) for part in torch.split(real, batch_size)])
        if not bool(torch.isfinite(completed).all()):
            return {"fid": float("nan"), "rmse": float("nan")}
        numbers = predicted_frames(gan, self.item.frames)
        frames = (completed - real).reshape(len(real), -1, colours, *real.shape[2:])[:, numbers]
        errors = frames.square().mean(dim=(0, 2, 3, 4))
        to_items = tensors_of(self.item).from_network
        distances = self.texture(to_items(completed))
        levels = BYTES.half * errors.sqrt()
        return {
            "fid": distances["fid"],
            "fid_error": distances["fid_error"],
            "rmse": float(BYTES.half * errors.mean().sqrt()),
            "rmse_first": float(levels[0]),
            "rmse_last": float(levels[-1]),
        }


def build_look(case: TrainingCase) -> PredictionLook:
    """Build the look from held-out clips."""
    clips = case.held_out if len(case.held_out) else case.train
    count = min(COMPLETED, case.settings.health.samples, len(clips))
    items = clips.images(np.unique(np.linspace(0, len(clips) - 1, count).astype(np.int64)))
    real = tensors_of(case.item).to_network(torch.from_numpy(np.array(items)).to(case.device))
    texture = QuickLook(ArrayItems(items), case.item, samples=len(items), seed=case.settings.seed, device=case.device)
    return PredictionLook(case.item, real, texture)
