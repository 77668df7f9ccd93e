"""Two forms of music as MuseGAN makes it: voices that choose one symbol, and tracks of binary neurons.

Both are notes [B, features, steps, parts] inside the networks. A generator gives logits [B, choices, steps, parts].
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline.gans.networks.heads import Categorical, gumbel
from pipeline.items import ItemSpec

DRUMS = "drums"
"""Name of the track of percussion, whose notes have no pitch class."""


class Form(ABC):
    """How notes are chosen and read.

    Attributes:
        parts: Voices or tracks.
        choices: Logits of one part at one step.
        features: Values of one part at one step.
        pitches: Number of pitches.
    """

    parts: int
    choices: int
    features: int
    pitches: int

    @abstractmethod
    def chroma(self) -> Tensor:
        """Return the pitch class of each feature, [12, features]; a column of zeros has none."""

    @abstractmethod
    def draw(self, normal: Tensor) -> Tensor:
        """Return the noise by which notes are drawn from normal noise."""

    @abstractmethod
    def choose(self, logits: Tensor, noise: Tensor | None, temperature: float, training: bool) -> Tensor:
        """Choose notes [B, features, steps, parts] by logits [B, choices, steps, parts].

        In training notes are 0 or 1, and gradients pass as through the probabilities (straight-through: Bengio 2013).

        Args:
            noise: What `draw` returned, in the shape of the logits: notes are drawn by their probability. None: what is
                likeliest.
            temperature: Of the probabilities that pass the gradients.
            training: Otherwise notes are the probabilities themselves.
        """

    @abstractmethod
    def nll(self, logits: Tensor, notes: Tensor) -> Tensor:
        """Return the negative log-likelihood of notes [B, features, steps, parts] by logits, in nats a part and step.

        Args:
            logits: [B, choices, steps, parts].
        """

    @abstractmethod
    def hear(self, notes: Tensor) -> Tensor:
        """Return the notes of one step [B, features, 1, parts] as 0 or 1, [B, parts * features], without gradients."""

    @abstractmethod
    def write(self, notes: Tensor, training: bool) -> Tensor:
        """Return notes as one-hot maps [B, C', H, W]."""

    @abstractmethod
    def read(self, maps: Tensor) -> Tensor:
        """Return maps [B, C', H, W] as notes [B, features, steps, parts]."""

    @abstractmethod
    def begins(self, notes: Tensor) -> Tensor:
        """Return how many notes begin, [B, steps, parts]."""

    @abstractmethod
    def pitched(self, notes: Tensor) -> Tensor:
        """Return which pitches sound, [B, steps, parts, 1 + pitches], of notes [B, steps, parts, features].

        The first place is for rests.
        """

    def melodic(self, notes: Tensor, axis: int) -> Tensor:
        """Return the notes of the parts that have pitch classes; parts are along `axis`."""
        return notes


class Voices(Form):
    """A symbol for each voice and step: a rest, a struck pitch or, with onsets, a held one."""

    def __init__(self, item: ItemSpec) -> None:
        self.parts, self.choices, self.features = item.width, item.symbols, item.symbols
        self.onsets = bool(item.details.get("onsets"))
        self.pitches = (item.symbols - 1) // (2 if self.onsets else 1)
        self.lowest = lowest(item)

    def chroma(self) -> Tensor:
        table = torch.zeros(12, self.features)
        symbols = torch.arange(1, self.features)  # symbol 0 is a rest
        table[((symbols - 1) % self.pitches + self.lowest) % 12, symbols] = 1
        return table

    def draw(self, normal: Tensor) -> Tensor:
        return gumbel(normal)

    def choose(self, logits: Tensor, noise: Tensor | None, temperature: float, training: bool) -> Tensor:
        if noise is not None:
            logits = logits + noise
        head = Categorical(self.choices, temperature).train(training)
        maps: Tensor = head(logits)
        return maps

    def nll(self, logits: Tensor, notes: Tensor) -> Tensor:
        # Not `cross_entropy`, whose CUDA kernel for maps is not deterministic.
        return -(logits.float().log_softmax(dim=1) * notes.float()).sum(dim=1).mean()

    def hear(self, notes: Tensor) -> Tensor:
        return F.one_hot(notes.argmax(dim=1)[:, 0], self.features).flatten(1).to(notes.dtype)

    def write(self, notes: Tensor, training: bool) -> Tensor:
        return notes

    def read(self, maps: Tensor) -> Tensor:
        return maps

    def begins(self, notes: Tensor) -> Tensor:
        if self.onsets:
            return notes[:, 1 : 1 + self.pitches].sum(dim=1)
        repeats = (notes[:, :, 1:] * notes[:, :, :-1]).sum(dim=1)
        return F.pad(1 - repeats, (0, 0, 1, 0), value=1.0)

    def pitched(self, notes: Tensor) -> Tensor:
        if not self.onsets:
            return notes
        struck, held = notes[..., 1 : 1 + self.pitches], notes[..., 1 + self.pitches :]
        return torch.cat([notes[..., :1], struck + held], dim=3)


class Tracks(Form):
    """Binary neurons: each pitch of a track is on or off and, with onsets, struck or held where it is on.

    They are those of Dong and Yang, "Convolutional Generative Adversarial Networks with Binary Neurons for Polyphonic
    Music Generation" (2018): deterministic ones, which are on if their probability is above one half (eq. 2), or
    stochastic ones, which are on with it (eq. 3). Gradients pass as through the sigmoid (the sigmoid-adjusted
    straight-through estimator, section 3). The uniform noise of a stochastic neuron is here a part of z.
    """

    def __init__(self, item: ItemSpec) -> None:
        self.parts, self.symbols, self.pitches = item.channels, item.symbols, item.width
        self.onsets = item.symbols > 2
        self.choices = self.features = self.pitches * (item.symbols - 1)
        self.lowest = lowest(item)
        names = item.details["tracks"]
        assert isinstance(names, list)
        self.melodies = [number for number, name in enumerate(names) if name != DRUMS]

    def chroma(self) -> Tensor:
        table = torch.zeros(12, self.features)
        pitches = torch.arange(self.pitches)
        table[(pitches + self.lowest) % 12, pitches] = 1
        return table

    def draw(self, normal: Tensor) -> Tensor:
        # Logistic noise: logits plus this are above 0 with their probability.
        uniform = (0.5 + 0.5 * torch.erf(normal * 0.5**0.5)).clamp(1e-6, 1 - 1e-6)
        return torch.log(uniform) - torch.log1p(-uniform)

    def choose(self, logits: Tensor, noise: Tensor | None, temperature: float, training: bool) -> Tensor:
        if noise is not None:
            logits = logits + noise
        probability = (logits / temperature).sigmoid()
        if not training:
            return probability
        return (probability > 0.5).to(probability.dtype) + probability - probability.detach()

    def nll(self, logits: Tensor, notes: Tensor) -> Tensor:
        nats = F.binary_cross_entropy_with_logits(logits.float(), notes.float(), reduction="none")
        if self.onsets:
            # Whether a pitch is struck counts only where it sounds.
            sounding = notes[:, : self.pitches]
            nats = torch.cat([nats[:, : self.pitches], sounding * nats[:, self.pitches :]], dim=1)
        return nats.sum(dim=1).mean()

    def hear(self, notes: Tensor) -> Tensor:
        on = (notes[:, :, 0] > 0.5).to(notes.dtype)
        if self.onsets:
            sounding, struck = on[:, : self.pitches], on[:, self.pitches :]
            on = torch.cat([sounding, sounding * struck], dim=1)
        return on.transpose(1, 2).flatten(1).detach()

    def write(self, notes: Tensor, training: bool) -> Tensor:
        cells = notes.permute(0, 3, 2, 1)
        on = cells[..., : self.pitches]
        if not self.onsets:
            return torch.stack([1 - on, on], dim=2).flatten(1, 2)
        struck = cells[..., self.pitches :]
        held = 1 - struck
        if not training:
            # The largest of three values must be "off" exactly where a pitch is off.
            struck, held = (2 * struck).clamp(max=1), (2 * held).clamp(max=1)
        return torch.stack([1 - on, on * struck, on * held], dim=2).flatten(1, 2)

    def read(self, maps: Tensor) -> Tensor:
        cells = maps.reshape(-1, self.parts, self.symbols, *maps.shape[2:])
        on = cells[:, :, 1:].sum(dim=2)
        parts = [on, cells[:, :, 1]] if self.onsets else [on]
        return torch.cat(parts, dim=3).permute(0, 3, 2, 1)

    def begins(self, notes: Tensor) -> Tensor:
        if self.onsets:
            return notes[:, self.pitches :].sum(dim=1)
        silent = F.pad(1 - notes[:, :, :-1], (0, 0, 1, 0), value=1.0)
        return (notes * silent).sum(dim=1)

    def pitched(self, notes: Tensor) -> Tensor:
        return F.pad(notes[..., : self.pitches], (1, 0))

    def melodic(self, notes: Tensor, axis: int) -> Tensor:
        if len(self.melodies) == self.parts:
            return notes
        # Slices, because indices would be copied to the device in every step.
        return torch.cat([notes.narrow(axis, part, 1) for part in self.melodies], dim=axis)


def form_of(item: ItemSpec) -> Form:
    """Return the form of these items."""
    return Tracks(item) if "tracks" in item.details else Voices(item)


def lowest(item: ItemSpec) -> int:
    """Return the lowest pitch of an item."""
    value = item.details.get("lowest", 0)
    assert isinstance(value, int)
    return value
