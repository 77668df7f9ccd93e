"""CGAN: Mirza and Osindero, "Conditional Generative Adversarial Nets" (2014), on DCGAN's networks.

Both networks take the label. The generator concatenates a learned embedding of it with z. The discriminator has two
forms:

- `concat` (Mirza 2014, in convolutional form) concatenates one-hot label maps with the image.
- `projection` (Miyato and Koyama, "cGANs with Projection Discriminator", 2018, eq. 3) adds the inner product of a label
  embedding and the features, summed over the feature map, to the logit.
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


class ConcatDiscriminator(nn.Module):
    """Images [B, C, R, R] and labels [B] -> logits [B]: the label as one-hot maps next to the image's channels."""

    def __init__(self, network: dcgan.Discriminator, classes: int) -> None:
        super().__init__()
        self.network, self.classes = network, classes

    @property
    def trunk(self) -> "UnlabelledTrunk":
        """The feature extractor, for images without labels."""
        return UnlabelledTrunk(self.network.trunk, self.classes)

    def forward(self, images: Tensor, label: Tensor) -> Tensor:
        maps = one_hot(label, self.classes).to(images.dtype)[:, :, None, None].expand(-1, -1, *images.shape[2:])
        logits: Tensor = self.network(torch.cat([images, maps], dim=1))
        return logits


class UnlabelledTrunk(nn.Module):
    """Images [B, C, R, R] -> feature maps: a trunk that takes label maps, with all of them zero."""

    def __init__(self, trunk: nn.Module, classes: int) -> None:
        super().__init__()
        self.trunk, self.classes = trunk, classes

    def forward(self, images: Tensor) -> Tensor:
        zeros = torch.zeros_like(images[:, :1]).expand(-1, self.classes, -1, -1)
        maps: Tensor = self.trunk(torch.cat([images, zeros], dim=1))
        return maps


class ProjectionDiscriminator(nn.Module):
    """Images [B, C, R, R] and labels [B] -> logits [B]: psi(phi(x)) + <embedding(label), sum of phi(x)>."""

    def __init__(self, network: dcgan.Discriminator, classes: int) -> None:
        super().__init__()
        self.network = network
        self.embedding = nn.Embedding(classes, network.features)
        # Small compared with the features, so that the label does not dominate the image at first.
        nn.init.normal_(self.embedding.weight, 0.0, 0.02)

    @property
    def trunk(self) -> nn.Module:
        """The feature extractor; it does not depend on the label."""
        return self.network.trunk

    def forward(self, images: Tensor, label: Tensor) -> Tensor:
        maps = self.trunk(images)
        projection = (self.embedding(label) * maps.sum(dim=(2, 3))).sum(dim=1)
        logits: Tensor = self.network.logits_from_features(maps) + projection
        return logits


class CGAN(Adversarial):
    """DCGAN's networks with labels, under any adversarial objective."""

    def __init__(self, settings: CGANSettings, item: ItemSpec) -> None:
        classes, concat = len(item.classes), settings.conditioning == "concat"
        pair = dcgan.build_networks(settings, item, settings.label_width, classes if concat else 0)
        generator = Generator(pair[0], classes, settings.label_width)
        discriminator = ConcatDiscriminator(pair[1], classes) if concat else ProjectionDiscriminator(pair[1], classes)
        super().__init__(settings, generator, discriminator, classes)
