"""Volumes as tensors: networks see the last axis as channels, and those of the evaluation see three dimensions."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.arrays import Items
from pipeline.items import ItemSpec
from pipeline.media.scale import BYTES
from pipeline.media.tensors import Tensors
from pipeline.media.volume.networks import VolumeClassifier, VolumeStatistics

SMALLEST = 0.75
"""Smallest side of a distorted view, as a share of the side of the item."""
HIDDEN = 0.25
"""Side of the box that a distorted view does not show, as a share of the side of the item."""


class VolumeTensors(Tensors):
    """Voxels in [-1, 1], [n, D, H, W]; what a network makes positive is occupied."""

    def __init__(self, spec: ItemSpec) -> None:
        super().__init__(spec)
        self.solid = spec.binary

    def from_network(self, values: Tensor) -> Items:
        """Return network values [n, D, H, W] as items [n, H, W, D]; see `VolumeMedium.from_network`."""
        if not self.solid:
            return super().from_network(values)
        occupied = (values.detach().float() > 0).permute(0, 2, 3, 1).contiguous().cpu().numpy()
        items: Items = occupied.astype(self.scale.dtype) * self.scale.dtype.type(BYTES.highest)
        return items

    def mirror(self, values: Tensor) -> Tensor:
        """Mirror volumes [n, D, H, W] along x, the first axis of an item."""
        return values.flip(2)

    def shift(self, values: Tensor, rng: torch.Generator) -> Tensor:
        """Shift each volume by at most one voxel along each axis; the gap repeats the edge."""
        offsets = torch.randint(-1, 2, (len(values), 3), generator=rng).to(values.device)
        return take_voxels(values, offsets)

    def distort(self, values: Tensor, rng: torch.Generator) -> Tensor:
        """Cut a box out of each volume and enlarge it to the size of the volume, and hide a smaller box."""
        n, device = len(values), values.device
        random = torch.rand(n, 9, generator=rng).to(device)
        sides = SMALLEST + (1 - SMALLEST) * random[:, :3]
        transform = torch.zeros(n, 3, 4, device=device)
        for axis in range(3):
            transform[:, axis, axis] = sides[:, axis]
        transform[:, :, 3] = (2 * random[:, 3:6] - 1) * (1 - sides)
        volumes = values[:, None]
        grid = F.affine_grid(transform, list(volumes.shape), align_corners=False)
        seen = F.grid_sample(volumes, grid, padding_mode="border", align_corners=False)[:, 0]
        hidden = torch.ones_like(seen, dtype=torch.bool)
        for axis, size in enumerate(seen.shape[1:]):
            place = torch.arange(size, device=device)
            start = (random[:, 6 + axis] * (1 - HIDDEN) * size)[:, None]
            inside = (place >= start) & (place < start + HIDDEN * size)
            shape = [n, 1, 1, 1]
            shape[axis + 1] = size
            hidden = hidden & inside.view(shape)
        return seen.masked_fill(hidden, 0.0)

    def classifier_body(self) -> nn.Module:
        """Return convolutions over the three dimensions."""
        return VolumeClassifier(self.spec)

    def random_network(self) -> nn.Module:
        """Return random filters over the three dimensions."""
        return VolumeStatistics()


def take_voxels(values: Tensor, offsets: Tensor) -> Tensor:
    """Return volumes [n, D, H, W], each shifted by its own offsets [n, 3]; edges are repeated."""
    n = len(values)
    items = torch.arange(n, device=values.device).view(n, 1, 1, 1)
    places = []
    for axis, size in enumerate(values.shape[1:]):
        shape = [n, 1, 1, 1]
        shape[axis + 1] = size
        place = torch.arange(size, device=values.device)[None] + offsets[:, axis, None]
        places.append(place.clamp(0, size - 1).view(shape))
    return values[items, places[0], places[1], places[2]]
