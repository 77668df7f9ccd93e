"""What both kinds of networks of MuseGAN are made of."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.gans.networks.heads import Categorical, gumbel
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


def chroma_of(item: ItemSpec) -> Tensor:
    """Return which pitch class each symbol has, [12, symbols]; symbol 0 is a rest and has none."""
    lowest = item.details.get("lowest", 0)
    assert isinstance(lowest, int)
    table = torch.zeros(12, item.symbols)
    pitches = torch.arange(item.symbols - 1)
    table[(pitches + lowest) % 12, pitches + 1] = 1
    return table


def intervals(symbols: Tensor, largest: int) -> Tensor:
    """Return by how many semitones each voice moves to a step, one-hot for one-hot maps.

    Args:
        symbols: [B, steps, voices, symbols].
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
    """Logits [B, symbols, steps, voices] and the noise in z [B, noise] -> one-hot maps in the shape of the logits.

    With `choice: gumbel` each symbol is drawn by the noise. A step of a melody is then a free choice, which a function
    of a few latents has to imitate. In eval mode `draw_temperature` scales the noise.
    """

    def __init__(self, settings: MuseGANSettings, item: ItemSpec) -> None:
        super().__init__()
        draws = settings.choice == "gumbel"
        self.noise = item.height * item.width * item.symbols if draws else 0
        self.draw_temperature = settings.draw_temperature
        self.head = Categorical(item.symbols, settings.temperature)

    def forward(self, logits: Tensor, normal: Tensor) -> Tensor:
        if self.noise:
            noise = gumbel(normal).reshape(logits.shape)
            if not self.training and self.draw_temperature != 1:
                noise = self.draw_temperature * noise
            logits = logits + noise
        maps: Tensor = self.head(logits)
        return maps


class OverTime(nn.Module):
    """A convolution over three time steps of [B, steps, inputs] -> [B, steps, width]."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(3 * inputs, width)

    def forward(self, steps: Tensor) -> Tensor:
        count, padded = steps.shape[1], F.pad(steps, (0, 0, 1, 1))
        moved: Tensor = self.linear(torch.cat([padded[:, at : at + count] for at in range(3)], dim=2))
        return moved
