"""Networks of MuseGAN that are shared by all time steps.

As in the paper, a temporal network turns z into one latent vector for each step, and the networks that make and judge
notes are the same at all steps. What makes a chord is learned once, not once a step.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.gans.variants.musegan.layers import (
    Choice,
    OverTime,
    chroma_of,
    discriminator_layers,
    generator_layers,
    intervals,
)
from pipeline.gans.variants.musegan.settings import MuseGANSettings
from pipeline.items import ItemSpec

LOCAL = 8
"""Latents that each time step has for itself."""

LARGEST = 12
"""Largest interval that the discriminator sees, in semitones."""

INTERVAL_SCALE = 2.0
"""Factor of the intervals at the input of the discriminator, where few of many values are not zero."""


class TemporalGenerator(nn.Module):
    """z [B, latent + 8 * steps + noise] and, if conditional, labels [B] -> one-hot maps [B, symbols, steps, voices].

    After the latents of the whole piece come those of each step, then the noise of `choice: gumbel`. Notes are chosen
    in the order of time. The largest value changes abruptly, so a melody without forbidden leaps must know the notes of
    the step before.
    """

    def __init__(self, settings: MuseGANSettings, item: ItemSpec, classes: int) -> None:
        super().__init__()
        width, self.steps, self.classes, self.shared_latents = settings.private, item.height, classes, settings.latent
        self.latent, self.symbols = settings.latent + LOCAL * item.height, item.symbols
        self.shared = nn.Sequential(
            *generator_layers(settings.latent + classes, settings.shared, 1),
            nn.Linear(settings.shared, item.height * width),
        )
        self.local = nn.Linear(LOCAL, width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(settings.depth))
        self.before = nn.Linear(item.symbols * item.width, width, bias=False)
        self.within = nn.ModuleList(
            nn.Linear(item.symbols, width, bias=False) for _ in range(item.width - 1) if settings.voices == "in_turn"
        )
        self.choice = Choice(settings, item)
        self.private = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(width), nn.ReLU(), *generator_layers(width, width, 1), nn.Linear(width, item.symbols)
            )
            for _ in range(item.width)
        )

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        common, local = z[:, : self.shared_latents], z[:, self.shared_latents : self.latent]
        if label is not None:
            common = torch.cat([common, F.one_hot(label, self.classes).to(z.dtype)], dim=1)
        shared = self.shared(common).reshape(len(z), self.steps, -1)
        steps = shared + self.local(local.reshape(len(z), self.steps, LOCAL))
        for block in self.blocks:
            steps = block(steps)
        return self.play(steps, z[:, self.latent :])

    def play(self, steps: Tensor, noise: Tensor) -> Tensor:
        """Choose the notes step by step, each from the features [B, steps, width] and the notes of the step before."""
        chosen: list[Tensor] = []
        noises = noise.chunk(self.steps, dim=1)
        for at, features in enumerate(steps.unbind(dim=1)):
            if chosen:
                heard = chosen[-1].argmax(dim=1)[:, 0]
                features = features + self.before(F.one_hot(heard, self.symbols).flatten(1).to(features.dtype))
            play = self.play_in_turn if self.within else self.play_chord
            chosen.append(play(features, noises[at] if self.choice.noise else noise))
        return torch.cat(chosen, dim=2)

    def play_chord(self, features: Tensor, noise: Tensor) -> Tensor:
        """Choose the notes of a step, each for itself, [B, symbols, 1, voices]."""
        logits = torch.stack([network(features) for network in self.private], dim=2)[:, :, None]
        notes: Tensor = self.choice(logits, noise)
        return notes

    def play_in_turn(self, features: Tensor, noise: Tensor) -> Tensor:
        """Choose the notes of a step voice by voice, each from those of the voices before it."""
        noises = noise.chunk(len(self.private), dim=1)
        notes = [self.choice(self.private[0](features)[:, :, None, None], noises[0])]
        for hear, network, drawn in zip(self.within, self.private[1:], noises[1:], strict=True):
            heard = F.one_hot(notes[-1].argmax(dim=1).flatten(), self.symbols)
            features = features + hear(heard.to(features.dtype))
            notes.append(self.choice(network(features)[:, :, None, None], drawn))
        return torch.cat(notes, dim=3)


class Block(nn.Module):
    """A residual block over time, [B, steps, width]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.LayerNorm(width),
            nn.ReLU(),
            OverTime(width, width),
            nn.LayerNorm(width),
            nn.ReLU(),
            nn.Linear(width, width),
        )

    def forward(self, steps: Tensor) -> Tensor:
        changed: Tensor = steps + self.layers(steps)
        return changed


class TemporalTrunk(nn.Module):
    """Maps [B, symbols, steps, voices] -> features [B, shared].

    Next to the notes it sees the chroma and the intervals by which voices move, of which 0 is a held note.
    """

    chroma: Tensor

    def __init__(self, settings: MuseGANSettings, item: ItemSpec) -> None:
        super().__init__()
        width, inputs = settings.private, 12 + item.width * (item.symbols + 2 * LARGEST + 1)
        self.step = nn.Sequential(*discriminator_layers(inputs, width, 1))
        self.blocks = nn.ModuleList(OverTime(width, width) for _ in range(settings.depth))
        self.shared = nn.Sequential(*discriminator_layers(item.height * width, settings.shared, 1))
        self.register_buffer("chroma", chroma_of(item))

    def forward(self, maps: Tensor) -> Tensor:
        notes = maps.permute(0, 2, 3, 1)
        chroma = torch.einsum("ps,btvs->btp", self.chroma, notes)
        moved = INTERVAL_SCALE * intervals(notes, LARGEST)
        steps = self.step(torch.cat([notes.flatten(2), chroma, moved.flatten(2)], dim=2))
        for block in self.blocks:
            steps = steps + F.leaky_relu(block(steps), 0.2)
        features: Tensor = self.shared(steps.flatten(1))
        return features
