"""Text encoders that learn from a data set's own captions, by contrast with their images.

The small one embeds words, a convolution reads three at a time, and the maximum over the sentence remains. The other is
a user's encoder, which stays as it is, and a linear layer that learns. Training brings a caption and its image close
together, and those of different items apart (Radford et al., "Learning Transferable Visual Models From Natural Language
Supervision", 2021; with one side frozen: Zhai et al., "LiT", 2022).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.gans.networks.layers import count_doublings
from pipeline.gans.networks.onnx_features import OnnxFeatures
from pipeline.gans.pretraining import NextBatch
from pipeline.items import ItemSpec
from pipeline.tokenizer import Tokenizer

BATCH = 128
LEARNING_RATE = 2e-3
SCALE = 10.0
"""Factor of the cosines: the inverse temperature."""

NOISE = 0.5
"""Standard deviation of the noise on the images, without which small data are memorised word for word."""


class TextEncoder(nn.Module):
    """Tokens int64 [B, L] -> sentences [B, width] of length 1; token 0 is empty."""

    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words + 1, width, padding_idx=0)
        self.convolution = nn.Conv1d(width, 2 * width, 3, padding=1)
        self.head = nn.Linear(2 * width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        maps = self.convolution(self.embedding(tokens).transpose(1, 2)).relu()
        sentences = self.head(maps.masked_fill((tokens == 0)[:, None], 0.0).amax(dim=2))
        return F.normalize(sentences, dim=1, eps=1e-6)


class Projection(nn.Module):
    """Features [B, features] of any scale -> sentences [B, width] of length 1."""

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(features, elementwise_affine=False)
        self.linear = nn.Linear(features, width)

    def forward(self, features: Tensor) -> Tensor:
        return F.normalize(self.linear(self.norm(features)), dim=1, eps=1e-6)


class FrozenTextEncoder(nn.Module):
    """Tokens int64 [B, L] -> sentences [B, width] of length 1, by the encoder of a user and a linear layer."""

    def __init__(self, features: OnnxFeatures, width: int) -> None:
        super().__init__()
        self.features = features
        self.head = Projection(features.features, width)

    def forward(self, tokens: Tensor) -> Tensor:
        sentences: Tensor = self.head(self.features(tokens))
        return sentences


def image_encoder(item: ItemSpec, width: int, channels: int = 32) -> nn.Sequential:
    """Return a network that maps items [B, C, R, R] to the space of the sentences, [B, width]."""
    layers: list[nn.Module] = [nn.Conv2d(item.network_channels, channels, 3, 1, 1), nn.ReLU()]
    for _ in range(count_doublings(4, item.height)):
        layers += [nn.Conv2d(channels, 2 * channels, 4, 2, 1), nn.ReLU()]
        channels *= 2
    layers += [nn.Conv2d(channels, channels, 3, 1, 1), nn.ReLU(), nn.Flatten(), nn.Linear(16 * channels, width)]
    return nn.Sequential(*layers)


def fit_text_encoder(
    text: TextEncoder | FrozenTextEncoder,
    item: ItemSpec,
    width: int,
    steps: int,
    next_batch: NextBatch,
    device: torch.device,
) -> dict[str, Tensor]:
    """Train the part of a text encoder that learns, and return its weights on the CPU.

    The initial weights of the image encoder come from torch's global generator.
    """
    learned = learned_part(text.to(device))
    images = image_encoder(item, width).to(device)
    optimizer = torch.optim.Adam([*learned.parameters(), *images.parameters()], LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps, LEARNING_RATE / 20)
    for _ in range(steps):
        batch = next_batch(BATCH)
        noisy = batch["item"] + NOISE * torch.randn_like(batch["item"])
        cosines = SCALE * F.normalize(images(noisy), dim=1) @ text(batch["tokens"]).T
        loss = match_loss(cosines, batch["tokens"])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return {name: value.detach().cpu().contiguous() for name, value in learned.state_dict().items()}


def learned_part(text: TextEncoder | FrozenTextEncoder) -> nn.Module:
    """Return what learns before the game: all of a small encoder, the layer after a frozen one."""
    return text.head if isinstance(text, FrozenTextEncoder) else text


def build_text_encoder(item: ItemSpec, width: int) -> TextEncoder | FrozenTextEncoder:
    """Return an untrained text encoder for the captions of the items; that of a user still lacks its graph."""
    if isinstance(item.vocabulary, Tokenizer):
        return FrozenTextEncoder(OnnxFeatures(item.vocabulary.features), width)
    return TextEncoder(len(item.vocabulary.words) if item.vocabulary else 0, width)


def match_loss(cosines: Tensor, tokens: Tensor) -> Tensor:
    """Return the mean cross-entropy of images [B] among captions [B] and the reverse; equal captions share an image."""
    same = (tokens[:, None] == tokens[None]).all(dim=2).float()
    same = same / same.sum(dim=1, keepdim=True)
    return (F.cross_entropy(cosines, same) + F.cross_entropy(cosines.T, same)) / 2
