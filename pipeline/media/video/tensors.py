"""Clips as tensors: folded, they can be mirrored."""

from torch import Tensor

from pipeline.media.tensors import Tensors


class VideoTensors(Tensors):
    """Frames in [-1, 1] for networks, folded: channel t * colours + c is colour c of frame t."""

    def mirror(self, values: Tensor) -> Tensor:
        """Mirror all frames of clips [n, T * C, H, W] left to right."""
        return values.flip(3)
