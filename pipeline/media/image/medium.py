"""Images."""

from pipeline.media.base import Medium
from pipeline.media.image.settings import ImageSettings


class ImageMedium(Medium):
    """Gray or RGB images, uint8 [H, W, 1 or 3]."""

    name = "image"
    Settings = ImageSettings
