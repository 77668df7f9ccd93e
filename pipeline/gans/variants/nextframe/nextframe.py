"""Prediction of frames, after Mathieu, Couprie and LeCun, "Deep multi-scale video prediction beyond MSE" (2016).

The generator sees past frames and adds a change to the last one. Its last layer starts at zero, so training starts from
a copy of the last frame. It is trained on several frames ahead, each predicted from those before it, so that errors do
not grow when it is used in the same way. MSE and L1 average over plausible futures, which blurs; late in the training a
discriminator of patches, which also sees the past frames, asks for sharp ones.

With `between`, the generator sees two frames and adds a change to their mean: it predicts the frame between them.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss, leaky_relu, mse_loss

from pipeline.gans.base import GAN, Batch, ExportSpec, Loss, Phase, Progress, View
from pipeline.gans.game.frame_completion import complete
from pipeline.gans.game.objectives import OBJECTIVES
from pipeline.gans.game.penalties import zero_centred_penalty
from pipeline.gans.networks.patchgan import PatchDiscriminator
from pipeline.gans.variants.nextframe.settings import STEP, NextFrameSettings
from pipeline.items import ItemSpec

SLOPE = 0.2
PENALTY_EVERY = 4


class Block(nn.Module):
    """x + two convolutions of x, [B, C, H, W]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, 1, 1)
        self.second = nn.Conv2d(channels, channels, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = self.second(leaky_relu(self.first(leaky_relu(x, SLOPE)), SLOPE))
        return x + change


class Generator(nn.Module):
    """Given frames [B, given * colours, H, W] in [-1, 1] -> one frame [B, colours, H, W].

    In training the result may leave [-1, 1], so that a gradient leads back.
    """

    def __init__(self, settings: NextFrameSettings, colours: int) -> None:
        super().__init__()
        self.colours, self.between, width = colours, settings.between, settings.generator_channels
        self.stem = nn.Conv2d(settings.given * colours, width, 6, 2, 2)
        self.fine = nn.Sequential(*[Block(width) for _ in range(settings.blocks)])
        self.down = nn.Conv2d(width, 2 * width, 4, 2, 1)
        self.coarse = nn.Sequential(*[Block(2 * width) for _ in range(settings.blocks)])
        self.up = nn.ConvTranspose2d(2 * width, width, 4, 2, 1)
        self.merge = Block(width)
        self.head = nn.ConvTranspose2d(width, colours, 6, 2, 2)
        nn.init.zeros_(self.head.weight)
        assert self.head.bias is not None
        nn.init.zeros_(self.head.bias)

    def forward(self, frames: Tensor) -> Tensor:
        fine = self.fine(self.stem(frames))
        coarse = self.coarse(leaky_relu(self.down(leaky_relu(fine, SLOPE)), SLOPE))
        change = self.head(leaky_relu(self.merge(fine + self.up(leaky_relu(coarse, SLOPE))), SLOPE))
        last = frames[:, -self.colours :]
        start = (frames[:, : self.colours] + last) / 2 if self.between else last
        result: Tensor = start + change
        return result if self.training else result.clamp(-1, 1)


class NextFrame(GAN):
    """A generator of frames against a discriminator of patches of frames next to the given ones."""

    task = "predict"
    view = View("unlabelled")
    preview_examples = 8
    preview_columns = 1
    advice: Mapping[str, str] = {
        "vanishing gradients": "lower train.learning_rate.discriminator, raise model.r1, or lower "
        "model.weights.adversarial",
        "divergence": "lower train.learning_rate, raise model.weights.l2, or lower model.weights.adversarial",
    }

    def __init__(self, settings: NextFrameSettings, item: ItemSpec) -> None:
        super().__init__()
        self.settings, self.objective = settings, OBJECTIVES["nonsaturating"]
        self.colours, self.size = item.channels // item.frames, (item.height, item.width)
        self.past, self.between = settings.given, settings.between
        self.generator = Generator(settings, self.colours)
        if settings.pretraining < 1:
            channels = (settings.given + (settings.steps if settings.clips else 1)) * self.colours
            self.discriminator = PatchDiscriminator(
                channels, settings.discriminator_channels, settings.discriminator_layers, "none"
            )

    def phases(self) -> list[Phase]:
        """Return the updates of one step; the discriminator starts after pretraining."""
        generator = Phase("generator", ("generator",), self.generator_loss, "generator", max_grad_norm=5.0)
        if not hasattr(self, "discriminator"):
            return [generator]
        start = self.settings.pretraining
        discriminator = Phase(
            "discriminator", ("discriminator",), self.discriminator_loss, "discriminator", start=start
        )
        return [discriminator, generator]

    def windows(self, item: Tensor, rng: torch.Generator) -> Tensor:
        """Return `given + steps` consecutive frames of each clip, from a random one on, [B, n * colours, H, W]."""
        clips = item.reshape(len(item), -1, self.colours, *item.shape[2:])
        length = self.past + self.settings.steps
        count, frames = clips.shape[:2]
        starts = torch.randint(0, frames - length + 1, (count, 1), generator=rng, device=item.device)
        chosen = starts + torch.arange(length, device=item.device)
        windows: Tensor = clips[torch.arange(count, device=item.device)[:, None], chosen]
        return windows.flatten(1, 2)

    def split(self, window: Tensor) -> tuple[Tensor, Tensor]:
        """Return the given frames and the frames to predict of windows [B, n * colours, H, W]."""
        colours = self.colours
        if self.between:
            return torch.cat([window[:, :colours], window[:, 2 * colours :]], 1), window[:, colours : 2 * colours]
        return window[:, : self.past * colours], window[:, self.past * colours :]

    def predict(self, given: Tensor, steps: int) -> tuple[Tensor, list[Tensor]]:
        """Predict frames, each from those before it.

        Returns:
            The predicted frames [B, steps * colours, H, W], and what each was predicted from.
        """
        predicted, seen = [], []
        for _ in range(steps):
            seen.append(given)
            predicted.append(self.generator(given).float())
            given = torch.cat([given[:, self.colours :], predicted[-1]], dim=1)
        return torch.cat(predicted, dim=1), seen

    def generator_loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        """Return MSE and L1 over all predicted frames, and after pretraining the adversarial loss."""
        given, wanted = self.split(self.windows(batch["item"], rng))
        predicted, seen = self.predict(given, self.settings.steps)
        weights = self.settings.weights
        squared, absolute = mse_loss(predicted, wanted), l1_loss(predicted, wanted)
        total = weights.l2 * squared + weights.l1 * absolute
        terms = {"loss_l2": squared, "loss_l1": absolute}
        if hasattr(self, "discriminator") and progress.reached(self.settings.pretraining):
            logits = self.discriminator(self.candidates(seen, predicted)).float()
            terms["loss_adversarial"] = self.objective.generator(logits, logits)
            total = total + weights.adversarial * terms["loss_adversarial"]
        return Loss(total, {"loss_generator": total} | terms)

    def candidates(self, seen: list[Tensor], frames: Tensor) -> Tensor:
        """Return the first and the last frame with what they were predicted from, as the discriminator sees them.

        With `clips` it sees all frames at once, after the given ones.
        """
        if self.settings.clips:
            return torch.cat([seen[0], frames], 1)
        colours, last = self.colours, len(seen) - 1
        pairs = [torch.cat([seen[k], frames[:, k * colours : (k + 1) * colours]], 1) for k in dict.fromkeys((0, last))]
        return torch.cat(pairs)

    def discriminator_loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        """Return the objective on real and predicted frames, and every fourth step R1."""
        window = self.windows(batch["item"], rng)
        given, wanted = self.split(window)
        with torch.no_grad():
            predicted, seen = self.predict(given, self.settings.steps)
            fake = self.candidates(seen, predicted)
        steps, reach = self.settings.steps, self.past * self.colours
        # Real frames follow real ones, also where the generator saw its own.
        before = [given] if self.between else [window[:, k * self.colours :][:, :reach] for k in range(steps)]
        real = self.candidates(before, wanted)
        penalised = self.settings.r1 > 0 and progress.due(PENALTY_EVERY)
        real_logits = self.discriminator(real.requires_grad_(penalised)).float()
        fake_logits = self.discriminator(fake).float()
        total = self.objective.discriminator(real_logits, fake_logits, 0.0)
        terms = {
            "loss_discriminator": total,
            "d_real": real_logits.sigmoid().mean(),
            "d_fake": fake_logits.sigmoid().mean(),
            "d_accuracy": (real_logits > fake_logits).float().mean(),
        }
        if penalised:
            scores = real_logits.mean(dim=(1, 2, 3))
            total = total + self.settings.r1 / 2 * zero_centred_penalty(scores, real)
        return Loss(total, terms)

    def selection_metric(self, progress: Progress) -> str:
        """Select by the error of predicted frames in pretraining, then by the Fréchet distance of completed clips."""
        adversarial = hasattr(self, "discriminator") and progress.reached(self.settings.pretraining)
        return "fid" if adversarial else "rmse"

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator, **conditions: Tensor) -> Tensor:
        """Return the frame after those of the condition `frames` [n, given * colours, H, W], or between them."""
        given = conditions["frames"].to(next(self.generator.parameters()).device)
        frame: Tensor = self.generator(given)
        return frame.float().clamp(-1, 1)

    def preview(self, n: int, rng: torch.Generator, examples: Batch) -> Tensor:
        """Return clips whose last frames, or every second one, are predicted, each above the real clip."""
        real = examples["item"]
        completed = complete(self, real, self.colours, rng)
        return torch.stack([completed, real], dim=1).flatten(0, 1)

    def export(self) -> list[ExportSpec]:
        """Return the generator, for frames of any size."""
        frames = torch.zeros(2, self.past * self.colours, *self.size)
        return [ExportSpec("generator", self.generator, {"frames": frames}, ("next_frames",), multiple=STEP)]
