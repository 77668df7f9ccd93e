"""Generated samples and their features next to those of real items."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self, get_args

import torch
from torch import Tensor

from pipeline.arrays import Float32Array, Float64Array, Int64Array, Items
from pipeline.evaluation.extractors.base import ArrayItems, Extractor, exact, extract
from pipeline.evaluation.likeness import Likeness
from pipeline.evaluation.measures.calibration import comparison_size, measure_with_nulls
from pipeline.evaluation.measures.feature_likelihood import Likelihood, feature_likelihood
from pipeline.evaluation.measures.fid import Moments, fid
from pipeline.evaluation.measures.path_length import path_length
from pipeline.evaluation.measures.supervised_baseline import SemiSupervised
from pipeline.evaluation.real_data import RealData
from pipeline.evaluation.reference import Ratio, ratio
from pipeline.evaluation.reliability import blind_features
from pipeline.measure import Measurement
from pipeline.media.alteration import Group


@dataclass(frozen=True, eq=False)
class SampleFeatures(Likeness):
    """Samples of a generator, and their features next to those of real items. Parts are computed on first use.

    Attributes:
        images: Finite samples, stored items [n, H, W, C].
        nonfinite: Number of samples that were dropped because they held NaN or Inf.
        labels: int64 [n], the classes that samples were conditioned on; None for unconditional models.
        compare_classifier: Compares the classifier of a semi-supervised model with a supervised one; None without.
        draw_values: Draws network values [n, C, H, W] from latents [n, latent] of some of the paths between latents;
            None for samples of an exported model, and for models without a latent.
        latent: Length of a latent; 0 without `draw_values`.
        captions: Texts that samples were conditioned on, [n]; None for models without captions.
        looks: Fréchet distances of the training's health checks, oldest first.
    """

    real: RealData
    images: Items
    nonfinite: int = 0
    labels: Int64Array | None = None
    compare_classifier: Callable[[], SemiSupervised] | None = None
    looks: Sequence[float] = ()
    draw_values: Callable[[Tensor, slice], Tensor] | None = None
    latent: int = 0
    captions: Sequence[str] | None = None

    def __len__(self) -> int:
        return len(self.images)

    @property
    def total(self) -> int:
        """Samples that were drawn, non-finite ones included."""
        return len(self.images) + self.nonfinite

    @property
    def seed(self) -> int:
        return self.real.settings.seed

    def select(self, positions: Int64Array) -> Self:
        """Return some of the samples as a set of their own."""
        labels = None if self.labels is None else self.labels[positions]
        captions = None if self.captions is None else [self.captions[position] for position in positions]
        return replace(self, images=self.images[positions], labels=labels, captions=captions)

    def concerns(self, need: str) -> bool:
        """Return whether model and data are of the kind that a measure with this need is about."""
        lacks = {
            "conditions": self.labels is None,
            "semi-supervised": self.compare_classifier is None,
            "captions": self.captions is None,
        }
        if need in get_args(Group):
            return any(one.group == need for one in self.real.medium.alterations(self.real.item))
        return not lacks.get(need, False) and need not in self.real.medium.lacks(self.real.item)

    def unmet(self, need: str) -> str:
        """Return why a measure with this need does not exist for these samples; empty if it does."""
        if need in ("classes", "conditions") and self.real.classifier is None:
            return "the data has no classes"
        if need == "conditions" and self.labels is None:
            return "the model is not conditional"
        if need == "captions" and self.captions is None:
            return "the model takes no captions"
        if need == "semi-supervised" and self.compare_classifier is None:
            return "the model is not semi-supervised"
        return ""

    # --- features ---

    @cached_property
    def features(self) -> Float32Array:
        """[n, d] by the extractor."""
        return self.features_by(self.real.extractor)

    def features_by(self, extractor: Extractor) -> Float32Array:
        real = self.real
        images = ArrayItems(self.images)
        return extract(extractor, images, real.settings.batch_size, real.progress, "features", real.compute)

    @cached_property
    def frechet_distance(self) -> float | None:
        """Fréchet distance of all samples to the test split; None for fewer than 2."""
        return fid(self.features, self.real.reference_side) if len(self) >= 2 else None

    @property
    def named_distance(self) -> float | None:
        """Fréchet distance to the reference of `evaluate.reference`; None without one, or for fewer than 2 samples."""
        named, spec = self.real.named_reference, self.real.extractor.spec
        return named.distance(Moments.of(self.features), spec, "the samples") if named and len(self) >= 2 else None

    @cached_property
    def equal_size(self) -> Ratio | None:
        """Fréchet distances at one size, of samples and between real items; None for fewer than 2."""
        return ratio(self.features, self.real.reference, self.seed) if len(self) >= 2 else None

    @cached_property
    def manifold(self) -> dict[str, Measurement]:
        """Measures of feature space with their nulls; empty if there are too few items."""
        return measure_with_nulls(self.features, self.real.pool, self.seed, self.real.cache, self.real.key)

    @cached_property
    def likelihood(self) -> Likelihood | None:
        """Likelihood of held-out items around samples; the calibration items stand for the training items."""
        reference = self.real.reference
        return feature_likelihood(
            self.features,
            reference.calibration,
            reference.real,
            self.seed,
            cache=self.real.cache,
            key=self.real.key,
        )

    @cached_property
    def path_length(self) -> float | None:
        """Smoothness of paths between latents; None without latents, or with features of an ONNX encoder."""
        extractor, draw = self.real.extractor, self.draw_values
        network = getattr(extractor, "network", None)
        if draw is None or network is None or not len(self):
            return None

        def features_of(latents: Tensor, rows: slice) -> Float64Array:
            with torch.inference_mode(), exact(extractor.device):
                values = extractor.tensors.network_to_features(draw(latents, rows).float().to(extractor.device))
                features: Float64Array = network(values).double().cpu().numpy()
            return features

        scale = 2 * self.real.reference_side.moments.trace
        return path_length(features_of, self.latent, self.seed, scale) if scale > 0 else None

    @property
    def blind_features(self) -> str:
        """Why no test of diversity may use the features; empty if tests may."""
        return blind_features(self.real.recognition)

    @property
    def calibrated_size(self) -> int:
        """Items on either side of a calibrated measure; 0 if there are too few."""
        return comparison_size(len(self), len(self.real.pool))
