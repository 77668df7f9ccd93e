"""Stored items as tensors, and back: the part of a medium that needs torch."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.arrays import Items
from pipeline.errors import InputError
from pipeline.items import ItemSpec
from pipeline.media.distortion import distort, shift_randomly
from pipeline.media.scale import BYTES, scale_of

Degrade = Callable[[Tensor, torch.Generator], Tensor]
"""(clean values [n, C', H, W], random generator on their device) -> degraded values."""


class Tensors:
    """How items of one spec become what networks and feature extractors see, and back.

    This class serves values on a scale (see `pipeline.media.scale`) and categories, which networks see one-hot. A
    medium with another mapping, with mirroring, degradations or a classifier of its own overrides the methods.
    """

    def __init__(self, spec: ItemSpec) -> None:
        self.spec = spec
        self.scale = scale_of(spec.dtype)

    @property
    def feature_item(self) -> ItemSpec:
        """What feature extractors see: its `network_channels`, height and width are those of `to_features` values."""
        return self.spec

    def to_network(self, items: Tensor) -> Tensor:
        """Return stored items [n, H, W, C] as float32 [n, C', H, W] on the same device: [-1, 1], or one-hot."""
        if self.spec.symbols:
            return self.one_hot(items)
        # NHWC in memory seen as NCHW is exactly channels_last: no copy.
        return (items.permute(0, 3, 1, 2) / self.scale.half).sub_(self.scale.offset)

    def from_network(self, values: Tensor) -> Items:
        """Return network values [n, C', H, W] as stored items [n, H, W, C]: rounded and clipped, or by argmax.

        Values that are not finite become 0; a caller that must know of them looks before.
        """
        values = values.detach().float()
        if self.spec.symbols:
            n, channels, height, width = values.shape
            maps = values.view(n, channels // self.spec.symbols, self.spec.symbols, height, width)
            levels = maps.argmax(dim=2)
        else:
            levels = values.mul(self.scale.half).add(self.scale.rounding).nan_to_num(0.0, 0.0, 0.0)
            levels = levels.clamp(self.scale.lowest, self.scale.highest).floor().int()
        array: Items = levels.permute(0, 2, 3, 1).contiguous().cpu().numpy()
        return array.astype(self.scale.dtype)

    def to_features(self, items: Tensor) -> Tensor:
        """Return stored items [n, H, W, C] as feature extractors see them, float32 [n, C', H, W] in 0 .. 255."""
        if self.spec.symbols:
            return self.one_hot(items) * BYTES.highest
        if self.scale != BYTES:
            return self.network_to_features(self.to_network(items))
        return items.permute(0, 3, 1, 2).float()

    def network_to_features(self, values: Tensor) -> Tensor:
        """Return network values [n, C', H, W] in the range of `to_features`; differentiable, and exportable to ONNX."""
        return values * BYTES.highest if self.spec.symbols else values * BYTES.half + BYTES.half

    def one_hot(self, items: Tensor) -> Tensor:
        """Return categories [n, H, W, C] as float32 [n, C * symbols, H, W]; the maps of one channel are neighbours."""
        n, height, width, channels = items.shape
        maps = F.one_hot(items.long(), self.spec.symbols).permute(0, 3, 4, 1, 2)
        return maps.reshape(n, channels * self.spec.symbols, height, width).float()

    def mirror(self, values: Tensor) -> Tensor:
        """Return network values [n, C', H, W] mirrored, where the medium allows it (see `Medium.flips`)."""
        raise NotImplementedError

    def degradation(self, **options: Any) -> Degrade:
        """Return what turns clean values into the inputs of a restoring variant. Raise InputError if there is none."""
        raise InputError(f"data.medium {self.spec.medium}: there is no degradation of this medium to restore from")

    def stand_in(self, values: Tensor, **options: Any) -> Items | None:
        """Return what degraded values are compared as, if they lack what makes an item: items made without learning.

        Args:
            values: What `degradation` with the same options returned, [n, C', H, W].
            options: Options of the degradation.

        Returns:
            Stored items [n, H, W, C]; None if the values are compared as they are.
        """
        return None

    def shift(self, values: Tensor, rng: torch.Generator) -> Tensor:
        """Shift `to_features` values [n, C', H, W] at random as the classifier sees them in training.

        Args:
            values: Values on any device.
            rng: Random generator on the CPU.
        """
        return shift_randomly(values, rng)

    def distort(self, values: Tensor, rng: torch.Generator) -> Tensor:
        """Distort `to_features` values [n, C', H, W]: two distorted views of one item must still be known as one.

        Self-supervised features are learned from such views. Arguments as in `shift`.
        """
        return distort(values, rng)

    def classifier_body(self) -> nn.Module | None:
        """Return the body of the medium's classifier, initialised from torch's global generator; None: the default.

        It maps `to_features` values [n, C', H, W] to features [n, d].
        """
        return None

    def random_network(self) -> nn.Module | None:
        """Return the medium's untrained feature network; None: the default, which filters over height and width.

        It maps `to_features` values [n, C', H, W] to features [n, d]. Its weights are the same on every machine.
        """
        return None
