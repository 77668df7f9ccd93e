"""SGAN: semi-supervised learning by Salimans et al., "Improved Techniques for Training GANs" (2016), section 5.

The discriminator is a classifier of K classes. With l_1 .. l_K its logits and that of a further class "generated" fixed at 0,
Z = log sum exp l is the logit of "real": sigmoid(Z) is the probability that an image is real, softmax(l) which class it then has.
A few labelled images teach it the classes, all images and the generated ones what is real. The generator does not play against Z
but matches the mean features of real images (section 3.1).

Both networks stay deterministic given an image: no batch normalisation in the discriminator, but weight normalisation (Salimans
and Kingma 2016) and dropout, so that a class never depends on the other images of a batch.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, softplus
from torch.nn.utils.parametrizations import weight_norm

from pipeline.gans.base import Batch, ExportSpec, Loss, Progress, View
from pipeline.gans.game.adversarial import Adversarial
from pipeline.gans.game.objectives import AdversarialObjective
from pipeline.gans.networks import residual
from pipeline.gans.variants.dcgan import dcgan
from pipeline.gans.variants.sgan.settings import SGANSettings
from pipeline.items import ItemSpec


def supervised(logits: Tensor, label: Tensor) -> Tensor:
    """L_sup = mean Z - mean l_y of logits [B, K] and labels int64 [B]: the cross-entropy of softmax(l); a scalar."""
    return cross_entropy(logits, label)


def unsupervised(z_real: Tensor, z_fake: Tensor) -> Tensor:
    """L_unsup = 1/2 (mean[-Z + softplus(Z)] of real images + mean softplus(Z) of generated ones), from Z [B] of each; a scalar.

    Cross-entropy of "real" with a half for each side; -Z + softplus(Z) is softplus(-Z), which neither overflows nor cancels.
    """
    return 0.5 * (softplus(-z_real).mean() + softplus(z_fake).mean())


def feature_matching(real: Tensor, fake: Tensor) -> Tensor:
    """|| E f(x) - E f(G(z)) ||^2 of features [B, d] (section 3.1), estimated without bias; a scalar that may be negative.

    The squared distance of two batches' means is larger by their variances over B: it would reward a generator whose images are alike.
    """
    noise = real.var(dim=0).sum() / len(real) + fake.var(dim=0).sum() / len(fake)
    return (real.mean(dim=0) - fake.mean(dim=0)).square().sum() - noise


class Discriminator(nn.Module):
    """Images [B, C, R, R] in [-1, 1] -> Z [B], positive for real; `logits` gives the classes' [B, K], `trunk` the features [B, d].

    At each resolution one 3x3 convolution and one that halves, then dropout, down to the side where `dcgan` ends too.
    """

    def __init__(self, settings: SGANSettings, item: ItemSpec) -> None:
        super().__init__()
        channels = dcgan.widths(settings.discriminator_channels, settings.max_channels, item.height)
        layers: list[nn.Module] = []
        for narrow, wide in pairwise([item.network_channels, *channels]):
            layers += [
                convolution(narrow, wide, 1),
                nn.LeakyReLU(0.2),
                convolution(wide, wide, 2),
                nn.LeakyReLU(0.2),
                nn.Dropout(settings.dropout),
            ]
        self.trunk = nn.Sequential(*layers, nn.Flatten())
        features = channels[-1] * dcgan.smallest(item.height) ** 2
        # Data without classes is refused where batches are made; a network of no outputs cannot be.
        self.head = normalised(nn.Linear(features, max(len(item.classes), 1)), gain=0.1)

    def logits(self, images: Tensor) -> Tensor:
        found: Tensor = self.head(self.trunk(images))
        return found.float()

    def forward(self, images: Tensor) -> Tensor:
        return self.logits(images).logsumexp(dim=1)


def convolution(inputs: int, outputs: int, stride: int) -> nn.Module:
    return normalised(nn.Conv2d(inputs, outputs, 3, stride, 1), gain=(2 / (1 + 0.2**2)) ** 0.5)


def normalised(layer: nn.Conv2d | nn.Linear, gain: float) -> nn.Module:
    """The layer with weight g v / |v| for each output (Salimans & Kingma 2016, eq. 2), started so that it scales its input by `gain`."""
    nn.init.normal_(layer.weight, 0.0, gain / layer.weight[0].numel() ** 0.5)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    found: nn.Module = weight_norm(layer)
    return found


class SGAN(Adversarial):
    """Semi-supervised: `labelled_per_class` images of each class show theirs; the averaged classifier is delivered with the generator."""

    ema_networks = ("generator", "discriminator")

    def __init__(self, settings: SGANSettings, item: ItemSpec) -> None:
        start = residual.initialise if settings.architecture == "residual" else dcgan.initialise
        super().__init__(
            settings, dcgan.Generator(settings, item, settings.latent).apply(start), Discriminator(settings, item)
        )
        self.shape = (item.network_channels, item.height, item.height)
        self.view = View("partly_labelled", {"per_class": settings.labelled_per_class})
        self.objective = AdversarialObjective(lambda real, fake, _: unsupervised(real, fake), self.objective.generator)

    def discriminator_loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        """L_sup + L_unsup, and the penalties on Z."""
        told = super().discriminator_loss(batch, progress, rng)
        logits = self.discriminator.logits(self.augment_for_discriminator(batch["labelled_image"], progress, rng))
        loss = supervised(logits, batch["label"])
        right = (logits.argmax(dim=1) == batch["label"]).float().mean()
        return Loss(told.total + loss, {**told.terms, "loss_supervised": loss, "d_labelled_right": right})

    def generator_loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        real = batch["image"]
        trunk = self.discriminator.trunk
        fake = trunk(self.augment_for_discriminator(self.generate(len(real), None, rng), progress, rng)).float()
        with torch.no_grad():
            wanted = trunk(self.augment_for_discriminator(real, progress, rng)).float()
        total = feature_matching(wanted, fake)
        return Loss(total, {"loss_generator": total})

    def classifier(self) -> nn.Module:
        return Classifier(self.discriminator)

    def export(self) -> list[ExportSpec]:
        """Beside the generator the classifier: images -> class logits."""
        return [
            *super().export(),
            ExportSpec("classifier", self.classifier(), {"images": torch.zeros(2, *self.shape)}, ("logits",)),
        ]


class Classifier(nn.Module):
    """Images [B, C, R, R] -> class logits [B, K]."""

    def __init__(self, discriminator: Discriminator) -> None:
        super().__init__()
        self.discriminator = discriminator

    def forward(self, images: Tensor) -> Tensor:
        return self.discriminator.logits(images)
