"""What a look at a training measures: samples of the averaged networks, and what the discriminator makes of images it never saw."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline.gans.base import GAN, Batch, to_uint8

LEVELS = 127.5  # 8-bit levels in one unit of [-1, 1]
SURE = 4.0  # standard errors by which real and generated images must differ for the discriminator before it can be said to overfit


class Look(Protocol):
    """Looks at the averaged networks: numbers by name, among them the variant's goal; the training's random state stays as it is."""

    def look(self, gan: GAN, samples: int, seed: int, batch_size: int, /) -> dict[str, float]: ...


@dataclass(frozen=True)
class Restored:
    """A look at restorations of the same held-out images each time: `held` has "input" and "target" on the device, `measure` takes what
    became of the inputs, and the targets, uint8 [n, H, W, C]."""

    measure: Callable[[npt.NDArray[np.uint8], npt.NDArray[np.uint8]], Mapping[str, float]]
    held: Batch

    @torch.no_grad()
    def look(self, gan: GAN, samples: int, seed: int, batch_size: int) -> dict[str, float]:
        """At most `samples` images; `rmse` and `fid` are NaN where an image is."""
        rng = torch.Generator().manual_seed(seed + 1)
        n = min(samples, len(self.held["input"]))
        made = [gan.sample(len(part), rng, image=part) for part in torch.split(self.held["input"][:n], batch_size)]
        if not all(bool(torch.isfinite(images).all()) for images in made):
            return {"fid": float("nan"), "rmse": float("nan")}
        return dict(
            self.measure(np.concatenate([to_uint8(images) for images in made]), to_uint8(self.held["target"][:n]))
        )


@dataclass(frozen=True)
class Translated:
    """A look at translations of the same held-out pictures each time: `held` has "a" and "b" on the device, `measures` take what is to be
    like side "a" or "b", uint8 [n, H, W, C]."""

    measures: Mapping[str, Callable[[npt.NDArray[np.uint8]], Mapping[str, float]]]
    held: Batch

    @torch.no_grad()
    def look(self, gan: GAN, samples: int, seed: int, batch_size: int) -> dict[str, float]:
        """Means over the directions, of the distance from real pictures (`fid`, NaN where a picture is), and the worse of them in variety;
        `cycle` is the mean difference, in 8-bit levels, of a picture from what there and back makes of it."""
        rng = torch.Generator().manual_seed(seed + 1)
        found: list[Mapping[str, float]] = []
        cycles = []
        for name, way in gan.directions().items():
            given = torch.split(self.held[way.source][:samples], batch_size)
            parts = [gan.translate(part, name, rng) for part in given]
            made = torch.cat(parts)
            if not torch.isfinite(made).all():
                return {"fid": float("nan")}
            found.append(self.measures[way.target](to_uint8(made)))
            if way.inverse is not None:
                again = torch.cat(
                    [gan.reconstruct(there, part, name, rng) for there, part in zip(parts, given, strict=True)]
                )
                cycles.append(float((again - self.held[way.source][:samples]).abs().mean()) * LEVELS)
        numbers = {
            "fid": float(np.mean([one["fid"] for one in found])),
            "fid_error": float(np.linalg.norm([one["fid_error"] for one in found])) / len(found),
            "diversity": min(one["diversity"] for one in found),
            "distance": min(one["distance"] for one in found),
            "near_duplicates": max(one["near_duplicates"] for one in found),
        }
        return numbers | ({"cycle": float(np.mean(cycles))} if cycles else {})


@dataclass(frozen=True)
class Watch:
    """`measure` takes uint8 samples [n, H, W, C]; `train` and `held` hold images (and labels, where there are classes) on the device, of
    which the discriminator is trained on the first alone; None where none are held out."""

    measure: Callable[[npt.NDArray[np.uint8]], Mapping[str, float]]
    train: Batch | None = None
    held: Batch | None = None

    @torch.no_grad()
    def look(self, gan: GAN, samples: int, seed: int, batch_size: int) -> dict[str, float]:
        """Numbers by name, of `samples` images from latents that are the same at every look; `fid` is NaN where an image is."""
        rng = torch.Generator().manual_seed(seed + 1)
        pixels = []
        for start in range(0, samples, batch_size):
            size = min(batch_size, samples - start)
            label = torch.arange(start, start + size) % gan.classes if gan.classes else None
            images = gan.sample(size, rng, **({} if label is None else {"label": label}))
            if not torch.isfinite(images).all():
                return {"fid": float("nan")}
            pixels.append(to_uint8(images))
        numbers = dict(self.measure(np.concatenate(pixels)))
        overfitting = self.overfitting(gan, images, label)
        return numbers if overfitting is None else numbers | {"overfitting": overfitting}

    def overfitting(self, gan: GAN, fake: Tensor, label: Tensor | None) -> float | None:
        """r_v of Karras 2020, eq. 1: how far held-out images look from training images on the way to generated ones; 0 where none differ."""
        if self.train is None or self.held is None:
            return None
        scores = [gan.score(batch["image"], batch.get("label")) for batch in (self.train, self.held)]
        generated = gan.score(fake, None if label is None else label.to(fake.device))
        train, held = scores
        if train is None or held is None or generated is None:
            return None
        gap = float(train.mean() - generated.mean())
        error = float((train.var() / len(train) + generated.var() / len(generated)).sqrt())
        return float(train.mean() - held.mean()) / gap if gap > SURE * error else 0.0
