"""Ways to break images: turned, exchanged quarters, two images in one, inverted, shuffled, and other colours."""

import numpy as np

from pipeline.arrays import Items
from pipeline.items import ItemSpec
from pipeline.media.alteration import Alteration, mix_neighbours
from pipeline.media.image.placement import symmetries

SHORTEST = 16
"""Side from which the quarters of an image show parts of what it shows."""
RGB = 3


def alterations(spec: ItemSpec) -> list[Alteration]:
    """Return the alterations of images of this spec."""
    found = [Alteration(change.words, "turned", change.undo) for change in symmetries(spec)]
    found.append(Alteration("like two images in one", "unreal", mix_neighbours))
    found.append(Alteration("like halves of two images", "unreal", join_halves))
    if min(spec.height, spec.width) >= SHORTEST:
        found.append(Alteration("cut into exchanged quarters", "unreal", exchange_quarters))
    found.append(Alteration("inverted", "unreal", invert))
    found.append(Alteration("like shuffled pixels", "unreal", shuffle_pixels))
    if spec.channels == RGB:
        found.append(Alteration("gray", "recoloured", remove_colour))
        found.append(Alteration("as if red and blue were swapped", "recoloured", swap_red_and_blue))
    return found


def join_halves(items: Items) -> Items:
    """Join the left half of each image and the right half of the next one."""
    middle = items.shape[2] // 2
    return np.concatenate([items[:, :, :middle], np.roll(items, -1, axis=0)[:, :, middle:]], axis=2)


def exchange_quarters(items: Items) -> Items:
    """Exchange the quarters of each image across its centre."""
    return np.roll(items, (items.shape[1] // 2, items.shape[2] // 2), axis=(1, 2))


def invert(items: Items) -> Items:
    """Make bright pixels dark."""
    return np.iinfo(items.dtype).max - items


def shuffle_pixels(items: Items) -> Items:
    """Shuffle the pixels of each image."""
    order = np.random.default_rng(0).random((*items.shape[:1], items[0, ..., 0].size)).argsort(axis=1)
    flat = items.reshape(len(items), -1, items.shape[3])
    return np.take_along_axis(flat, order[..., None], axis=1).reshape(items.shape)


def remove_colour(items: Items) -> Items:
    """Replace the channels of each pixel by their mean."""
    mean = np.rint(items.mean(axis=3, keepdims=True, dtype=np.float32)).astype(items.dtype)
    return np.repeat(mean, items.shape[3], axis=3)


def swap_red_and_blue(items: Items) -> Items:
    """Reverse the order of the channels."""
    return items[..., ::-1]
