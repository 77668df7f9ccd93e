"""Networks of MuseGAN that are shared by all time steps.

As in the paper, a temporal network turns z into one latent vector for each step, and the networks that make and judge
notes are the same at all steps. What makes a chord is learned once, not once a step.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.gans.variants.musegan.forms import form_of
from pipeline.gans.variants.musegan.layers import Choice, OverTime, discriminator_layers, generator_layers, intervals
from pipeline.gans.variants.musegan.settings import PieceSettings
from pipeline.items import ItemSpec

LOCAL = 8
"""Latents that each time step has for itself."""

LARGEST = 12
"""Largest interval that the discriminator sees, in semitones."""

INTERVAL_SCALE = 2.0
"""Factor of the intervals at the input of the discriminator, where few of many values are not zero."""


class TemporalGenerator(nn.Module):
    """z [B, latent + 8 * steps + noise] and, if conditional, labels [B] -> one-hot maps [B, C', H, W].

    After the latents of the whole piece come those of each step, then the noise of `choice: gumbel`. Notes are chosen
    in the order of time. The largest value changes abruptly, so a melody without forbidden leaps must know the notes
    before it: a recurrent unit remembers them (GRU: Cho 2014).

    Args:
        given: Voices or tracks, from the first one on, that a caller gives and that are not made.
    """

    def __init__(self, settings: PieceSettings, item: ItemSpec, classes: int, given: int = 0) -> None:
        super().__init__()
        self.form, self.given = form_of(item), given
        made = self.form.parts - given
        width, self.steps, self.classes, self.shared_latents = settings.private, item.height, classes, settings.latent
        self.latent = settings.latent + LOCAL * item.height
        self.shared = nn.Sequential(
            *generator_layers(settings.latent + classes, settings.shared, 1),
            nn.Linear(settings.shared, item.height * width),
        )
        self.local = nn.Linear(LOCAL, width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(settings.depth))
        chord = self.form.parts * self.form.features
        self.memory = nn.GRUCell(chord, width)
        self.before = nn.Linear(width, width, bias=False)
        in_turn = settings.voices == "in_turn"
        self.within = nn.ModuleList(
            nn.Linear(self.form.features, width, bias=False) for _ in range(made - 1) if in_turn
        )
        self.choice = Choice(settings, self.form, item.height, made)
        self.private = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(width), nn.ReLU(), *generator_layers(width, width, 1), nn.Linear(width, self.form.choices)
            )
            for _ in range(made)
        )

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        return self.form.write(self.play(self.features(z, label), z[:, self.latent :]), self.training)

    def features(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """Return what each step is made from before it hears any notes, [B, steps, width]."""
        return self.arrange(self.plan(z, None if label is None else F.one_hot(label, self.classes).to(z.dtype)))

    def arrange(self, steps: Tensor) -> Tensor:
        """Return the latents of the steps [B, steps, width] after the layers over time."""
        for block in self.blocks:
            steps = block(steps)
        return steps

    def nll(self, maps: Tensor, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the negative log-likelihood of real pieces, in nats for each made part of a step.

        Each note is predicted from z, the condition and the notes before it, as in `forward`, but these are the piece's
        own (teacher forcing: Williams and Zipser 1989). z is drawn, so the likelihood is that of an average z.

        Args:
            maps: One-hot maps [B, C', H, W].
            condition: What `features` takes next to z.
        """
        features, notes = self.features(z, condition), self.form.read(maps)
        chords = notes.transpose(1, 2).flatten(0, 1)[:, :, None]  # [B * steps, features, 1, parts]
        heard = self.form.hear(chords).to(features.dtype).reshape(*features.shape[:2], -1)
        states = [torch.zeros_like(features[:, 0])]  # before the first step nothing is remembered
        for chord in heard[:, :-1].unbind(dim=1):
            states.append(self.memory(chord, states[-1]))
        features = (features + self.before(torch.stack(states, dim=1))).flatten(0, 1)
        made, logits = chords[..., self.given :], []
        for part, network in enumerate(self.private):
            if part and self.within:
                features = features + self.within[part - 1](self.form.hear(made[..., part - 1 : part]).to(heard.dtype))
            logits.append(network(features))
        return self.form.nll(torch.stack(logits, dim=2)[:, :, None], made)

    def plan(self, z: Tensor, known: Tensor | None = None) -> Tensor:
        """Return the latent vector of each step, [B, steps, width], from z and what is known of the piece [B, k]."""
        common, local = z[:, : self.shared_latents], z[:, self.shared_latents : self.latent]
        if known is not None:
            common = torch.cat([common, known], dim=1)
        shared = self.shared(common).reshape(len(z), self.steps, -1)
        steps: Tensor = shared + self.local(local.reshape(len(z), self.steps, LOCAL))
        return steps

    def play(self, steps: Tensor, noise: Tensor, given: Tensor | None = None) -> Tensor:
        """Choose the notes step by step, each from the features and from the notes of the steps before.

        Args:
            steps: Features [B, steps, width].
            noise: Of `choice: gumbel`, [B, noise].
            given: Notes of the parts that are not made, [B, features, steps, given].

        Returns:
            Notes [B, features, steps, parts].
        """
        chosen: list[Tensor] = []
        noises, memory = noise.chunk(self.steps, dim=1), None
        for at, features in enumerate(steps.unbind(dim=1)):
            if chosen:
                memory = self.memory(self.form.hear(chosen[-1]).to(features.dtype), memory)
                features = features + self.before(memory)
            play = self.play_in_turn if self.within else self.play_chord
            notes = play(features, noises[at] if self.choice.noise else noise)
            chosen.append(notes if given is None else torch.cat([given[:, :, at : at + 1], notes], dim=3))
        return torch.cat(chosen, dim=2)

    def play_chord(self, features: Tensor, noise: Tensor) -> Tensor:
        """Choose the notes of a step, each part for itself, [B, features, 1, parts]."""
        logits = torch.stack([network(features) for network in self.private], dim=2)[:, :, None]
        notes: Tensor = self.choice(logits, noise)
        return notes

    def play_in_turn(self, features: Tensor, noise: Tensor) -> Tensor:
        """Choose the notes of a step part by part, each from those of the parts before it."""
        noises = noise.chunk(len(self.private), dim=1)
        notes = [self.choice(self.private[0](features)[:, :, None, None], noises[0])]
        for hear, network, drawn in zip(self.within, self.private[1:], noises[1:], strict=True):
            features = features + hear(self.form.hear(notes[-1]).to(features.dtype))
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
    """Maps [B, C', H, W] -> features [B, shared].

    Next to the notes it sees the chroma and the intervals by which voices move, of which 0 is a held note.
    """

    chroma: Tensor

    def __init__(self, settings: PieceSettings, item: ItemSpec) -> None:
        super().__init__()
        self.form = form_of(item)
        width, inputs = settings.private, 12 + self.form.parts * (self.form.features + 2 * LARGEST + 1)
        self.step = nn.Sequential(*discriminator_layers(inputs, width, 1))
        self.blocks = nn.ModuleList(OverTime(width, width) for _ in range(settings.depth))
        self.shared = nn.Sequential(*discriminator_layers(item.height * width, settings.shared, 1))
        self.register_buffer("chroma", self.form.chroma())

    def forward(self, maps: Tensor) -> Tensor:
        notes = self.form.read(maps).permute(0, 2, 3, 1)
        chroma = torch.einsum("ps,btvs->btp", self.chroma, self.form.melodic(notes, 2))
        moved = INTERVAL_SCALE * intervals(self.form.pitched(notes), LARGEST)
        steps = self.step(torch.cat([notes.flatten(2), chroma, moved.flatten(2)], dim=2))
        for block in self.blocks:
            steps = steps + F.leaky_relu(block(steps), 0.2)
        features: Tensor = self.shared(steps.flatten(1))
        return features
