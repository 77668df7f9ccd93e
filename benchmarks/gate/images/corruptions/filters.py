"""Operations on images that several failures use."""

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter

from benchmarks.gate.failure import UInt8

MARGIN = 2


def per_image(images: UInt8, change: Callable[[Image.Image], Image.Image]) -> UInt8:
    """Apply a Pillow operation to each image of [n, H, W, C]."""

    def change_one(image: UInt8) -> UInt8:
        picture = change(Image.fromarray(image if image.shape[-1] == 3 else image[:, :, 0]))
        return np.asarray(picture, dtype=np.uint8).reshape(image.shape)

    return np.stack([change_one(image) for image in images])


def gaussian_blur(images: UInt8, radius: float) -> UInt8:
    """Apply a Gaussian blur."""
    return per_image(images, lambda picture: picture.filter(ImageFilter.GaussianBlur(radius)))


def median(images: UInt8) -> UInt8:
    """Apply a median filter of 3 x 3 pixels."""
    return per_image(images, lambda picture: picture.filter(ImageFilter.MedianFilter(3)))


def sharpen(images: UInt8, percent: float) -> UInt8:
    """Apply an unsharp mask."""
    return per_image(images, lambda picture: picture.filter(ImageFilter.UnsharpMask(1, int(percent), 0)))


def compress(images: UInt8, quality: float) -> UInt8:
    """Compress to JPEG and decompress."""

    def through_file(picture: Image.Image) -> Image.Image:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=int(quality))
        return Image.open(buffer)

    return per_image(images, through_file)


def enlarge(images: UInt8, share: float) -> UInt8:
    """Cut a border of this share of the side off, and enlarge to the old size."""
    side = images.shape[1]
    box = (side * share, side * share, side * (1 - share), side * (1 - share))
    return per_image(images, lambda picture: picture.resize(picture.size, Image.Resampling.BICUBIC, box))


def move(images: UInt8, reach: float, rng: np.random.Generator) -> UInt8:
    """Move each image by up to `reach` of 32 pixels in both directions, between pixels too."""
    reach *= images.shape[1] / 32  # half of one of 8 pixels would be another image

    def move_one(picture: Image.Image) -> Image.Image:
        dx, dy = rng.uniform(-reach, reach, 2)
        moved = picture.transform(picture.size, Image.Transform.AFFINE, (1, 0, dx, 0, 1, dy), Image.Resampling.BICUBIC)
        return moved.crop((MARGIN, MARGIN, picture.width - MARGIN, picture.height - MARGIN))

    padded: UInt8 = np.pad(images, ((0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), mode="edge")
    pictures = [move_one(Image.fromarray(image if image.shape[-1] == 3 else image[:, :, 0])) for image in padded]
    return np.stack([np.asarray(picture, dtype=np.uint8) for picture in pictures]).reshape(images.shape)


def shift(images: UInt8, pixels: int) -> UInt8:
    """Shift all images down and right; the first row and column fill the gap."""
    padded = np.pad(images, ((0, 0), (pixels, 0), (pixels, 0), (0, 0)), mode="edge")
    shifted: UInt8 = padded[:, : images.shape[1], : images.shape[2]]
    return shifted


def shuffle_quadrants(images: UInt8) -> UInt8:
    """Exchange the quadrants of each image across its centre."""
    half = images.shape[1] // 2
    return np.roll(images, (half, half), (1, 2))


def rotate(images: UInt8) -> UInt8:
    """Rotate images by a quarter turn."""
    rotated: UInt8 = np.rot90(images, 1, (1, 2))
    return rotated


def crossfade(first: UInt8, second: UInt8, weight: float) -> UInt8:
    """Return the weighted means of pairs of images; `weight` is that of the first."""
    mixed: UInt8 = np.rint(weight * first + (1 - weight) * second.astype(np.float32)).astype(np.uint8)
    return mixed
