"""The media: one line each. `data.medium` names one."""

from pipeline.media.base import Medium
from pipeline.media.image.medium import ImageMedium

MEDIA: dict[str, Medium] = {"image": ImageMedium()}
