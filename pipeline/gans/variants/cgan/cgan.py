"""CGAN: Mirza and Osindero, "Conditional Generative Adversarial Nets" (2014), on DCGAN's networks.

The label enters both players. The generator reads a learned embedding of it beside z. The discriminator either sees it as one
map a class, all ones for its own (`concat`, Mirza 2014, in the convolutional form), or adds the inner product of its embedding
with the features, summed over the map, to its logit (`projection`: Miyato and Koyama, "cGANs with Projection Discriminator",
2018, eq. 3).
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from pipeline.gans.game.adversarial import Adversarial
from pipeline.gans.variants.cgan.settings import CGANSettings
from pipeline.gans.variants.dcgan import dcgan
from pipeline.items import ItemSpec


class Generator(nn.Module):
    """z [B, latent] and labels [B] -> images [B, C, R, R] in (-1, 1)."""

    def __init__(self, network: dcgan.Generator, classes: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(classes, width)
        self.network = network

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        images: Tensor = self.network(torch.cat([z, self.embedding(label)], dim=1))
        return images


class Concatenation(nn.Module):
    """Images [B, C, R, R] and labels [B] -> logits [B]: the label as further maps of the image."""

    def __init__(self, network: dcgan.Discriminator, classes: int) -> None:
        super().__init__()
        self.network, self.classes = network, classes

    @property
    def trunk(self) -> "Unlabelled":
        return Unlabelled(self.network.trunk, self.classes)

    def forward(self, images: Tensor, label: Tensor) -> Tensor:
        maps = one_hot(label, self.classes).to(images.dtype)[:, :, None, None].expand(-1, -1, *images.shape[2:])
        logits: Tensor = self.network(torch.cat([images, maps], dim=1))
        return logits


class Unlabelled(nn.Module):
    """A trunk that wants label maps, fed with none: what it sees in an image whose class is not known."""

    def __init__(self, trunk: nn.Module, classes: int) -> None:
        super().__init__()
        self.trunk, self.classes = trunk, classes

    def forward(self, images: Tensor) -> Tensor:
        nothing = torch.zeros_like(images[:, :1]).expand(-1, self.classes, -1, -1)
        maps: Tensor = self.trunk(torch.cat([images, nothing], dim=1))
        return maps


class Projection(nn.Module):
    """Images [B, C, R, R] and labels [B] -> logits [B]: psi(phi(x)) + <embedding of the label, phi(x) summed over the map>."""

    def __init__(self, network: dcgan.Discriminator, classes: int) -> None:
        super().__init__()
        self.network = network
        self.embedding = nn.Embedding(classes, network.features)

    @property
    def trunk(self) -> nn.Module:
        return self.network.trunk

    def forward(self, images: Tensor, label: Tensor) -> Tensor:
        maps = self.trunk(images)
        agreement = (self.embedding(label) * maps.sum(dim=(2, 3))).sum(dim=1)
        logits: Tensor = self.network.verdict(maps) + agreement
        return logits


class CGAN(Adversarial):
    """A pair that knows the label, under any adversarial objective."""

    def __init__(self, settings: CGANSettings, item: ItemSpec) -> None:
        concat = settings.conditioning == "concat"
        inner, judge = dcgan.networks(settings, item, settings.label_width, len(item.classes) if concat else 0)
        generator = Generator(inner, len(item.classes), settings.label_width)
        discriminator = Concatenation(judge, len(item.classes)) if concat else Projection(judge, len(item.classes))
        if isinstance(discriminator, Projection):
            # Small beside the features, so that the label does not outweigh the image at the start.
            nn.init.normal_(discriminator.embedding.weight, 0.0, 0.02)
        super().__init__(settings, generator, discriminator, len(item.classes))
