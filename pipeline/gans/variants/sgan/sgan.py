"""SGAN: semi-supervised learning by Salimans et al., "Improved Techniques for Training GANs" (2016), section 5.

The discriminator is a classifier of K classes with logits l_1 .. l_K. A further class "generated" has the logit 0. The
logit of "real" is Z = log sum exp l: sigmoid(Z) is the probability that an image is real, softmax(l) that of its class.
A few labelled images teach the classes; all real and generated images teach what is real. The generator does not play
against Z but matches the mean features of real images (section 3.1).

The discriminator uses weight normalisation (Salimans and Kingma 2016) and dropout instead of batch normalisation, so
that a class never depends on the other images of a batch.

Matching mean features teaches the classifier much and the generator little: its images are poor. With `critic: true` a
second discriminator judges how images look and knows no classes, as the discriminator of Triple-GAN (Li, Xu, Zhu and
Zhang 2017) is separate from its classifier. The generator plays against the critic, too.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, softplus
from torch.nn.utils.parametrizations import weight_norm

from pipeline.gans.base import Batch, ExportSpec, Loss, Progress, View
from pipeline.gans.game.adversarial import Adversarial
from pipeline.gans.game.objectives import AdversarialObjective
from pipeline.gans.variants.dcgan import dcgan
from pipeline.gans.variants.sgan.settings import SGANSettings
from pipeline.items import ItemSpec
from pipeline.shared_batch import whole


def supervised_loss(logits: Tensor, label: Tensor) -> Tensor:
    """Return L_sup = mean Z - mean l_y, the cross-entropy of logits [B, K] and labels int64 [B]."""
    return cross_entropy(logits, label)


def unsupervised_loss(z_real: Tensor, z_fake: Tensor) -> Tensor:
    """Return L_unsup = (mean[-Z + softplus(Z)] on real images + mean softplus(Z) on generated images) / 2.

    -Z + softplus(Z) is computed as softplus(-Z), which neither overflows nor cancels.
    """
    return 0.5 * (softplus(-z_real).mean() + softplus(z_fake).mean())


def feature_matching_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Return an unbiased estimate of || E f(x) - E f(G(z)) ||^2 of features [B, d] (section 3.1); may be negative.

    The squared distance of two batch means is biased by their variances over B, which would reward a generator for
    samples that resemble each other.
    """
    bias = real.var(dim=0).sum() / len(real) + fake.var(dim=0).sum() / len(fake)
    return (real.mean(dim=0) - fake.mean(dim=0)).square().sum() - bias


class ClassifierNetwork(nn.Module):
    """Images [B, C, R, R] in [-1, 1] -> logits of the classes [B, K].

    Each resolution has a 3x3 convolution, a strided one and dropout, down to the side where DCGAN's discriminator ends.
    """

    def __init__(self, settings: SGANSettings, item: ItemSpec) -> None:
        super().__init__()
        channels = dcgan.channel_widths(settings.discriminator_channels, settings.max_channels, item.height)
        layers: list[nn.Module] = []
        for narrow, wide in pairwise([item.network_channels, *channels]):
            layers += [
                conv(narrow, wide, 1),
                nn.LeakyReLU(0.2),
                conv(wide, wide, 2),
                nn.LeakyReLU(0.2),
                nn.Dropout(settings.dropout),
            ]
        self.trunk = nn.Sequential(*layers, nn.Flatten())
        features = channels[-1] * dcgan.first_side(item.height) ** 2
        # The data view rejects data without classes; a layer without outputs could not even be built.
        self.head = with_weight_norm(nn.Linear(features, max(len(item.classes), 1)), gain=0.1)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.trunk(images))
        return logits.float()


class Discriminator(nn.Module):
    """Images [B, C, R, R] in [-1, 1] -> logits [B] of the critic; without a critic Z of the classifier.

    Attributes:
        classifier: Images -> logits of the classes.
        critic: Images -> logits, positive for real; None if the classifier alone judges.
    """

    def __init__(self, settings: SGANSettings, item: ItemSpec) -> None:
        super().__init__()
        self.classifier = ClassifierNetwork(settings, item)
        self.critic = dcgan.Discriminator(settings, item, item.network_channels) if settings.critic else None
        if self.critic is not None:
            self.critic.apply(dcgan.initialiser(settings))

    @property
    def trunk(self) -> nn.Module:
        """Images -> the features of the classifier."""
        return self.classifier.trunk

    def forward(self, images: Tensor) -> Tensor:
        if self.critic is None:
            return realness(self.classifier(images))
        logits: Tensor = self.critic(images)
        return logits


def realness(logits: Tensor) -> Tensor:
    """Return Z = log sum exp l [B] of class logits l [B, K]."""
    return logits.logsumexp(dim=1)


def conv(inputs: int, outputs: int, stride: int) -> nn.Module:
    """Build a weight-normalised 3x3 convolution with He's gain for leaky ReLU 0.2."""
    return with_weight_norm(nn.Conv2d(inputs, outputs, 3, stride, 1), gain=(2 / (1 + 0.2**2)) ** 0.5)


def with_weight_norm(layer: nn.Conv2d | nn.Linear, gain: float) -> nn.Module:
    """Apply weight normalisation g v / |v| (Salimans & Kingma 2016, eq. 2); initially the layer scales by `gain`."""
    nn.init.normal_(layer.weight, 0.0, gain / layer.weight[0].numel() ** 0.5)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    normalised: nn.Module = weight_norm(layer)
    return normalised


class SGAN(Adversarial):
    """A semi-supervised pair: `labelled_per_class` images of each class have labels.

    The EMA of the classifier is exported with the generator.
    """

    ema_networks = ("generator", "discriminator")

    def __init__(self, settings: SGANSettings, item: ItemSpec) -> None:
        generator = dcgan.Generator(settings, item, settings.latent).apply(dcgan.initialiser(settings))
        super().__init__(settings, generator, Discriminator(settings, item))
        self.shape = (item.network_channels, item.height, item.width)
        self.view = View("partly_labelled", {"per_class": settings.labelled_per_class})
        self.critic, self.matching = settings.critic, settings.matching
        if not self.critic:
            self.objective = AdversarialObjective(
                lambda real, fake, _: unsupervised_loss(real, fake), self.objective.generator
            )

    def discriminator_loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        """Return L_sup + L_unsup of the classifier, the critic's objective if there is one, and the penalties."""
        game = super().discriminator_loss(batch, progress, rng)
        total, terms = game.total, dict(game.terms)
        if self.critic:
            with torch.no_grad():
                fake = self.generate(len(batch["item"]), None, rng)
            z_real, z_fake = (realness(self.classify(images, progress, rng)) for images in (batch["item"], fake))
            terms["loss_unsupervised"] = unsupervised_loss(z_real, z_fake)
            total = total + terms["loss_unsupervised"]
        logits = self.classify(batch["labelled_item"], progress, rng)
        terms["loss_supervised"] = supervised_loss(logits, batch["label"])
        terms["d_labelled_right"] = (logits.argmax(dim=1) == batch["label"]).float().mean()
        return Loss(total + terms["loss_supervised"], terms)

    def classify(self, images: Tensor, progress: Progress, rng: torch.Generator) -> Tensor:
        """Return the class logits [B, K] of augmented images."""
        logits: Tensor = self.discriminator.classifier(self.augment_for_discriminator(images, progress, rng))
        return logits

    def generator_loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        """Return the feature matching loss on the classifier's trunk, and the critic's objective if there is one."""
        if self.matching == 0:
            return super().generator_loss(batch, progress, rng)
        real, trunk = batch["item"], self.discriminator.trunk
        fake = self.generate(len(real), None, rng)
        fake_features = trunk(self.augment_for_discriminator(fake, progress, rng)).float()
        with torch.no_grad():
            real_features = trunk(self.augment_for_discriminator(real, progress, rng)).float()
        matching = feature_matching_loss(whole(real_features), whole(fake_features))
        if not self.critic:
            return Loss(self.matching * matching, {"loss_generator": matching})
        game = super().generator_loss(batch, progress, rng)
        return Loss(game.total + self.matching * matching, {**game.terms, "loss_matching": matching})

    def classifier(self) -> nn.Module:
        """Return the classifier, images [B, C, R, R] -> class logits [B, K]."""
        network: nn.Module = self.discriminator.classifier
        return network

    def export(self) -> list[ExportSpec]:
        """Return the generator and the classifier."""
        images = {"items": torch.zeros(2, *self.shape)}
        return [*super().export(), ExportSpec("classifier", self.classifier(), images, ("logits",))]
