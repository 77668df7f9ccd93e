"""Whether translations show their target class, as a classifier of real images sees it.

The classifier is independent: it learned from real images only, and no model was trained against it. A classifier that
takes part in the game is fooled by stripes that nobody would take for the class. It sees only what separates the
classes, so its accuracy counts together with the distances of the translations to real images.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.evaluation.extractors.base import Images, extract
from pipeline.evaluation.extractors.classifier import Classifier, train_classifier
from pipeline.evaluation.measures.intervals import wilson_interval
from pipeline.evaluation.reliability import near_chance
from pipeline.evaluation.wording import percent
from pipeline.items import DOMAINS
from pipeline.measure import Measurement
from pipeline.tasks.base import EvaluationCase, progress_bar
from pipeline.tasks.translate.domain_features import DomainFeatures

FEWEST = 20
"""Images below which chance alone moves a share by too much for a test."""


@dataclass(frozen=True)
class Recogniser:
    """A classifier of the domains.

    Attributes:
        classifier: Trained on the real training images of all domains.
        real: Share of the held-out images of each domain that it recognises.
    """

    classifier: Classifier
    real: Mapping[str, float]
    batch_size: int

    def share(self, images: Images, domain: str) -> float:
        """Return the share of images that the classifier assigns to a domain."""
        seen = self.classifier.predict(extract(self.classifier, images, self.batch_size)).argmax(axis=1)
        return float(np.mean(seen == DOMAINS.index(domain)))

    @property
    def doubt(self) -> str:
        """Why no test may use the classifier; empty if tests may."""
        accuracy = float(np.mean(list(self.real.values())))
        if not near_chance(accuracy, len(self.real)):
            return ""
        return f"the accuracy of the classifier on real test images is only {percent(accuracy)}, too close to chance"


def train_recogniser(case: EvaluationCase, domains: Mapping[str, DomainFeatures]) -> Recogniser:
    """Train a classifier on all training images, or read it from the cache, and measure it on the held-out ones."""
    classifier = train_classifier(
        case.train,
        np.empty(0, dtype=np.int64),
        case.info.item,
        case.device,
        folder=case.folders.cache,
        progress=progress_bar,
    )
    recogniser = Recogniser(classifier, {}, case.settings.batch_size)
    real = {name: recogniser.share(domain.evaluated, name) for name, domain in domains.items()}
    return Recogniser(classifier, real, case.settings.batch_size)


@dataclass(frozen=True)
class Recognition:
    """How the classifier sees the translations of one direction.

    Attributes:
        translated: Share of the translations that it assigns to the target.
        count: Number of these translations.
        inputs: Share of the untranslated inputs.
        real: Share of held-out images of the target.
        by_example: Share of translations in the style of an example; None without any.
        examples: Number of these.
        doubt: Why no test may use the classifier; empty if tests may.
    """

    translated: float
    count: int
    inputs: float
    real: float
    by_example: float | None = None
    examples: int = 0
    doubt: str = ""

    def relative(self, share: float | None, count: int) -> Measurement:
        """Return a share relative to that of real images, whose null is 1."""
        if share is None or not count or not self.real:
            return Measurement(None)
        interval = wilson_interval(round(share * count), count, "translations").rescale(1 / self.real)
        few = f"only {count} translations, and a share needs {FEWEST}" if count < FEWEST else ""
        return Measurement(share / self.real, 1.0, skip=self.doubt or few, interval=interval)
