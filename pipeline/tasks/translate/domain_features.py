"""The domains of a translation: held-out images, and the features of held-out and training images."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.arrays import Float32Array, Int64Array, UInt8Array
from pipeline.data.domains import DomainItems, split_domains
from pipeline.data.store import ItemSet
from pipeline.errors import InputError
from pipeline.evaluation.extractors.base import Extractor, Joined, Subset
from pipeline.evaluation.measures.profile_comparison import RealItems
from pipeline.evaluation.reference import load_or_extract, require_reference
from pipeline.media.registry import find_medium
from pipeline.tasks.base import EvaluationCase, progress_bar

MOST_TRAINING = 10_000
"""Most training images of a domain in the null."""


@dataclass(frozen=True)
class DomainFeatures:
    """One domain.

    Attributes:
        held_out: The held-out images.
        order: Positions of the held-out images that are evaluated, shuffled.
        features: Features [n, d] of these images, in that order.
        train_features: Features [m, d] of training images.
        train: These training images.
        key: Identifies all these images in caches.
        cache: Folder of caches.
    """

    name: str
    held_out: DomainItems
    order: Int64Array
    features: Float32Array
    train_features: Float32Array
    train: Subset
    key: str = ""
    cache: Path | None = None

    @property
    def evaluated(self) -> Subset:
        """The evaluated images."""
        return Subset(self.held_out, self.order)

    @property
    def real_items(self) -> RealItems:
        """All real images that translations into the domain are compared with."""
        medium = find_medium(self.held_out.item.medium)
        return RealItems(Joined(self.evaluated, self.train), None, self.cache, self.key, medium)

    def images(self, part: slice) -> UInt8Array:
        """Return a slice of the evaluated images, uint8 [n, H, W, C]."""
        return self.held_out.images(self.order[part])


def require_domains(test: ItemSet) -> None:
    """Raise InputError if a test split holds fewer than 2 images of a domain."""
    require_reference(test)
    for domain in split_domains(test).values():
        if len(domain) < 2:
            raise InputError(
                f"the test split holds {len(domain)} images of the domain {domain.name}. A translation is compared "
                "with at least 2: raise data.test_fraction."
            )


def load_domains(case: EvaluationCase, extractor: Extractor) -> dict[str, DomainFeatures]:
    """Return the domains "a", "b" ... with their features.

    Raises:
        InputError: The test split is empty, or holds fewer than 2 images of a domain.
    """
    require_domains(case.test)
    held_out, train = split_domains(case.test), split_domains(case.train)
    rng = np.random.default_rng(case.settings.seed)
    # One shuffle serves all domains, so that partners of a pair stay together.
    shuffle = rng.permutation(max(map(len, held_out.values())))
    domains = {}
    for key, new in held_out.items():
        known = train[key]
        order = shuffle[shuffle < len(new)][: case.settings.samples]
        positions = np.sort(rng.permutation(len(known))[: min(len(new), MOST_TRAINING)])
        domains[key] = DomainFeatures(
            new.name,
            new,
            order,
            load_features(case, extractor, new, order, f"held-out {new.name}"),
            load_features(case, extractor, known, positions, f"training {new.name}"),
            Subset(known, positions),
            f"{subset_key(new, order)} {subset_key(known, positions)}",
            case.folders.cache,
        )
    return domains


def subset_key(domain: DomainItems, positions: Int64Array) -> str:
    """Return what identifies some images of a domain in a cache."""
    return f"{domain.fingerprint} {hashlib.sha256(positions.tobytes()).hexdigest()}"


def load_features(
    case: EvaluationCase, extractor: Extractor, domain: DomainItems, positions: Int64Array, label: str
) -> Float32Array:
    """Return the features [n, d] of a domain's images, from the cache if they are there."""
    return load_or_extract(
        extractor,
        Subset(domain, positions),
        subset_key(domain, positions),
        batch_size=case.settings.batch_size,
        cache=case.folders.cache,
        progress=progress_bar,
        label=label,
        compute=case.compute,
    )
