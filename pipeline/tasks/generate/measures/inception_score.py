"""The Inception score; only with the features of Inception."""

from typing import TYPE_CHECKING

from pipeline.tasks.generate.measures.registry import measure

if TYPE_CHECKING:
    from pipeline.arrays import Float32Array
    from pipeline.tasks.generate.sample_set import SampleSet


def score_features(data: "SampleSet", features: "Float32Array") -> float | None:
    """Return the Inception score of features [n, 2048]; None for features of another network."""
    from pipeline.evaluation.extractors.inception import Inception
    from pipeline.evaluation.measures.classifier_score import inception_score as score_of_logits

    extractor = data.real.extractor
    if not isinstance(extractor, Inception) or len(features) < 2:
        return None
    return score_of_logits(extractor.logits(features), data.seed)


@measure(explanation="how certain and how varied the classes are that Inception sees: 1 to 1,008")
def inception_score(data: "SampleSet") -> float | None:
    return score_features(data, data.features)


@measure(explanation="Inception score of the real test images")
def inception_score_real(data: "SampleSet") -> float | None:
    return score_features(data, data.real.reference.real)
