"""What a blind test of a restoration shows: originals, and other originals that were degraded and restored."""

from collections.abc import Sequence

import torch

from pipeline.arrays import UInt8Array
from pipeline.data.batch_sampling import TrainingItems
from pipeline.data.store import ItemSet
from pipeline.evaluation.blind_test import HALF, BlindTest, require_finite
from pipeline.gans.base import GAN
from pipeline.media.registry import tensors_of
from pipeline.tasks.restore.restoration_evaluation import read_image, restore

LARGEST = 256
"""Side of the detail that the test shows of a large image."""


@torch.inference_mode()
def draw_items(
    gan: GAN, train: TrainingItems, test: ItemSet, blind: BlindTest
) -> tuple[Sequence[UInt8Array], Sequence[UInt8Array]]:
    """Return HALF originals and HALF restored images, each [H, W, C]; no image is shown in both ways.

    Raises:
        InputError: The test split is too small, or the model generates NaN or Inf.
    """
    positions, tensors = blind.choose(len(test), 2 * HALF, "images"), tensors_of(test.item)
    view = next(iter(gan.evaluation_views().values()))
    degradation, rng = tensors.degradation(**view.options), torch.Generator().manual_seed(blind.seed)
    originals = [read_image(test, int(position), gan.scale) for position in positions]
    restored = [require_finite(restore(gan, degradation(image, rng))) for image in originals[HALF:]]
    real, generated = (
        [crop(tensors.from_network(image)[0]) for image in images] for images in (originals[:HALF], restored)
    )
    return real, generated


def crop(image: UInt8Array) -> UInt8Array:
    """Return the middle of an image, at most 256 x 256 pixels."""
    height, width = (min(side, LARGEST) for side in image.shape[:2])
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return image[top : top + height, left : left + width]
