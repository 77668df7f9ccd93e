"""The description of one item of a data set: shape, dtype and meaning. A leaf module: no torch."""

import string
from typing import Any, Literal

import numpy as np
from pydantic import Field, JsonValue, SerializerFunctionWrapHandler, model_serializer, model_validator

from pipeline.captions import Vocabulary
from pipeline.settings import Settings
from pipeline.tokenizer import Tokenizer

Dtype = Literal["uint8", "int16", "uint16"]

DOMAINS = string.ascii_lowercase
"""Short names of the domains of a translation, in their order: sides A and B of pairs, or classes."""

MOST_DOMAINS = len(DOMAINS)


class ItemSpec(Settings):
    """Shape, dtype and meaning of one stored item; written to dataset.json, models/config.json and ONNX metadata.

    An item is an array [height, width, channels] of `dtype`. What the axes mean is the medium's business.

    Attributes:
        symbols: Above 0 the values are categories 0 .. symbols - 1; 0 for values on a scale.
        classes: Names of the labels, in their order; empty without labels.
        details: Facts of the medium, such as a sample rate or a vocabulary.
        vocabulary: What turns captions into tokens, the data's words or a user's tokenizer; None without captions.
    """

    medium: str = "image"
    height: int = Field(ge=1)
    width: int = Field(ge=1)
    channels: int = Field(ge=1)
    dtype: Dtype = "uint8"
    symbols: int = Field(0, ge=0)
    classes: tuple[str, ...] = ()
    details: dict[str, JsonValue] = Field(default_factory=dict)
    vocabulary: Vocabulary | Tokenizer | None = None

    @model_serializer(mode="wrap")
    def leave_out_missing_vocabulary(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write the description of data without captions as before there were any."""
        values: dict[str, Any] = handler(self)
        return {key: value for key, value in values.items() if key != "vocabulary" or value is not None}

    @model_validator(mode="after")
    def symbols_fit_dtype(self) -> "ItemSpec":
        if self.symbols > np.iinfo(self.dtype).max + 1:
            raise ValueError(f"{self.symbols} symbols do not fit into {self.dtype}")
        return self

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return self.height, self.width, self.channels

    @property
    def network_channels(self) -> int:
        """Channels that a network sees: categories are one-hot, one map a symbol."""
        return self.channels * max(self.symbols, 1)

    @property
    def frames(self) -> int:
        """Frames that are folded into the channels; 1 unless items are clips."""
        frames = self.details.get("frames", 1)
        assert isinstance(frames, int)
        return frames

    @property
    def binary(self) -> bool:
        """Whether a value is on or off, with none in between, such as voxels of a solid."""
        return self.details.get("values") == "occupancy"

    @property
    def size(self) -> str:
        """The shape in words, "8 x 8 x 1"."""
        return " x ".join(map(str, self.shape))

    def check(self, values: Any) -> None:
        """Raise ValueError unless `values` [..., H, W, C] has this shape and dtype."""
        if values.shape[-3:] != self.shape or values.dtype != np.dtype(self.dtype):
            raise ValueError(f"items are {values.dtype} {list(values.shape[-3:])}, not {self.dtype} {list(self.shape)}")


def upgrade_item(values: Any) -> Any:
    """Return a description with `item`, from one written when it had `resolution`, `channels` and class names."""
    if not isinstance(values, dict) or "item" in values or "resolution" not in values:
        return values
    rest = dict(values)
    side, channels = rest.pop("resolution"), rest.pop("channels", None)
    classes = rest.pop("classes", None) or rest.pop("class_names", None) or ()
    return rest | {"item": {"height": side, "width": side, "channels": channels, "classes": classes}}


class DataLayout(Settings):
    """What a variant must know of the data before it is read, as `data:` in params.yaml describes it.

    Attributes:
        height, width: Of an item; of the crops taken from items that keep their sizes.
        depth: Side of the third dimension of volumes, which are stored as channels; 1 for flat items.
        own_sizes: Items keep their sizes.
        paired: Items come as pairs A and B.
        classes: The classes that are asked for; None takes all that there are.
        dtype: Of a stored value.
        symbols: Above 0 the values are categories, as in `ItemSpec`.
        frames: Frames that are folded into the channels; 1 unless items are clips.
        size_keys: The settings that decide height and width, for messages.
    """

    height: int
    width: int
    depth: int = 1
    own_sizes: bool = False
    paired: bool = False
    classes: tuple[str, ...] | None = None
    dtype: Dtype = "uint8"
    symbols: int = 0
    frames: int = 1
    size_keys: str = "data.resolution"
