"""The last layer of a generator, which depends on what its items are: values on a scale, or categories."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.items import ItemSpec

Choice = Literal["argmax", "gumbel"]
"""How a category is chosen in training: the likeliest one, or one drawn by its probability."""


class Categorical(nn.Module):
    """Logits [B, C * symbols, H, W] -> categories, in the same shape: one map a symbol, those of a channel in a row.

    In training the maps are one-hot, and gradients pass as through the softmax (straight-through: Bengio 2013; drawn
    with Gumbel noise: Jang 2017, Maddison 2017). In eval mode they are the softmax, whose largest value is the symbol.
    """

    def __init__(self, symbols: int, choice: Choice = "argmax", temperature: float = 1.0) -> None:
        super().__init__()
        self.symbols, self.choice, self.temperature = symbols, choice, temperature

    def forward(self, logits: Tensor) -> Tensor:
        n, channels, height, width = logits.shape
        maps = logits.reshape(n, channels // self.symbols, self.symbols, height, width) / self.temperature
        if self.training and self.choice == "gumbel":
            # Exponential noise: -log of it has the Gumbel distribution.
            maps = maps - torch.empty_like(maps).exponential_().clamp(min=1e-20).log()
        soft = maps.softmax(dim=2)
        if not self.training:
            return soft.reshape(logits.shape)
        hard = F.one_hot(soft.argmax(dim=2), self.symbols).movedim(-1, 2).to(soft.dtype)
        return (hard + soft - soft.detach()).reshape(logits.shape)


def output_head(item: ItemSpec) -> nn.Module:
    """Return the last layer for these items: tanh for values on a scale, a choice for categories."""
    return Categorical(item.symbols) if item.symbols else nn.Tanh()
