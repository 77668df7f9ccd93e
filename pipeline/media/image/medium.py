"""Images: the medium's contract, answered for pictures."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pipeline.items import ItemSpec
from pipeline.media.base import BuiltinSource, Medium
from pipeline.media.codec import Bounds, Encoded, Fact, Item, TransformInput
from pipeline.media.image import validation
from pipeline.media.image.appearance import APPEARANCE, statistics
from pipeline.media.image.formats import SUFFIXES
from pipeline.media.image.patch_measures import PATCH_MEASURES
from pipeline.media.image.profile_measures import PROFILE_MEASURES
from pipeline.media.image.settings import ImageSettings

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]
    from PIL import Image

    from pipeline.arrays import Float64Array, Items
    from pipeline.measure import Measure
    from pipeline.media.alteration import Alteration
    from pipeline.media.image.image import Target
    from pipeline.media.image.value_range import Ranges
    from pipeline.media.profiles import Profile
    from pipeline.media.tensors import Tensors
    from pipeline.media.validation import Defect, Expectation

TORCHVISION = "torchvision:"


class ImageMedium(Medium):
    """Gray or RGB images, uint8 [H, W, 1 or 3]; gray ones also uint16 [H, W, 1]."""

    name = "image"
    noun = "image"
    file_types = "PNG, JPEG, GIF, BMP, TIFF, WebP, ..."
    example_file = "photo.jpg"
    suffixes = SUFFIXES
    arrays = True
    transforms = True
    formats = {  # noqa: RUF012
        ".png": "image/png",
        ".jpg": "image/jpeg",
        ".jpeg": "image/jpeg",
        ".webp": "image/webp",
        ".avif": "image/avif",
        ".tif": "image/tiff",
        ".tiff": "image/tiff",
        ".bmp": "image/bmp",
        ".gif": "image/gif",
    }
    lossy_formats = (".jpg", ".jpeg", ".webp", ".avif")
    deep_formats = (".png", ".tif", ".tiff")
    Settings = ImageSettings
    Validation = validation.ImageValidation
    facts = (
        Fact("width", "int32"),
        Fact("height", "int32"),
        Fact("side", "float64"),
        Fact("mode", "string"),
        Fact("mean", "float64"),
        Fact("std", "float64"),
        Fact("lowest", "float64"),
        Fact("highest", "float64"),
        Fact("range_share", "float64"),
        Fact("outside_share", "float64"),
    )
    partner_facts = ("width", "height")
    sources = ("digits", "captioned-digits", "styled-digits", "torchvision:NAME")
    flips = True
    augmentations = frozenset({"diffaugment", "ada"})
    input = "image"
    output = "images"

    def spec(self, settings: ImageSettings, classes: tuple[str, ...]) -> ItemSpec:
        """Return gray or RGB pixels of data.resolution."""
        layout = settings.layout()
        channels = 1 if settings.channels == "gray" else 3
        return ItemSpec(
            medium=self.name,
            height=layout.height,
            width=layout.width,
            channels=channels,
            dtype=layout.dtype,
            classes=classes,
            details={} if settings.range is None else {"range": settings.model_dump(mode="json")["range"]},
        )

    def kind(self, spec: ItemSpec) -> str:
        """Return "RGB image" or "gray image"."""
        return f"{'RGB' if spec.channels == 3 else 'gray'} image"

    def extent(self, height: int, width: int) -> str:
        """Return the size in pixels."""
        return f"{height} x {width} pixels"

    def decode(self, data: bytes, settings: ImageSettings) -> Iterator[Item]:
        """Yield the one image of a file."""
        from pipeline.media.image.facts import describe_image
        from pipeline.media.image.image import decode

        image = decode(data, target_of(settings))
        bounds = None if image.levels is None else image.levels.bounds
        yield Item(np.ascontiguousarray(image.pixels), describe_image(image, settings), bounds)

    def with_range(self, settings: ImageSettings, bounds: Sequence[Bounds]) -> ImageSettings:
        """Return settings with one range for all integers of more than 8 bits, and one for all floats."""
        from pipeline.media.image.value_range import find_range

        if settings.range is not None:
            return settings
        ranges = {"integer" if each.whole else "float": find_range(each) for each in bounds}
        return settings.model_copy(update={"range": ranges})

    def with_details(self, settings: ImageSettings, spec: ItemSpec) -> ImageSettings:
        """Return settings with the range of a data set."""
        return settings.model_copy(update={"range": stored_ranges(spec)})

    def remarks(self, items: pd.DataFrame) -> list[str]:
        """Return how many images have values outside the range."""
        return validation.range_remarks(items)

    def encoded_size(self, data: bytes) -> tuple[int, int]:
        """Return height and width from the header."""
        from pipeline.media.image.image import measure

        width, height = measure(data)
        return height, width

    def decode_one(self, data: bytes, spec: ItemSpec, *, own_size: bool, largest: int) -> TransformInput:
        """Decode an image, cropped to the size of `spec` unless it keeps its own."""
        from pipeline.media.image.image import Target
        from pipeline.media.image.transformation import read_input

        resolution = (1, 1) if own_size else (spec.height, spec.width)
        channels: Literal["gray", "rgb"] = "gray" if spec.channels == 1 else "rgb"
        fit: Literal["keep", "crop"] = "keep" if own_size else "crop"
        target = Target(resolution, channels, fit=fit, max_pixels=largest, ranges=stored_ranges(spec))
        return read_input(data, target)

    def encode(self, values: Items, spec: ItemSpec, suffix: str | None = None) -> Encoded:
        """Return an image file, tagged as sRGB; WebP is lossless. Formats that lack 16 bits get 8."""
        from pipeline.media.image.pillow_arrays import to_bytes, to_pillow
        from pipeline.media.pictures import encode_picture

        suffix = suffix or next(iter(self.formats))
        losses: tuple[str, ...] = ()
        if values.dtype != np.uint8 and suffix not in self.deep_formats:
            values, losses = to_bytes(values), (f"16 bits per value became 8 ({suffix} has no more)",)
        return Encoded(encode_picture(to_pillow(values), suffix), self.formats[suffix], suffix, losses)

    def encode_result(
        self,
        values: Items,
        spec: ItemSpec,
        source: TransformInput,
        suffix: str | None = None,
        *,
        quality: int | None = None,
        keeps_colours: bool = False,
    ) -> Encoded:
        """Return an image file with the transparency, EXIF data and resolution of its source."""
        from pipeline.media.image.transformation import encode_result

        suffix = suffix or next(iter(self.formats))
        mime_type = self.formats[suffix]
        return encode_result(values, source, suffix, mime_type, quality=quality, keeps_colours=keeps_colours)

    def preview(self, batch: Items, spec: ItemSpec, columns: int | None = None, cell: int = 64) -> Image.Image:
        """Draw the images on one sheet, enlarged without smoothing."""
        from pipeline.media.image.pillow_arrays import to_bytes
        from pipeline.media.sheet import grid

        return grid(to_bytes(batch), columns, cell)

    def html(self, values: Items, spec: ItemSpec) -> str:
        """Return an <img> element that holds the image as PNG."""
        file = self.encode(values, spec)
        return f'<img alt="" src="data:{file.mime_type};base64,{base64.b64encode(file.data).decode()}">'

    def appearance(self) -> Sequence[Measure[Any]]:
        """Return the measures of `statistics` and of `profiles`."""
        return (*APPEARANCE, *PROFILE_MEASURES, *PATCH_MEASURES)

    def statistics(self, values: Items, spec: ItemSpec) -> Mapping[str, Float64Array]:
        """Return brightness, contrast, sharpness, checkerboard and colour of each image."""
        from pipeline.media.image.pillow_arrays import to_bytes

        return statistics(to_bytes(values))

    def attributes(self, values: Items, spec: ItemSpec) -> Mapping[str, Float64Array]:
        """Return brightness, thickness, slant and width of the figure in each image."""
        from pipeline.media.image.attributes import attributes
        from pipeline.media.image.pillow_arrays import to_bytes

        return attributes(to_bytes(values))

    def profiles(self, spec: ItemSpec) -> Sequence[Profile]:
        """Return gray levels, spectrum, impulses, block edges, maps of the pixels, and for RGB the colours."""
        from pipeline.media.image.patches import patch_profiles
        from pipeline.media.image.profiles import profiles

        return [*profiles(spec), *patch_profiles(spec)]

    def alterations(self, spec: ItemSpec) -> Sequence[Alteration]:
        """Return other orientations, two images in one, exchanged quarters, inverted images and other colours."""
        from pipeline.media.image.alterations import alterations

        return alterations(spec)

    def lacks(self, spec: ItemSpec) -> frozenset[str]:
        """Return "colours" of gray images, and "blocks" or "few pixels", by whether images have two blocks of JPEG."""
        from pipeline.media.image.profiles import lacks

        return lacks(spec)

    def open_source(self, name: str, settings: Any, cache: Path) -> BuiltinSource | None:
        """Open scikit-learn's digits, plain, with captions or in styles, or a data set of torchvision."""
        if name == "digits":
            from pipeline.media.image.digits import Digits

            return Digits()
        if name == "captioned-digits":
            from pipeline.media.image.captioned_digits import CaptionedDigits

            return CaptionedDigits()
        if name == "styled-digits":
            from pipeline.media.image.styled_digits import StyledDigits

            return StyledDigits()
        if name.startswith(TORCHVISION):
            from pipeline.media.image.torchvision_source import Torchvision

            return Torchvision(name.removeprefix(TORCHVISION), cache / "torchvision")
        return None

    def defects(self, items: pd.DataFrame, settings: Any, pairs: str) -> list[Defect]:
        """Return the images that are too small or near-constant."""
        return validation.defects(items, settings)

    def expectations(self, items: pd.DataFrame, accepted: pd.DataFrame, settings: Any) -> list[Expectation]:
        """Return the expectations on sizes, modes, and the spread and mean of the pixels."""
        return validation.expectations(items, accepted, settings)

    def measurements(self, accepted: pd.DataFrame, pairs: str) -> dict[str, float | None]:
        """Return mean and standard deviation of the accepted pixels."""
        return validation.measurements(accepted, side_by_side=pairs in ("halves", "outline"))

    def apply_code(self, spec: ItemSpec, result: str, *, multiple: int, latent: int, labelled: bool = False) -> str:
        """Return code that reads and writes images with Pillow."""
        from pipeline.media.image.apply_code import apply_code

        back = self.code_to_items(spec, "images")
        return apply_code(
            self.example_file,
            back,
            result,
            rgb=spec.channels == 3,
            multiple=multiple,
            latent=latent,
            classes=spec.classes if labelled else (),
        )

    def tensors(self, spec: ItemSpec) -> Tensors:
        """Return the torch part."""
        from pipeline.media.image.tensors import ImageTensors

        return ImageTensors(spec)


def target_of(settings: ImageSettings) -> Target:
    """Return what the decoder makes of images under these settings."""
    from pipeline.media.image.image import Target

    return Target(
        settings.resolution,
        settings.channels,
        settings.background,
        settings.fit,
        settings.resize,
        settings.limits.pixels,
        "none" if settings.pairs == "folders" else settings.pairs,
        settings.range,
        settings.depth,
    )


def stored_ranges(spec: ItemSpec) -> Ranges | None:
    """Return the ranges that the data set of these items was decoded with; None if its files all had 8 bits."""
    ranges: Any = spec.details.get("range")
    if isinstance(ranges, dict):
        return {kind: tuple(each) for kind, each in ranges.items()}
    return None if ranges is None else tuple(ranges)
