"""How a training is looked at while it runs, by the task of the variant, and what a person is shown of it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from pipeline.arrays import UInt8Array
from pipeline.data.batch_sampling import Pictures
from pipeline.data.domains import Side, sides
from pipeline.data.store import ImageSet
from pipeline.data.views import VIEWS
from pipeline.evaluation.extractors.base import Held
from pipeline.evaluation.measures.image_similarity import sharpness
from pipeline.evaluation.quick_look import QuickLook
from pipeline.gans.base import GAN, Batch, to_uint8
from pipeline.training.looks import Look, Restored, Translated, Watch
from pipeline.training.settings import TrainSettings

JUDGED = 512
"""Images on either side of the question whether the discriminator overfits."""

RESTORED = 512
"""Held-out images that every look restores, at most."""

TRANSLATED = 512
"""Held-out pictures of either side that every look translates, at most."""

ROUNDS = 128
"""Crops of each held-out photograph, at most."""


@dataclass(frozen=True)
class Scene:
    """A training, its images, and those it does not see; `classes` is how many the data has."""

    train: ImageSet
    held_out: ImageSet
    classes: int
    channels: int
    settings: TrainSettings
    gan: GAN
    device: torch.device


def generated(scene: Scene) -> Watch:
    """Samples beside training images, and the discriminator's opinion of held-out ones."""

    def some(images: ImageSet) -> Batch | None:
        if not len(images):
            return None
        view = VIEWS["labelled" if scene.gan.classes else "unlabelled"](
            images, scene.device, scene.settings.seed, resident_bytes=0
        )
        batch: Batch = view.next(min(JUDGED, len(images)))
        return batch

    samples, seed = scene.settings.health.samples, scene.settings.seed
    return Watch(
        QuickLook(scene.train, scene.train.labels, scene.classes, scene.channels, samples, seed, scene.device),
        some(scene.train),
        some(scene.held_out),
    )


def restored(scene: Scene) -> Restored:
    """Restorations beside the originals: their error, and how far their texture is from theirs."""
    images = scene.held_out if len(scene.held_out) else scene.train
    trial = next(iter(scene.gan.evaluation_views().values()))
    # Noise and places are drawn once: every look sees the same.
    view = VIEWS[trial.name](images, scene.device, scene.settings.seed, **trial.options)
    rounds = ROUNDS if isinstance(images, Pictures) else 1
    held: Batch = view.next(min(RESTORED, scene.settings.health.samples, rounds * len(images)))
    originals = Held(to_uint8(held["target"]))
    quick = QuickLook(
        originals, np.full(len(originals), -1), 0, scene.channels, len(originals), scene.settings.seed, scene.device
    )

    def measure(made: UInt8Array, target: UInt8Array) -> dict[str, float]:
        error = float(np.mean((made.astype(np.float64) - target.astype(np.float64)) ** 2))
        sharp, wanted = (float(np.mean([sharpness(image) for image in images])) for images in (made, target))
        texture = quick(made)
        return {
            "fid": texture["fid"],
            "fid_error": texture["fid_error"],
            "rmse": error**0.5,
            "psnr": 10 * float(np.log10(255**2 / max(error, 1e-9))),
            "sharpness": sharp / max(wanted, 1e-9),
        }

    return Restored(measure, held)


def translated(scene: Scene) -> Translated:
    """Translations of held-out pictures, beside training pictures of the side they should be like."""
    images = scene.held_out if len(scene.held_out) else scene.train
    settings, gan = scene.settings, scene.gan
    smallest = min(len(side) for side in sides(images))
    view = VIEWS[gan.view.name](images, scene.device, settings.seed, **gan.view.options)
    held: Batch = view.next(min(TRANSLATED, settings.health.samples, smallest))
    number = len(next(iter(held.values())))
    real: dict[str, Side] = dict(zip("ab", sides(scene.train), strict=True))
    wanted: set[str] = {way.target for way in gan.directions().values()}
    measures = {
        name: QuickLook(side, side.labels, 0, scene.channels, number, settings.seed, scene.device)
        for name, side in real.items()
        if name in wanted
    }
    return Translated(measures, held)


LOOKS: dict[str, Callable[[Scene], Look]] = {"generate": generated, "restore": restored, "translate": translated}


def examples(gan: GAN, images: ImageSet, device: torch.device, seed: int) -> Batch:
    """What `gan.preview` is shown of `images`: entries of its own view, always the same."""
    if not gan.preview_examples:
        return {}
    batch: Batch = VIEWS[gan.view.name](images, device, seed, **gan.view.options).next(gan.preview_examples)
    return batch
