"""The last layer of a generator, which depends on what its items are: values on a scale, on or off, or categories."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.items import ItemSpec


class Categorical(nn.Module):
    """Logits [B, C * symbols, H, W] -> categories, in the same shape: one map a symbol, those of a channel in a row.

    In training the maps are one-hot, and gradients pass as through the softmax (straight-through: Bengio 2013). In eval
    mode they are the softmax, whose largest value is the symbol.
    """

    def __init__(self, symbols: int, temperature: float = 1.0) -> None:
        super().__init__()
        self.symbols, self.temperature = symbols, temperature

    def forward(self, logits: Tensor) -> Tensor:
        n, channels, height, width = logits.shape
        maps = logits.reshape(n, channels // self.symbols, self.symbols, height, width) / self.temperature
        soft = maps.softmax(dim=2)
        if not self.training:
            return soft.reshape(logits.shape)
        hard = F.one_hot(soft.argmax(dim=2), self.symbols).movedim(-1, 2).to(soft.dtype)
        return (hard + soft - soft.detach()).reshape(logits.shape)


class Binary(nn.Module):
    """Logits -> values of -1 or 1 in training, in (-1, 1) in eval mode, where the sign counts.

    These are the stochastic binary neurons of Dong and Yang, "Convolutional Generative Adversarial Networks with Binary
    Neurons for Polyphonic Music Generation" (2018, eq. 3), with -1 for off: a value is on with its probability. So the
    discriminator sees what is delivered, and a voxel of which the generator is not sure is a speck in some samples. The
    generator learns to be sure.

    Gradients pass as through softsign, x / (1 + |x|) (straight-through: Bengio 2013). Its slope falls with the square
    of the logit, that of tanh exponentially: with tanh a voxel that is sure hardly changes any more, and solids stay
    where they are.
    """

    def forward(self, logits: Tensor) -> Tensor:
        soft = torch.tanh(logits)
        if not self.training:
            return soft
        on = torch.rand_like(soft, dtype=torch.float32) < (1 + soft) / 2
        hard = torch.where(on, 1.0, -1.0).to(soft.dtype)
        smooth = F.softsign(logits)
        return hard + smooth - smooth.detach()


def gumbel(normal: Tensor) -> Tensor:
    """Return noise with the Gumbel distribution from normal noise in the same shape.

    Logits plus this noise are largest at a symbol with the probability that their softmax gives it (Jang 2017; Maddison
    2017). If the noise is a part of z, a seed still decides an item.
    """
    uniform = (0.5 + 0.5 * torch.erf(normal * 0.5**0.5)).clamp(1e-6, 1 - 1e-6)
    return -torch.log(-torch.log(uniform))


def output_head(item: ItemSpec) -> nn.Module:
    """Return the last layer for these items: tanh for values on a scale, a choice for categories."""
    if item.symbols:
        return Categorical(item.symbols)
    return Binary() if item.binary else nn.Tanh()
