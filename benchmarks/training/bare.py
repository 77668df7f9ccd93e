"""A minimal hand-written training loop: the same networks, batch size, losses and EMA, and nothing else."""

import itertools
import time
from collections.abc import Iterator

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch.nn import functional as F

from pipeline.gans.variants.dcgan.dcgan import Discriminator, Generator, init_weights
from pipeline.gans.variants.dcgan.settings import DCGANSettings
from pipeline.items import ItemSpec

LATENT = 64


def images(resolution: int) -> torch.Tensor:
    """Return the digits, [n, 1, R, R] in [-1, 1]; pixels are repeated for resolutions above 8."""
    pixels = torch.from_numpy(load_digits().images.astype(np.float32))[:, None] / 8 - 1
    return pixels.repeat_interleave(resolution // 8, 2).repeat_interleave(resolution // 8, 3)


def turns(resolution: int, steps: int, batch: int, channels: int) -> Iterator[float]:
    """Train a non-saturating DCGAN with R1 every second step and an EMA; yield the seconds of every `steps` steps."""
    settings = DCGANSettings.model_validate(
        {
            "latent": LATENT,
            "generator_channels": channels,
            "discriminator_channels": channels,
            "max_channels": 4 * channels,
        }
    )
    spec, data = ItemSpec(height=resolution, width=resolution, channels=1), images(resolution)
    generator = Generator(settings, spec, LATENT).apply(init_weights).to(memory_format=torch.channels_last)
    discriminator = Discriminator(settings, spec, 1).apply(init_weights).to(memory_format=torch.channels_last)
    average = [p.detach().clone() for p in generator.parameters()]
    adams = [
        torch.optim.Adam(network.parameters(), lr=1e-3, betas=(0.5, 0.99), fused=True)
        for network in (discriminator, generator)
    ]
    began = time.perf_counter()
    for step in itertools.count():
        generator.requires_grad_(False)
        discriminator.requires_grad_(True)
        real = data[torch.randint(len(data), (batch,))]
        fake = generator(torch.randn(batch, LATENT))
        loss = F.softplus(-discriminator(real)).mean() + F.softplus(discriminator(fake)).mean()
        adams[0].zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        adams[0].step()
        if step % 2 == 0:
            real = data[torch.randint(len(data), (batch,))].requires_grad_()
            (gradient,) = torch.autograd.grad(discriminator(real).sum(), real, create_graph=True)
            adams[0].zero_grad(set_to_none=True)
            torch.autograd.backward(0.05 * gradient.square().sum(dim=(1, 2, 3)).mean())
            adams[0].step()
        generator.requires_grad_(True)
        discriminator.requires_grad_(False)
        loss = F.softplus(-discriminator(generator(torch.randn(batch, LATENT)))).mean()
        adams[1].zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        adams[1].step()
        torch._foreach_lerp_(average, list(generator.parameters()), 0.01)
        if (step + 1) % steps == 0:
            yield time.perf_counter() - began
            began = time.perf_counter()
