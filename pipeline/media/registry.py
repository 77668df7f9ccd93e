"""The media: one line each. `data.medium` names one."""

from typing import TYPE_CHECKING

from pipeline.errors import InputError
from pipeline.items import ItemSpec
from pipeline.media.audio.medium import AudioMedium
from pipeline.media.base import Medium
from pipeline.media.image.medium import ImageMedium
from pipeline.media.music.medium import MusicMedium
from pipeline.media.video.medium import VideoMedium
from pipeline.media.volume.medium import VolumeMedium

if TYPE_CHECKING:
    from pipeline.media.tensors import Tensors

MEDIA: dict[str, Medium] = {
    "image": ImageMedium(),
    "audio": AudioMedium(),
    "music": MusicMedium(),
    "video": VideoMedium(),
    "volume": VolumeMedium(),
}


def find_medium(name: str) -> Medium:
    """Return a medium by its name. Raise InputError if this ganline has none of that name."""
    if name not in MEDIA:
        raise InputError(f"there is no medium {name!r}; known media: {', '.join(MEDIA)}")
    return MEDIA[name]


def tensors_of(item: ItemSpec) -> "Tensors":
    """Return the torch part of the medium of `item`: stored items as tensors, and back."""
    return find_medium(item.medium).tensors(item)
