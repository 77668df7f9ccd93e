"""Exported graphs that predict frames: clips with more frames, after their last one or between all of them."""

import itertools
from collections.abc import Generator as Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Float32Array, Items
from pipeline.errors import InputError
from pipeline.media.codec import BadItem, Encoded, TransformInput
from pipeline.serving.runtime.generator import Graph
from pipeline.serving.runtime.image_to_image import LARGEST_RESULT, ImageToImage, TileSize

FRAMES = 8
"""Frames that are predicted unless a caller asks for another number."""


class FramePredictor(ImageToImage):
    """An opened graph that maps frames to the next one, or to the one between them."""

    def __init__(self, source: Path | Graph) -> None:
        """Raise InputError if the file cannot be opened (see `Graph`) or predicts no frames."""
        super().__init__(source)
        self.colours = self.metadata.item.channels // self.metadata.item.frames

    def count(self, frames: int | None) -> int:
        """Return how many frames to predict after the last one. Raise InputError for a number that has no meaning."""
        if self.metadata.between and frames is not None:
            raise InputError(
                f"this model ({self.metadata.variant}) predicts the frames between those of a clip. Omit the number of "
                "frames."
            )
        return FRAMES if frames is None else frames

    def tiles(self, item: Items, size: TileSize | None = None) -> Any:
        """Return a clip [H, W, T * C] on its way through the graph; its only band is the longer clip."""
        return FrameSteps(self, item, self.count(None if size is None else size.frames))

    def result_size(self, data: bytes) -> tuple[int, int]:
        """Return the height of all frames below each other, and the width. Raises BadItem."""
        height, width = self.graph.medium.encoded_size(data)
        return height * (2 if self.metadata.between else 1), width

    def decode(self, data: bytes, largest: int = LARGEST_RESULT) -> TransformInput:
        """Decode a clip with frames of their own size. Raises BadItem if it has too few frames to predict from."""
        source = super().decode(data, largest)
        frames = source.values.shape[2] // self.colours
        if frames < self.metadata.past:
            raise BadItem(f"{frames} frames: this model predicts from {self.metadata.past}")
        return source

    def encode(
        self, item: Items, source: TransformInput, suffix: str | None = None, quality: int | None = None
    ) -> Encoded:
        """Return a longer clip as a file that plays as fast as its source; frames between take half as long."""
        spec = self.metadata.item
        height, width, channels = item.shape
        details = {**spec.details, "frames": channels // self.colours, "rate_factor": 2 if self.metadata.between else 1}
        changes = {"height": height, "width": width, "channels": channels, "details": details}
        spec = spec.model_copy(update=changes)
        return self.graph.medium.encode_result(item, spec, source, suffix, quality=quality)


class FrameSteps:
    """A clip on its way through a graph, one frame at a time; as `Tiles`, whose caller decides when each is computed.

    Attributes:
        bands: Once finished, the longer clip [H, W, T * C].
    """

    def __init__(self, model: FramePredictor, item: Items, count: int) -> None:
        self.model, self.item, self.count = model, item, count
        self.bands: list[npt.NDArray[Any]] = []
        self.steps = self.iterate()

    def step(self, result: Float32Array | None = None) -> npt.NDArray[Any] | None:
        """Accept the graph's output for the last input and return the next input, None after the last."""
        try:
            return self.steps.send(result)
        except StopIteration:
            return None

    def iterate(self) -> Coroutine[npt.NDArray[Any], Float32Array | None, None]:
        """Yield what each frame is predicted from, [1, past * C, H, W], and receive the frame."""
        height, width = self.item.shape[:2]
        multiple, past = self.model.metadata.multiple, self.model.metadata.past
        margins = ((0, -height % multiple), (0, -width % multiple), (0, 0))
        padded = np.pad(self.item, margins, mode="edge").transpose(2, 0, 1)
        frames = np.split(padded, padded.shape[0] // self.model.colours)
        if self.model.metadata.between:
            longer = frames[:1]
            for first, second in itertools.pairwise(frames):
                result = yield np.concatenate([first, second])[None]
                longer += [self.finish(result), second]
            frames = longer
        else:
            for _ in range(self.count):
                result = yield np.concatenate(frames[-past:])[None]
                frames.append(self.finish(result))
        self.bands = [np.concatenate(frames)[:, :height, :width].transpose(1, 2, 0)]

    def finish(self, result: Float32Array | None) -> npt.NDArray[Any]:
        """Return a predicted frame as it is stored, [C, H, W]."""
        assert result is not None
        frame: npt.NDArray[Any] = self.model.graph.to_items(result)[0].transpose(2, 0, 1)
        return frame
