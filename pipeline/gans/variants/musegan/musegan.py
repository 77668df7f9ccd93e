"""MuseGAN: Dong, Hsiao, Yang and Yang, "MuseGAN: Multi-track Sequential Generative Adversarial Networks" (2018).

A shared network turns z into what all tracks have in common; a private network of each track turns that into its notes.
The discriminator mirrors this: private networks of the tracks, then a shared one. As in the authors' later work (Dong
and Yang, "Convolutional Generative Adversarial Networks with Binary Neurons for Polyphonic Music Generation", 2018), it
also sees two streams that are computed from all tracks: the chroma (which pitch classes sound) and the onsets (which
voices begin a note).

Tracks of several notes at a time are binary neurons, as in the authors' later work. Two things differ from the papers.
A voice that sounds one pitch at a time chooses a symbol instead (`forms.py` has both). And the networks are fully
connected: on short windows of chorales, convolutions lost against their discriminator, and perceptrons with a
relativistic objective, R1 and R2 of 0.5 learned registers, scale and rhythm within minutes. With `networks: temporal`
they are shared by all time steps (`temporal.py`).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.gans.networks.layers import MinibatchStd
from pipeline.gans.variants.musegan.forms import form_of
from pipeline.gans.variants.musegan.layers import Choice, discriminator_layers, generator_layers
from pipeline.gans.variants.musegan.piece_game import PieceGame
from pipeline.gans.variants.musegan.settings import MuseGANSettings, PieceSettings
from pipeline.gans.variants.musegan.temporal import TemporalGenerator, TemporalTrunk
from pipeline.items import ItemSpec


class Generator(nn.Module):
    """z [B, latent + noise] and, if conditional, labels [B] -> one-hot maps [B, C', H, W].

    The end of z is the noise of `choice: gumbel`.
    """

    def __init__(self, settings: MuseGANSettings, item: ItemSpec, classes: int) -> None:
        super().__init__()
        self.form = form_of(item)
        self.classes, self.shape, self.latent = classes, (item.height, self.form.choices), settings.latent
        self.shared = nn.Sequential(*generator_layers(settings.latent + classes, settings.shared, settings.depth))
        self.private = nn.ModuleList(
            nn.Sequential(
                *generator_layers(settings.shared, settings.private, 1),
                nn.Linear(settings.private, item.height * self.form.choices),
            )
            for _ in range(self.form.parts)
        )
        self.choice = Choice(settings, self.form, item.height, self.form.parts)

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        common = z[:, : self.latent]
        if label is not None:
            common = torch.cat([common, F.one_hot(label, self.classes).to(z.dtype)], dim=1)
        common = self.shared(common)
        voices = [network(common).reshape(-1, *self.shape) for network in self.private]
        logits = torch.stack(voices, dim=3).transpose(1, 2)
        return self.form.write(self.choice(logits, z[:, self.latent :]), self.training)


class Trunk(nn.Module):
    """Maps [B, C', H, W] -> features [B, shared]."""

    chroma: Tensor

    def __init__(self, settings: PieceSettings, item: ItemSpec) -> None:
        super().__init__()
        width, self.form = settings.private, form_of(item)
        parts = self.form.parts
        self.private = nn.ModuleList(
            nn.Sequential(*discriminator_layers(item.height * self.form.features, width, 1)) for _ in range(parts)
        )
        self.harmony = nn.Sequential(*discriminator_layers(item.height * 12, width, 1))
        self.rhythm = nn.Sequential(*discriminator_layers(item.height * parts, width, 1))
        merged = width * (parts + 2)
        self.shared = nn.Sequential(*discriminator_layers(merged, settings.shared, settings.depth))
        self.register_buffer("chroma", self.form.chroma())

    def forward(self, maps: Tensor) -> Tensor:
        notes = self.form.read(maps)
        chroma = torch.einsum("ps,bstv->bpt", self.chroma, self.form.melodic(notes, 3))
        onsets = self.form.begins(notes)
        streams = [network(notes[..., part].flatten(1)) for part, network in enumerate(self.private)]
        streams += [self.harmony(chroma.flatten(1)), self.rhythm(onsets.flatten(1))]
        features: Tensor = self.shared(torch.cat(streams, dim=1))
        return features


class Discriminator(nn.Module):
    """Maps and, if conditional, labels [B] -> logits [B]; the label by projection (Miyato and Koyama 2018)."""

    def __init__(self, settings: PieceSettings, item: ItemSpec, temporal: bool, classes: int = 0) -> None:
        super().__init__()
        self.trunk = (TemporalTrunk if temporal else Trunk)(settings, item)
        self.minibatch_std = MinibatchStd(settings.stabilisers.minibatch_std)
        self.head = nn.Linear(settings.shared + self.minibatch_std.extra, 1, bias=False)
        self.embedding = nn.Embedding(classes, settings.shared) if classes else None

    def forward(self, maps: Tensor, label: Tensor | None = None) -> Tensor:
        features = self.trunk(maps)
        logits: Tensor = self.head(self.minibatch_std(features)).squeeze(1)
        if self.embedding is not None and label is not None:
            logits = logits + (self.embedding(label) * features).sum(dim=1) / features.shape[1] ** 0.5
        return logits


class MuseGAN(PieceGame):
    """A shared network and one network a voice, on either side of the game."""

    def __init__(self, settings: MuseGANSettings, item: ItemSpec) -> None:
        classes = len(item.classes) if settings.conditional else 0
        temporal = settings.networks == "temporal"
        generator = (TemporalGenerator if temporal else Generator)(settings, item, classes)
        discriminator = Discriminator(settings, item, temporal, classes)
        super().__init__(settings, generator, discriminator, classes if settings.conditional else None)
        self.latent = generator.latent + generator.choice.noise
