"""3D-GAN: Wu et al., "Learning a Probabilistic Latent Space of Object Shapes via 3D Generative-Adversarial Modeling".

The paper is of 2016. Its networks are DCGAN's with convolutions over three dimensions: filters of 4 x 4 x 4 voxels and
strides of 2, from 4 x 4 x 4 up to the resolution. Voxels are in [-1, 1], and what is positive is occupied. Items are
stored as images of `depth` channels, so the generator folds its result and the discriminator unfolds its input.

The paper slows the discriminator down: a smaller learning rate, and no update while it is right in more than 80 % of
the cases. Here the game is a relativistic loss with R1 and R2 penalties instead, which keeps both networks learning.
The discriminator has no batch normalisation, which would mix the volumes of a batch. The bias of the last layer starts
at the occupancy of the data: an untrained generator makes neither a full block nor nothing.

Labels are an addition: an embedding next to z in the generator, and a projection in the discriminator (Miyato and
Koyama, "cGANs with Projection Discriminator", 2018).
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from pipeline.gans.game.adversarial import Adversarial
from pipeline.gans.networks.heads import output_head
from pipeline.gans.networks.layers import MinibatchStd, count_doublings
from pipeline.gans.variants.voxgan.settings import FIRST, VoxGANSettings
from pipeline.items import ItemSpec


def channel_widths(base: int, maximum: int, side: int) -> list[int]:
    """Return the channels at side / 2, side / 4, ..., 4: doubled at each step up to `maximum`."""
    return [min(base * 2**level, maximum) for level in range(count_doublings(FIRST, side))]


class Generator(nn.Module):
    """z [B, latent] and, if conditional, labels [B] -> volumes [B, D, H, W] in (-1, 1)."""

    def __init__(self, settings: VoxGANSettings, item: ItemSpec, classes: int) -> None:
        super().__init__()
        channels = channel_widths(settings.generator_channels, settings.max_channels, item.height)[::-1]
        self.embedding = nn.Embedding(classes, settings.label_width) if classes else None
        inputs = settings.latent + (settings.label_width if classes else 0)
        layers: list[nn.Module] = [
            nn.Unflatten(1, (inputs, 1, 1, 1)),
            nn.ConvTranspose3d(inputs, channels[0], FIRST, bias=False),
            nn.BatchNorm3d(channels[0]),
            nn.ReLU(),
        ]
        for wide, narrow in pairwise(channels):
            layers += [nn.ConvTranspose3d(wide, narrow, 4, 2, 1, bias=False), nn.BatchNorm3d(narrow), nn.ReLU()]
        last = nn.ConvTranspose3d(channels[-1], 1, 4, 2, 1)
        self.layers = nn.Sequential(*layers, last, output_head(item), nn.Flatten(1, 2))
        self.apply(init_weights)
        nn.init.constant_(last.bias, math.atanh(2 * settings.occupancy - 1))  # type: ignore[arg-type]

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        if self.embedding is not None and label is not None:
            z = torch.cat([z, self.embedding(label)], dim=1)
        volumes: Tensor = self.layers(z)
        return volumes


class Discriminator(nn.Module):
    """Volumes [B, packing * D, H, W] and, if conditional, labels [B] -> logits [B].

    Attributes:
        trunk: Volumes -> the last feature maps [B, C, 4, 4, 4].
    """

    def __init__(self, settings: VoxGANSettings, side: int, classes: int) -> None:
        super().__init__()
        packing = settings.stabilisers.packing
        channels = channel_widths(settings.discriminator_channels, settings.max_channels, side)
        layers: list[nn.Module] = [nn.Unflatten(1, (packing, side))]
        for narrow, wide in pairwise((packing, *channels)):
            layers += [nn.Conv3d(narrow, wide, 4, 2, 1), nn.LeakyReLU(0.2)]
        self.trunk = nn.Sequential(*layers)
        self.minibatch_std = MinibatchStd(settings.stabilisers.minibatch_std)
        self.head = nn.Conv3d(channels[-1] + self.minibatch_std.extra, 1, FIRST, bias=False)
        self.embedding = nn.Embedding(classes, channels[-1] * FIRST**3) if classes else None
        self.apply(init_weights)

    def forward(self, volumes: Tensor, label: Tensor | None = None) -> Tensor:
        maps = self.trunk(volumes)
        logits: Tensor = self.head(self.minibatch_std(maps)).flatten()
        if self.embedding is not None and label is not None:
            logits = logits + (self.embedding(label) * maps.flatten(1)).sum(dim=1)
        return logits


def init_weights(module: nn.Module) -> None:
    """Initialise weights from N(0, 0.02) and the scales of batch norm from N(1, 0.02); biases with 0, as DCGAN."""
    if isinstance(module, nn.Conv3d | nn.ConvTranspose3d | nn.Embedding):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm3d):
        nn.init.normal_(module.weight, 1.0, 0.02)
    if isinstance(module, nn.Conv3d | nn.ConvTranspose3d | nn.BatchNorm3d) and module.bias is not None:
        nn.init.zeros_(module.bias)


class VoxGAN(Adversarial):
    """Two stacks of strided convolutions over three dimensions."""

    def __init__(self, settings: VoxGANSettings, item: ItemSpec) -> None:
        classes = len(item.classes) if settings.conditional else 0
        generator = Generator(settings, item, classes)
        discriminator = Discriminator(settings, item.height, classes)
        super().__init__(settings, generator, discriminator, classes or None)
