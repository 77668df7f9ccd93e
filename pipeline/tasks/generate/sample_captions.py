"""Samples of a text-to-image model next to the captions that they were drawn for."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipeline.captions import captions_of
from pipeline.evaluation.extractors.base import ArrayItems, Subset
from pipeline.evaluation.measures.caption_precision import Retrieved, retrieve
from pipeline.evaluation.measures.caption_spread import caption_spread
from pipeline.evaluation.measures.class_spread import reduce
from pipeline.measure import Measurement
from pipeline.tasks.generate.sample_classes import SampleClasses


@dataclass(frozen=True, eq=False)
class SampleCaptions(SampleClasses):
    """Samples and their captions; everything is None for models without captions. Parts are computed on first use."""

    @cached_property
    def retrieved(self) -> tuple[Retrieved, Retrieved] | None:
        """The captions that the matcher finds for samples and for real test items; None if there are too few."""
        real, matcher = self.real, self.real.matcher
        vocabulary = real.item.vocabulary
        if self.captions is None or matcher is None or vocabulary is None or not len(self):
            return None
        texts = captions_of(real.test)
        captioned = np.array([position for position, text in enumerate(texts) if text], dtype=np.int64)
        theirs = [texts[position] for position in captioned]
        names = sorted({*theirs, *self.captions})
        directions = dict(zip(names, matcher.read_tokens(vocabulary.tokens(names)), strict=True))
        known = set(captions_of(real.train))
        found = []
        for items, captions in ((ArrayItems(self.images), self.captions), (Subset(real.test, captioned), theirs)):
            hits = retrieve(matcher.read_items(items), captions, directions, self.seed)
            if hits is None:
                return None
            found.append(Retrieved(hits, np.array([caption not in known for caption in captions])))
        return found[0], found[1]

    @cached_property
    def caption_spread(self) -> Measurement:
        """Variance within captions, in pixels, relative to real items; no value if too few captions repeat."""
        if self.captions is None or not len(self):
            return Measurement(None)
        samples, real = (reduce(items, self.real.item) for items in (ArrayItems(self.images), self.real.test))
        return caption_spread(samples, self.captions, real, captions_of(self.real.test), seed=self.seed)
