"""Pictures of the failed tests: the samples, or the real items, that a test is about, the worst first."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from pipeline.arrays import Float64Array, FloatArray, Int64Array, Items
from pipeline.evaluation.extractors.base import ArrayItems, Subset
from pipeline.evaluation.measures.augmented_copies import ItemSets, all_views, centre_view, read, search
from pipeline.evaluation.measures.calibration import MOST
from pipeline.evaluation.measures.distances import nearest, neighbours
from pipeline.evaluation.measures.statistics import statistics
from pipeline.evaluation.report_page import Exhibit
from pipeline.measure import Measure
from pipeline.media.alteration import Group
from pipeline.media.profiles import Profile
from pipeline.tasks.generate.evaluator import Evaluation
from pipeline.tasks.generate.measures.classes import RARE
from pipeline.tasks.generate.measures.conditional import is_wrong
from pipeline.tasks.generate.report_pictures import LARGE, ROW, ReportPictures
from pipeline.tasks.generate.sample_set import SampleSet
from pipeline.tasks.generate.symptoms import SHOWN

CLASSES = 3
"""Classes that a failed test shows."""

RANKED = 1000
"""Samples among which the worst are searched by a profile."""


Source = tuple[Callable[..., list[Exhibit]], tuple[Any, ...]]


@dataclass(frozen=True)
class FailurePictures:
    """Selects and draws what failed tests are about."""

    data: SampleSet
    draw: ReportPictures

    def source(self, measure: Measure[SampleSet]) -> Source:
        """Return the method that draws the pictures of a measure, with its arguments."""
        data, name = self.data, measure.name
        profiles = {profile.name: profile for profile in data.real.medium.profiles(data.real.item)}
        if name in BY_NAME:
            return BY_NAME[name], ()
        if name in get_args(Group) and data.altered is not None:
            return FailurePictures.altered, (name,)
        if name in profiles:
            return FailurePictures.profile, (profiles[name], measure.better == "high")
        if (of_class := name.removeprefix("class_")) in profiles and data.class_profiles:
            return FailurePictures.class_profile, (profiles[of_class],)
        if name in data.appearance:
            return FailurePictures.extremes, (name,)
        return FailurePictures.least_typical, ()

    def sheet(self, samples: Items, real: Items, caption: str) -> Exhibit:
        """Draw a row of samples above a row of real items; if there is only one of both, as many rows as it needs."""
        return Exhibit(caption, self.draw.above(samples, real))

    # --- all samples ---

    def least_typical(self) -> list[Exhibit]:
        """Draw the samples that are least like any real item."""
        worst = self.data.images[self.data.least_typical[: 2 * ROW]]
        return [self.sheet(worst, worst[:0], "The samples that are least like any training image, the worst first")]

    def altered(self, group: Group) -> list[Exhibit]:
        """Draw the samples that look altered in the way that is most certain, above some real items."""
        found = self.data.altered
        assert found is not None
        names = self.data.altered_names(group)
        name = next((one for one in found.shares if one in names), None)
        if name is None:
            return []
        worst = self.data.images[found.examples(name)[:ROW]]
        return [
            self.sheet(
                worst, self.some_real(), f"Above, samples that look {name}, the clearest first; below, real images"
            )
        ]

    def unreached(self) -> list[Exhibit]:
        """Draw the test items that are farthest from any sample."""
        real = self.data.real
        order = np.argsort(-nearest(real.reference.real, self.data.features, 1)[0][:, 0], kind="stable")
        missed = real.test.images(order[: 2 * ROW])
        return [self.sheet(missed[:0], missed, "Real test images that no sample is like, the most remote first")]

    def extremes(self, name: str) -> list[Exhibit]:
        """Draw the samples with the most deviating statistic, above real items in the middle of theirs."""
        data, real = self.data, self.data.real
        values, known = (statistics(real.item, items)[name] for items in (ArrayItems(data.images), real.test))
        sign = 1.0 if (data.appearance[name].number or 1.0) < 1.0 else -1.0
        worst = np.argsort(sign * values, kind="stable")[:ROW]
        middle = np.argsort(np.abs(known - np.median(known)), kind="stable")[:ROW]
        which = "lowest" if sign > 0 else "highest"
        caption = f"Above, the samples of the {which} {name}; below, real images of medium {name}"
        return [self.sheet(data.images[worst], real.test.images(np.sort(middle)), caption)]

    def profile(self, profile: Profile, falls_short: bool) -> list[Exhibit]:
        """Draw the maps of a profile; without any, the samples whose own profile deviates most, above real items."""
        data = self.data
        found = data.profiles[profile.name]
        if profile.draw is not None:
            return [self.maps(profile, found.fake, found.real, profile.caption)]
        if profile.change is not None:
            return [self.sheet(data.images[:ROW], self.some_real(), "Above, samples; below, real images")]
        single = profile.values(data.images[:RANKED]).astype(np.float64)
        scores = np.nan_to_num([profile.compare(values, found.real) for values in single])
        worst = np.argsort(scores if falls_short else -scores, kind="stable")[:ROW]
        return [self.sheet(data.images[worst], self.some_real(), "Above, the worst samples; below, real images")]

    def maps(self, profile: Profile, fake: Float64Array, real: Float64Array, caption: str) -> Exhibit:
        """Draw what shows the means of a profile."""
        assert profile.draw is not None
        maps = profile.draw(fake, real)
        return Exhibit(caption, self.draw.sheet(maps, len(maps), LARGE))

    def some_real(self) -> Items:
        """Return test items that are evenly spread over the split."""
        test = self.data.real.test
        return test.images(np.linspace(0, len(test) - 1, min(ROW, len(test))).astype(np.int64))

    # --- repeats and copies ---

    def repeats(self) -> list[Exhibit]:
        """Draw the samples that are repeated most often."""
        images = self.data.images
        counts = Counter(image.tobytes() for image in images)
        often = [(content, count) for content, count in counts.most_common(ROW) if count > 1]
        shown = [np.frombuffer(content, images.dtype).reshape(images.shape[1:]) for content, _ in often]
        times = ", ".join(f"{count:,}" for _, count in often)
        return [self.sheet(np.stack(shown), images[:0], f"The most frequent samples; they occur {times} times")]

    def twins(self) -> list[Exhibit]:
        """Draw the pairs of samples that are most alike."""
        distances, positions = (found[:, 0] for found in neighbours(self.data.features[:MOST], 1))
        order = [int(k) for k in np.argsort(distances, kind="stable")]
        first = [k for k in order if k < positions[k] or positions[positions[k]] != k][:ROW]
        images = self.data.images
        return [self.sheet(images[first], images[positions[first]], "Pairs of samples that are most alike")]

    def pair_with_originals(self, samples: Int64Array, originals: Int64Array) -> list[Exhibit]:
        """Draw samples above training items, by their positions among the samples and in `training_sample`."""
        caption = "Above, the samples that are nearest to a training image; below, that training image"
        return [self.sheet(self.data.images[samples], self.data.real.training_sample.images(originals), caption)]

    def copies(self, samples: FloatArray, train: FloatArray) -> list[Exhibit]:
        """Draw the samples [n, d] that are nearest to one of the training items [m, d]."""
        distances, positions = nearest(samples[:MOST], train, 1)
        worst = np.argsort(distances[:, 0], kind="stable")[:ROW]
        return self.pair_with_originals(worst, positions[worst, 0])

    def copies_in_features(self) -> list[Exhibit]:
        """Draw copies as the features find them."""
        return self.copies(self.data.features, self.data.real.training_features)

    def copies_in_pixels(self) -> list[Exhibit]:
        """Draw copies as the thumbnails find them."""
        return self.copies(self.data.thumbnails.fake, self.data.thumbnails.train)

    def augmented_copies(self) -> list[Exhibit]:
        """Draw copies that are mirrored, shifted or brightened."""
        real, samples = self.data.real, ArrayItems(self.data.images[:RANKED])
        sets = ItemSets(samples, real.test, real.training_sample, real.item, real.settings.batch_size)
        train = centre_view(sets)
        distances = search(sets, samples, np.arange(len(samples)), train)
        worst = np.argsort(distances, kind="stable")[:ROW]
        views = all_views(read(sets, Subset(samples, worst)), sets.margins)
        nearness = (views @ train.T).view(-1, len(worst), len(train)).amax(dim=0)
        return self.pair_with_originals(worst, nearness.argmax(dim=1).numpy())

    # --- classes ---

    def classes(self, chosen: Sequence[int], labels: Int64Array) -> list[Exhibit]:
        """Draw samples of some classes above real items of the class."""
        real, images = self.data.real, self.data.images
        exhibits = []
        for c in chosen[:CLASSES]:
            mine = images[np.flatnonzero(labels == c)[:ROW]]
            theirs = real.test.images(np.flatnonzero(real.test.labels == c)[:ROW])
            asked = "seen as" if self.data.labels is None else "of"
            words = (
                f"above, samples {asked} this class; below, real images" if len(mine) else "no sample, only real images"
            )
            if len(mine) or len(theirs):
                exhibits.append(self.sheet(mine, theirs, f"Class {real.classes[c]}: {words}"))
        return exhibits

    def missing_classes(self) -> list[Exhibit]:
        """Draw the classes that are missing."""
        assert self.data.modes is not None
        assert self.data.predicted is not None
        return self.classes(self.data.modes.missing, self.data.predicted)

    def unbalanced_classes(self) -> list[Exhibit]:
        """Draw the classes whose shares differ most."""
        modes, predicted = self.data.modes, self.data.predicted
        assert modes is not None
        assert predicted is not None
        deviations = np.abs(modes.deviations)
        order = [int(c) for c in np.argsort(-deviations, kind="stable")]
        return self.classes([c for c in order if deviations[c] > -RARE] or order[:1], predicted)

    def wrong_classes(self) -> list[Exhibit]:
        """Draw the classes whose samples show them most rarely."""
        found, labels = self.data.agreement, self.data.labels
        assert found is not None
        assert labels is not None
        order = [int(c) for c in np.argsort(found.relative, kind="stable") if not np.isnan(found.relative[c])]
        return self.classes([c for c in order if is_wrong(found, c, SHOWN)] or order[:1], labels)

    def remote_classes(self) -> list[Exhibit]:
        """Draw the class that is farthest from its real items."""
        ratios = {one.name: one.fid_ratio for one in self.data.class_distances if one.fid_ratio is not None}
        assert self.data.labels is not None
        worst = max(ratios, key=lambda name: ratios[name])
        return self.classes([list(self.data.real.classes).index(worst)], self.data.labels)

    def uniform_classes(self) -> list[Exhibit]:
        """Draw the least diverse classes."""
        assert self.data.predicted is not None
        names = [name for name, _ in sorted(self.data.class_diversity, key=lambda pair: pair[1])]
        return self.classes([list(self.data.real.classes).index(name) for name in names], self.data.predicted)

    def class_profile(self, profile: Profile) -> list[Exhibit]:
        """Draw the maps of a profile for the class where it deviates most."""
        by_class = {name: found[profile.name] for name, found in self.data.class_profiles.items()}
        name = max(by_class, key=lambda one: by_class[one].excess)
        found, labels = by_class[name], self.data.predicted if self.data.labels is None else self.data.labels
        assert labels is not None
        exhibits = [] if profile.draw is None else [self.maps(profile, found.fake, found.real, f"Class {name}")]
        return exhibits + self.classes([list(self.data.real.classes).index(name)], labels)


BY_NAME: dict[str, Callable[[FailurePictures], list[Exhibit]]] = {
    "duplicate_rate": FailurePictures.repeats,
    "near_duplicates": FailurePictures.twins,
    **dict.fromkeys(("recall", "coverage", "vendi_ratio"), FailurePictures.unreached),
    **dict.fromkeys(("copies_features", "copying", "authenticity"), FailurePictures.copies_in_features),
    "copies_pixels": FailurePictures.copies_in_pixels,
    "copies_augmented": FailurePictures.augmented_copies,
    "modes_covered": FailurePictures.missing_classes,
    **dict.fromkeys(("smallest_class_share", "mode_kl"), FailurePictures.unbalanced_classes),
    **dict.fromkeys(("label_agreement", "label_agreement_worst"), FailurePictures.wrong_classes),
    "class_fid_ratio_worst": FailurePictures.remote_classes,
    "class_spread": FailurePictures.uniform_classes,
}
"""What the failure of a test shows; profiles and statistics show their own, other tests the least typical samples."""


def draw_failures(evaluation: Evaluation, draw: ReportPictures) -> dict[str, list[Exhibit]]:
    """Draw the pictures of each failed test, by its name. Of tests with the same pictures, the first shows them."""
    measures = {measure.name: measure for measure in evaluation.measures}
    pictures = FailurePictures(evaluation.data, draw)
    sources: dict[Source, str] = {}
    for name in evaluation.verdict.failed:
        if name in measures and len(evaluation.data):
            sources.setdefault(pictures.source(measures[name]), name)
    shown: set[Exhibit] = set()
    by_test = {}
    for (method, arguments), name in sources.items():
        by_test[name] = [exhibit for exhibit in method(pictures, *arguments) if exhibit not in shown]
        shown |= set(by_test[name])
    return by_test
