"""A small text encoder that learns from a data set's own captions, by contrast with their images.

Words are embedded, a convolution reads three at a time, and the maximum over the sentence remains. It is trained so
that a caption and its image are close and those of other items are not (Radford et al., "Learning Transferable Visual
Models From Natural Language Supervision", 2021).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.gans.networks.layers import count_doublings
from pipeline.gans.pretraining import NextBatch
from pipeline.items import ItemSpec

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


def image_encoder(item: ItemSpec, width: int, channels: int = 32) -> nn.Sequential:
    """Return a network that maps items [B, C, R, R] to the space of the sentences, [B, width]."""
    layers: list[nn.Module] = [nn.Conv2d(item.network_channels, channels, 3, 1, 1), nn.ReLU()]
    for _ in range(count_doublings(4, item.height)):
        layers += [nn.Conv2d(channels, 2 * channels, 4, 2, 1), nn.ReLU()]
        channels *= 2
    layers += [nn.Conv2d(channels, channels, 3, 1, 1), nn.ReLU(), nn.Flatten(), nn.Linear(16 * channels, width)]
    return nn.Sequential(*layers)


def fit_text_encoder(
    item: ItemSpec, width: int, steps: int, next_batch: NextBatch, device: torch.device
) -> dict[str, Tensor]:
    """Train a text encoder and return its weights on the CPU; initial weights come from torch's global generator."""
    text = build_text_encoder(item, width).to(device)
    images = image_encoder(item, width).to(device)
    optimizer = torch.optim.Adam([*text.parameters(), *images.parameters()], LEARNING_RATE)
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
    return {name: value.detach().cpu().contiguous() for name, value in text.state_dict().items()}


def build_text_encoder(item: ItemSpec, width: int) -> TextEncoder:
    """Return an untrained text encoder for the vocabulary of the items."""
    return TextEncoder(len(item.vocabulary.words) if item.vocabulary else 0, width)


def match_loss(cosines: Tensor, tokens: Tensor) -> Tensor:
    """Return the mean cross-entropy of images [B] among captions [B] and the reverse; equal captions share an image."""
    same = (tokens[:, None] == tokens[None]).all(dim=2).float()
    same = same / same.sum(dim=1, keepdim=True)
    return (F.cross_entropy(cosines, same) + F.cross_entropy(cosines.T, same)) / 2
