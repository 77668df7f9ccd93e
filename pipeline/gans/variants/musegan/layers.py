"""What both kinds of networks of MuseGAN are made of."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.gans.variants.musegan.forms import Form
from pipeline.gans.variants.musegan.settings import PieceSettings


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


def intervals(symbols: Tensor, largest: int) -> Tensor:
    """Return by how many semitones each voice moves to a step, one-hot for one-hot maps.

    Of tracks it returns how often each interval lies between a note and one of the step before.

    Args:
        symbols: [B, steps, parts, 1 + pitches], the first place for rests.
        largest: Largest interval that is counted, in semitones; a larger one has only zeros.

    Returns:
        [B, steps, voices, 2 * largest + 1], from `largest` down to `largest` up. The first step has only zeros.
    """
    # The interval is where the cross-correlation of two steps is 1. Rests count as a pitch below the lowest one.
    length = symbols.shape[3] + largest + 1
    spectrum = torch.fft.rfft(symbols.float(), n=length)
    correlation = torch.fft.irfft(spectrum[:, :-1].conj() * spectrum[:, 1:], n=length)
    moved = torch.cat([correlation[..., -largest:], correlation[..., : largest + 1]], dim=3)
    return F.pad(moved, (0, 0, 0, 0, 1, 0))


class Choice(nn.Module):
    """Logits [B, choices, steps, parts] and the noise in z [B, noise] -> notes [B, features, steps, parts].

    With `choice: gumbel` each note is drawn by the noise. A step of a melody is then a free choice, which a function
    of a few latents has to imitate. In eval mode `draw_temperature` scales the noise.
    """

    def __init__(self, settings: PieceSettings, form: Form, steps: int, parts: int) -> None:
        super().__init__()
        self.form, draws = form, settings.choice == "gumbel"
        self.noise = steps * parts * form.choices if draws else 0
        self.temperature, self.draw_temperature = settings.temperature, settings.draw_temperature

    def forward(self, logits: Tensor, normal: Tensor) -> Tensor:
        noise = self.form.draw(normal).reshape(logits.shape) if self.noise else None
        if noise is not None and not self.training and self.draw_temperature != 1:
            noise = self.draw_temperature * noise
        return self.form.choose(logits, noise, self.temperature, self.training)


class OverTime(nn.Module):
    """A convolution over three time steps of [B, steps, inputs] -> [B, steps, width]."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(3 * inputs, width)

    def forward(self, steps: Tensor) -> Tensor:
        count, padded = steps.shape[1], F.pad(steps, (0, 0, 1, 1))
        moved: Tensor = self.linear(torch.cat([padded[:, at : at + count] for at in range(3)], dim=2))
        return moved
