"""Generalisation and the latent space: likelihood of held-out items, and smoothness of paths between samples."""

from typing import TYPE_CHECKING

from pipeline.measure import Measurement
from pipeline.tasks.generate.measures.registry import measure

if TYPE_CHECKING:
    from pipeline.tasks.generate.sample_set import SampleSet


@measure(
    explanation="FLD (Jiralerspong 2023): 100 times the log-likelihood per feature that held-out items lose under a "
    "mixture around samples instead of real items; high for poor, missing or copied items",
    ideal="0",
)
def fld(data: "SampleSet") -> float | None:
    return data.likelihood.divergence if data.likelihood else None


@measure(
    explanation="FLD gap: the same of training items minus that of held-out items; far below that of real items for "
    "copies",
)
def fld_gap(data: "SampleSet") -> Measurement:
    found = data.likelihood
    return Measurement(found.gap, found.real_gap) if found else Measurement(None)


@measure(
    explanation="perceptual path length (Karras 2019): squared change of the features on paths between latents, over "
    "the mean squared distance of two real items; 1 for a straight path, higher for abrupt changes",
)
def path_length(data: "SampleSet") -> float | None:
    return data.path_length
