"""DF-GAN: Tao et al., "DF-GAN: A Simple and Effective Baseline for Text-to-Image Synthesis" (2022).

One generator at full resolution: every block fuses latent and sentence into its maps by two conditional affine layers,
each with an activation. The discriminator joins the sentence to its last maps. It also rejects real images with the
caption of another image, and its gradient penalty is matching-aware: on real images and their sentences together. The
text encoder is trained before the game and does not change in it.
"""

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.gans.base import ExportSpec, GraphInFront, Progress, View
from pipeline.gans.game.adversarial import Adversarial
from pipeline.gans.networks.heads import output_head
from pipeline.gans.networks.layers import MinibatchStd, count_doublings
from pipeline.gans.networks.text_encoder import (
    FrozenTextEncoder,
    TextEncoder,
    build_text_encoder,
    fit_text_encoder,
    learned_part,
)
from pipeline.gans.pretraining import NextBatch, Pretraining
from pipeline.gans.variants.dcgan.dcgan import channel_widths, first_side
from pipeline.gans.variants.dfgan.settings import DFGANSettings
from pipeline.items import ItemSpec
from pipeline.shared_batch import undivided, whole
from pipeline.tokenizer import Tokenizer

JOINT_SIDE = 4
"""Side of the maps that the discriminator joins the sentence to."""


class ConditionalAffine(nn.Module):
    """Maps [B, C, H, W] and conditions [B, inputs] -> scale * maps + shift; begins as the identity."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, 2 * channels)
        nn.init.zeros_(self.linear.weight)
        nn.init.constant_(self.linear.bias[:channels], 1.0)
        nn.init.zeros_(self.linear.bias[channels:])

    def forward(self, maps: Tensor, condition: Tensor) -> Tensor:
        scale, shift = self.linear(condition)[:, :, None, None].chunk(2, dim=1)
        fused: Tensor = scale * maps + shift
        return fused


class FusionBlock(nn.Module):
    """Doubles the side; before each of the two convolutions, two affine layers of the condition (section 3.3)."""

    def __init__(self, condition: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.affines = nn.ModuleList(
            ConditionalAffine(condition, channels) for channels in (inputs, inputs, outputs, outputs)
        )
        self.convolutions = nn.ModuleList((nn.Conv2d(inputs, outputs, 3, 1, 1), nn.Conv2d(outputs, outputs, 3, 1, 1)))
        self.shortcut = nn.Conv2d(inputs, outputs, 1)

    def forward(self, maps: Tensor, condition: Tensor) -> Tensor:
        maps = F.interpolate(maps, scale_factor=2.0)
        residual = maps
        for number, convolution in enumerate(self.convolutions):
            for affine in self.affines[2 * number : 2 * number + 2]:
                residual = F.leaky_relu(affine(residual, condition), 0.2)
            residual = convolution(residual)
        shortcut: Tensor = self.shortcut(maps)
        return shortcut + residual


class Generator(nn.Module):
    """z [B, latent] and sentences [B, width] -> images [B, C, R, R] in (-1, 1)."""

    def __init__(self, settings: DFGANSettings, item: ItemSpec) -> None:
        super().__init__()
        channels = channel_widths(settings.generator_channels, settings.max_channels, item.height)[::-1]
        first, condition = first_side(item.height), settings.latent + settings.text_width
        self.first = nn.Sequential(
            nn.Linear(settings.latent, channels[0] * first * first), nn.Unflatten(1, (channels[0], first, first))
        )
        pairs = zip([channels[0], *channels], channels, strict=False)
        self.blocks = nn.ModuleList(FusionBlock(condition, inputs, outputs) for inputs, outputs in pairs)
        self.head = nn.Sequential(
            nn.LeakyReLU(0.2), nn.Conv2d(channels[-1], item.network_channels, 3, 1, 1), output_head(item)
        )

    def forward(self, z: Tensor, sentences: Tensor) -> Tensor:
        maps, condition = self.first(z), torch.cat([z, sentences], dim=1)
        for block in self.blocks:
            maps = block(maps, condition)
        images: Tensor = self.head(maps)
        return images


class Discriminator(nn.Module):
    """Images [B, C, R, R] and sentences [B, width] -> logits [B]; positive means real and described by the sentence.

    Attributes:
        trunk: Images -> the last feature maps, which do not depend on the sentence.
    """

    def __init__(self, settings: DFGANSettings, item: ItemSpec) -> None:
        super().__init__()
        channels = settings.discriminator_channels
        layers: list[nn.Module] = [nn.Conv2d(item.network_channels, channels, 3, 1, 1), nn.LeakyReLU(0.2)]
        for _ in range(count_doublings(JOINT_SIDE, item.height)):
            wider = min(2 * channels, settings.max_channels)
            layers += [nn.Conv2d(channels, wider, 4, 2, 1), nn.LeakyReLU(0.2)]
            channels = wider
        self.trunk = nn.Sequential(*layers)
        self.minibatch_std = MinibatchStd(settings.stabilisers.minibatch_std)
        self.joint = nn.Sequential(
            nn.Conv2d(channels + self.minibatch_std.extra + settings.text_width, channels, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(channels, 1, JOINT_SIDE),
            nn.Flatten(0),
        )

    def forward(self, images: Tensor, sentences: Tensor) -> Tensor:
        maps = self.minibatch_std(self.trunk(images))
        repeated = sentences[:, :, None, None].expand(-1, -1, JOINT_SIDE, JOINT_SIDE)
        logits: Tensor = self.joint(torch.cat([maps, repeated], dim=1))
        return logits


class FromSentence(nn.Module):
    """z [B, latent], sentences [B, width] and psi [B] -> images [B, C, R, R]; psi scales the latent."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, z: Tensor, sentences: Tensor, psi: Tensor) -> Tensor:
        images: Tensor = self.generator(psi[:, None] * z, sentences)
        return images


class FromText(FromSentence):
    """The same of tokens [B, L] in the place of sentences; of features [B, d] with the last layer of an encoder."""

    def __init__(self, text: nn.Module, generator: Generator) -> None:
        super().__init__(generator)
        self.text = text

    def forward(self, z: Tensor, tokens: Tensor, psi: Tensor) -> Tensor:
        return super().forward(z, self.text(tokens), psi)


class DFGAN(Adversarial):
    """The networks under any unpaired objective. The buffer `examples` holds tokens of training captions."""

    generator: Generator
    text: TextEncoder | FrozenTextEncoder
    examples: Tensor
    ema_networks = ("generator", "text")

    def __init__(self, settings: DFGANSettings, item: ItemSpec) -> None:
        super().__init__(settings, Generator(settings, item), Discriminator(settings, item))
        self.item, self.width, self.steps = item, settings.text_width, settings.text_steps
        self.view = View("captioned")
        self.text = build_text_encoder(item, settings.text_width)
        self.vocabulary = vocabulary = item.vocabulary
        tokens = vocabulary.tokens(vocabulary.examples) if vocabulary else [[0]]
        self.register_buffer("examples", torch.as_tensor(tokens), persistent=False)

    @property
    def condition(self) -> str:
        """The tokens of a caption."""
        return "tokens"

    def use_text_encoder(self, graph: bytes) -> None:
        """Take the text encoder of a user. A linear layer after it learns before the game."""
        assert isinstance(self.text, FrozenTextEncoder)
        self.text.features.load(graph)

    def pretraining(self) -> Pretraining:
        """Return the training of the text encoder, or of the layer after a frozen one."""

        def fit(next_batch: NextBatch, device: torch.device) -> dict[str, Tensor]:
            text = build_text_encoder(self.item, self.width)
            if isinstance(text, FrozenTextEncoder) and isinstance(self.text, FrozenTextEncoder):
                text.features = self.text.features
            return fit_text_encoder(text, self.item, self.width, self.steps, next_batch, device)

        frozen = f" {self.vocabulary.encoder}" if isinstance(self.vocabulary, Tokenizer) else ""
        network = "text" if learned_part(self.text) is self.text else "text.head"
        return Pretraining(network, f"{self.width} {self.steps}{frozen}", fit)

    def embed(self, condition: Tensor) -> Tensor:
        """Return the sentences [B, width] of tokens [B, L]; the text encoder gets no gradient."""
        with torch.no_grad():
            sentences: Tensor = self.text(condition)
        return sentences.requires_grad_(torch.is_grad_enabled())

    def draw_condition(self, n: int, rng: torch.Generator) -> Tensor:
        """Draw `n` of the example captions."""
        return self.examples.cpu()[torch.randint(len(self.examples), (n,), generator=rng)]

    def example_conditions(self, n: int) -> dict[str, Tensor]:
        """Return the example captions in turn."""
        return {"tokens": self.examples.cpu()[torch.arange(n) % len(self.examples)]}

    def rejected_logits(
        self, real: Tensor, fake_logits: Tensor, label: Tensor | None, progress: Progress, rng: torch.Generator
    ) -> Tensor:
        """Return the logits of generated images and of real images with the next item's caption."""
        assert label is not None
        sentences = whole(label.detach())
        with undivided() as own:
            others = own(sentences.roll(1, 0))
        return torch.cat([fake_logits, self.discriminate(real, others, progress, rng)])

    def penalised_inputs(self, images: Tensor, label: Tensor | None) -> tuple[Tensor, ...]:
        """Return images and sentences: the matching-aware gradient penalty (section 3.4)."""
        assert label is not None
        return images, label

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator, **conditions: Tensor) -> Tensor:
        """Generate `n` images of `z` and `tokens`; `psi` [n] scales z."""
        z = conditions["z"] if "z" in conditions else self.sample_latents(n, rng)
        if "psi" in conditions:
            z = conditions["psi"].to(z.device)[:, None] * z
        return super().sample(n, rng, **{**conditions, "z": z})

    def export(self) -> list[ExportSpec]:
        """Return `generator`, z, tokens and psi -> images, and its two parts, to interpolate between sentences.

        `text` maps tokens to sentences, `synthesis` maps z, sentences and psi to images.
        """
        latent, tokens, psi = torch.zeros(2, self.latent), self.examples[[0, 0]].cpu(), torch.ones(2)
        parts = {"z": latent, "sentences": torch.zeros(2, self.width), "psi": psi}
        whole = {"z": latent, "tokens": tokens, "psi": psi}
        return [
            self.after_text(ExportSpec("generator", FromText(self.text, self.generator), whole, ("items",))),
            self.after_text(ExportSpec("text", self.text, {"tokens": tokens}, ("sentences",))),
            ExportSpec("synthesis", FromSentence(self.generator), parts, ("items",)),
        ]

    def after_text(self, spec: ExportSpec) -> ExportSpec:
        """Return a spec that takes tokens with the graph of a frozen encoder in front of it, if there is one."""
        text = self.text
        if not isinstance(text, FrozenTextEncoder):
            return spec
        features = torch.zeros(2, text.features.features)
        inputs = {
            "features" if name == "tokens" else name: features if name == "tokens" else example
            for name, example in spec.inputs.items()
        }
        module = FromText(text.head, self.generator) if spec.module is not text else text.head
        return replace(spec, front=GraphInFront(text.features.content, replace(spec, module=module, inputs=inputs)))
