"""MoCoGAN: Tulyakov, Liu, Yang and Kautz, "MoCoGAN: Decomposing Motion and Content for Video Generation" (2018).

The latent of a frame has two parts. The content is drawn once a clip. The motion comes from a recurrent network, which
reads noise that is drawn for each frame. An image generator, DCGAN's, makes each frame from both. It knows no time, so
a clip may have any number of frames. z holds the content, and then the noise of one frame after the other:
`motion` values more make a frame more.

Two discriminators judge a clip. One sees a random frame and teaches how frames look; the other sees all frames through
convolutions over time and space, and teaches how they follow each other. Their losses have the same weight.

The paper draws the first state of the recurrent network. Here it is a linear map of the noise of the first frame, so
that z alone decides a clip. A relativistic loss with R1 and R2 replaces the paper's loss with batch normalisation in
the discriminators, in which the video discriminator won after 80 steps in a trial on small clips.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from pipeline.gans.base import ExportSpec, Progress
from pipeline.gans.game.adversarial import Adversarial
from pipeline.gans.networks.layers import MinibatchStd, count_doublings
from pipeline.gans.variants.mocogan.settings import FIRST, MoCoGANSettings
from pipeline.items import ItemSpec


def channel_widths(base: int, maximum: int, side: int) -> list[int]:
    """Return the channels at side / 2, side / 4, ..., 4: doubled at each step up to `maximum`."""
    return [min(base * 2**level, maximum) for level in range(count_doublings(FIRST, side))]


class Generator(nn.Module):
    """z [B, latent + frames * motion] -> clips [B, frames * colours, H, W] in (-1, 1), for any number of frames."""

    def __init__(self, settings: MoCoGANSettings, side: int, colours: int) -> None:
        super().__init__()
        self.content, self.noise, self.colours = settings.latent, settings.motion, colours
        self.start = nn.Linear(settings.motion, settings.state)
        self.motion = nn.GRU(settings.motion, settings.state, batch_first=True)
        channels = channel_widths(settings.generator_channels, settings.max_channels, side)[::-1]
        inputs = settings.latent + settings.state
        layers: list[nn.Module] = [
            nn.Unflatten(1, (inputs, 1, 1)),
            nn.ConvTranspose2d(inputs, channels[0], FIRST, bias=False),
            nn.BatchNorm2d(channels[0]),
            nn.ReLU(),
        ]
        for wide, narrow in pairwise(channels):
            layers += [nn.ConvTranspose2d(wide, narrow, 4, 2, 1, bias=False), nn.BatchNorm2d(narrow), nn.ReLU()]
        self.image = nn.Sequential(*layers, nn.ConvTranspose2d(channels[-1], colours, 4, 2, 1), nn.Tanh())

    def forward(self, z: Tensor) -> Tensor:
        content = z[:, : self.content]
        noise = z[:, self.content :].reshape(len(z), -1, self.noise)
        motion, _ = self.motion(noise, self.start(noise[:, 0])[None])
        latents = torch.cat([content[:, None].expand(-1, motion.shape[1], -1), motion], dim=2)
        frames: Tensor = self.image(latents.flatten(0, 1))
        return frames.reshape(len(z), -1, *frames.shape[2:])


class ImageDiscriminator(nn.Module):
    """One frame of each clip, [B, colours, H, W] -> logits [B]."""

    def __init__(self, settings: MoCoGANSettings, side: int, colours: int) -> None:
        super().__init__()
        channels = channel_widths(settings.image_channels, settings.max_channels, side)
        layers: list[nn.Module] = []
        for narrow, wide in pairwise((colours, *channels)):
            layers += [nn.Conv2d(narrow, wide, 4, 2, 1), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers)
        self.minibatch_std = MinibatchStd(settings.stabilisers.minibatch_std)
        self.head = nn.Conv2d(channels[-1] + self.minibatch_std.extra, 1, FIRST, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.minibatch_std(self.layers(images)))
        return logits.flatten()


class VideoDiscriminator(nn.Module):
    """All frames, [B, frames * colours, H, W] -> logits [B]; filters of 4 x 4 x 4 and strides of 2 in time and space.

    Attributes:
        trunk: Clips -> the last feature maps [B, C, frames / (H / 4), 4, 4].
    """

    def __init__(self, settings: MoCoGANSettings, item: ItemSpec) -> None:
        super().__init__()
        frames = item.frames
        channels = channel_widths(settings.video_channels, settings.max_channels, item.height)
        layers: list[nn.Module] = [Unfold(frames)]
        for narrow, wide in pairwise((item.channels // frames, *channels)):
            layers += [nn.Conv3d(narrow, wide, 4, 2, 1), nn.LeakyReLU(0.2)]
        self.trunk = nn.Sequential(*layers)
        self.minibatch_std = MinibatchStd(settings.stabilisers.minibatch_std)
        last = (frames // 2 ** len(channels), FIRST, FIRST)
        self.head = nn.Conv3d(channels[-1] + self.minibatch_std.extra, 1, last, bias=False)

    def forward(self, clips: Tensor) -> Tensor:
        logits: Tensor = self.head(self.minibatch_std(self.trunk(clips)))
        return logits.flatten()


class Unfold(nn.Module):
    """[B, frames * colours, H, W] -> [B, colours, frames, H, W]."""

    def __init__(self, frames: int) -> None:
        super().__init__()
        self.frames = frames

    def forward(self, clips: Tensor) -> Tensor:
        return clips.reshape(len(clips), self.frames, -1, *clips.shape[2:]).transpose(1, 2)


class Discriminator(nn.Module):
    """The two discriminators."""

    def __init__(self, settings: MoCoGANSettings, item: ItemSpec) -> None:
        super().__init__()
        self.image = ImageDiscriminator(settings, item.height, item.channels // item.frames)
        self.video = VideoDiscriminator(settings, item)

    @property
    def trunk(self) -> nn.Module:
        """Clips -> the last feature maps of the video discriminator."""
        return self.video.trunk

    def forward(self, frames: Tensor, clips: Tensor) -> Tensor:
        """Return the logits [B, 2] of frames [B, colours, H, W] and of the clips that they are from."""
        return torch.stack([self.image(frames), self.video(clips)], dim=1)


def init_weights(module: nn.Module) -> None:
    """Initialise weights from N(0, 0.02) and the scales of batch norm from N(1, 0.02); biases with 0, as DCGAN."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Conv3d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Conv3d | nn.BatchNorm2d) and module.bias is not None:
        nn.init.zeros_(module.bias)


class MoCoGAN(Adversarial):
    """A recurrent generator against an image and a video discriminator."""

    def __init__(self, settings: MoCoGANSettings, item: ItemSpec) -> None:
        colours = item.channels // item.frames
        generator = Generator(settings, item.height, colours).apply(init_weights)
        super().__init__(settings, generator, Discriminator(settings, item).apply(init_weights))
        self.colours, self.motion = colours, settings.motion
        self.latent = settings.latent + item.frames * settings.motion

    def discriminate(self, images: Tensor, label: Tensor | None, progress: Progress, rng: torch.Generator) -> Tensor:
        """Return the logits [B, 2] of one random frame of each augmented clip, and of the clips."""
        clips = self.augment_for_discriminator(images, progress, rng)
        frames = clips.reshape(len(clips), -1, self.colours, *clips.shape[2:])
        chosen = torch.randint(frames.shape[1], (len(frames),), generator=rng, device=clips.device)
        logits: Tensor = self.discriminator(frames[torch.arange(len(frames), device=clips.device), chosen], clips)
        return logits.float()

    @torch.no_grad()
    def score(self, images: Tensor, label: Tensor | None = None) -> Tensor:
        """Return the mean logit of the frames of each clip plus the logit of the clip, [n]."""
        training = self.discriminator.training
        self.discriminator.eval()
        frames = self.discriminator.image(images.reshape(-1, self.colours, *images.shape[2:]))
        logits: Tensor = frames.reshape(len(images), -1).mean(dim=1) + self.discriminator.video(images)
        self.discriminator.train(training)
        return logits.float()

    def export(self) -> list[ExportSpec]:
        """Return the generator, z -> clips; a longer z makes more frames."""
        z = torch.zeros(2, self.latent)
        return [ExportSpec("generator", self.generator, {"z": z}, ("items",), longer=True)]
