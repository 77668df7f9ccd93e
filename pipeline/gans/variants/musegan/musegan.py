"""MuseGAN: Dong, Hsiao, Yang and Yang, "MuseGAN: Multi-track Sequential Generative Adversarial Networks" (2018).

A shared network turns z into what all tracks have in common; a private network of each track turns that into its notes.
The discriminator mirrors this: private networks of the tracks, then a shared one. As in the authors' later work (Dong
and Yang, "Convolutional Generative Adversarial Networks with Binary Neurons for Polyphonic Music Generation", 2018), it
also sees two streams that are computed from all tracks: the chroma (which pitch classes sound) and the onsets (which
voices begin a note).

Two things differ from the papers. Each track is a voice that sounds one pitch at a time, so its output is a choice of
a symbol, not binary neurons. And all networks are fully connected: on short windows of chorales, convolutions lost
against their discriminator, and perceptrons with a relativistic objective, R1 and R2 of 0.5 learned registers, scale
and rhythm within minutes.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.gans.game.adversarial import Adversarial
from pipeline.gans.networks.heads import Categorical, gumbel
from pipeline.gans.networks.layers import MinibatchStd
from pipeline.gans.variants.musegan.settings import MuseGANSettings
from pipeline.items import ItemSpec


def generator_layers(inputs: int, width: int, depth: int) -> list[nn.Module]:
    """Return hidden layers with layer normalisation and ReLU."""
    layers: list[nn.Module] = []
    for _ in range(depth):
        layers += [nn.Linear(inputs, width), nn.LayerNorm(width), nn.ReLU()]
        inputs = width
    return layers


def discriminator_layers(inputs: int, width: int, depth: int) -> list[nn.Module]:
    """Return hidden layers with leaky ReLU and no normalisation."""
    layers: list[nn.Module] = []
    for _ in range(depth):
        layers += [nn.Linear(inputs, width), nn.LeakyReLU(0.2)]
        inputs = width
    return layers


class Generator(nn.Module):
    """z [B, latent] and, if conditional, labels [B] -> one-hot maps [B, symbols, steps, voices].

    With `choice: gumbel`, the end of z is noise by which each symbol is drawn. A step of a melody is then a free
    choice, which a function of a few latents has to imitate.
    """

    def __init__(self, settings: MuseGANSettings, item: ItemSpec, classes: int) -> None:
        super().__init__()
        self.classes, self.shape, self.latent = classes, (item.height, item.symbols), settings.latent
        draws = settings.choice == "gumbel"
        self.noise = item.height * item.width * item.symbols if draws else 0
        self.shared = nn.Sequential(*generator_layers(settings.latent + classes, settings.shared, settings.depth))
        self.private = nn.ModuleList(
            nn.Sequential(
                *generator_layers(settings.shared, settings.private, 1),
                nn.Linear(settings.private, item.height * item.symbols),
            )
            for _ in range(item.width)
        )
        self.head = Categorical(item.symbols, settings.temperature)

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        common = z[:, : self.latent]
        if label is not None:
            common = torch.cat([common, F.one_hot(label, self.classes).to(z.dtype)], dim=1)
        common = self.shared(common)
        voices = [network(common).reshape(-1, *self.shape) for network in self.private]
        logits = torch.stack(voices, dim=3).transpose(1, 2)
        if self.noise:
            logits = logits + gumbel(z[:, self.latent :]).reshape(logits.shape)
        maps: Tensor = self.head(logits)
        return maps


class Trunk(nn.Module):
    """Maps [B, symbols, steps, voices] -> features [B, shared]."""

    chroma: Tensor

    def __init__(self, settings: MuseGANSettings, item: ItemSpec) -> None:
        super().__init__()
        width = settings.private
        self.private = nn.ModuleList(
            nn.Sequential(*discriminator_layers(item.height * item.symbols, width, 1)) for _ in range(item.width)
        )
        self.harmony = nn.Sequential(*discriminator_layers(item.height * 12, width, 1))
        self.rhythm = nn.Sequential(*discriminator_layers(item.height * item.width, width, 1))
        merged = width * (item.width + 2)
        self.shared = nn.Sequential(*discriminator_layers(merged, settings.shared, settings.depth))
        self.register_buffer("chroma", chroma_of(item))

    def forward(self, maps: Tensor) -> Tensor:
        chroma = torch.einsum("ps,bstv->bpt", self.chroma, maps)
        repeats = (maps[:, :, 1:] * maps[:, :, :-1]).sum(dim=1)
        onsets = F.pad(1 - repeats, (0, 0, 1, 0), value=1.0)
        streams = [network(maps[..., voice].flatten(1)) for voice, network in enumerate(self.private)]
        streams += [self.harmony(chroma.flatten(1)), self.rhythm(onsets.flatten(1))]
        features: Tensor = self.shared(torch.cat(streams, dim=1))
        return features


def chroma_of(item: ItemSpec) -> Tensor:
    """Return which pitch class each symbol has, [12, symbols]; symbol 0 is a rest and has none."""
    lowest = item.details.get("lowest", 0)
    assert isinstance(lowest, int)
    table = torch.zeros(12, item.symbols)
    pitches = torch.arange(item.symbols - 1)
    table[(pitches + lowest) % 12, pitches + 1] = 1
    return table


class Discriminator(nn.Module):
    """Maps and, if conditional, labels [B] -> logits [B]; the label by projection (Miyato and Koyama 2018)."""

    def __init__(self, settings: MuseGANSettings, item: ItemSpec, classes: int) -> None:
        super().__init__()
        self.trunk = Trunk(settings, item)
        self.minibatch_std = MinibatchStd(settings.stabilisers.minibatch_std)
        self.head = nn.Linear(settings.shared + self.minibatch_std.extra, 1, bias=False)
        self.embedding = nn.Embedding(classes, settings.shared) if classes else None

    def forward(self, maps: Tensor, label: Tensor | None = None) -> Tensor:
        features = self.trunk(maps)
        logits: Tensor = self.head(self.minibatch_std(features)).squeeze(1)
        if self.embedding is not None and label is not None:
            logits = logits + (self.embedding(label) * features).sum(dim=1) / features.shape[1] ** 0.5
        return logits


class MuseGAN(Adversarial):
    """A shared network and one network a voice, on either side of the game."""

    def __init__(self, settings: MuseGANSettings, item: ItemSpec) -> None:
        classes = len(item.classes) if settings.conditional else 0
        networks = Generator(settings, item, classes), Discriminator(settings, item, classes)
        super().__init__(settings, *networks, classes if settings.conditional else None)
        self.latent += networks[0].noise
