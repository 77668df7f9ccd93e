"""Captions as tokens: the words of the training captions, and their numbers. A leaf module: no torch."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from pipeline.arrays import Int64Array
from pipeline.settings import Settings

MOST_WORDS, LONGEST = 5_000, 32
"""Words that are kept, the most frequent ones, and words of a caption that are read at most."""

ROOM = 2
"""Tokens of a row over the words of the longest training caption."""

EXAMPLES = 64
"""Captions that are kept as examples."""


class Vocabulary(Settings):
    """The words of captions; written to dataset.json, models/config.json and ONNX metadata.

    Attributes:
        words: Words in the order of their tokens, which start at 1; token 0 fills the rest of a row.
        length: Tokens of a row; further words of a caption are cut.
        examples: Captions of training items, spread evenly over the data.
    """

    words: tuple[str, ...]
    length: int
    examples: tuple[str, ...]

    @classmethod
    def of(cls, captions: Sequence[str]) -> "Vocabulary":
        """Return the vocabulary of the captions of the training items."""
        counts, longest = Counter[str](), 1
        for caption in captions:
            words = split_words(caption)
            counts.update(words)
            longest = max(longest, len(words))
        distinct = list(dict.fromkeys(captions))
        chosen = np.linspace(0, len(distinct) - 1, min(EXAMPLES, len(distinct))).astype(int)
        return cls(
            words=tuple(sorted(word for word, _ in counts.most_common(MOST_WORDS))),
            length=min(ROOM * longest, LONGEST),
            examples=tuple(distinct[position] for position in chosen),
        )

    def tokens(self, captions: Iterable[str]) -> Int64Array:
        """Return the tokens of captions, int64 [n, length]. Unknown words are left out."""
        numbers = {word: number for number, word in enumerate(self.words, start=1)}
        rows = [[numbers[word] for word in split_words(caption) if word in numbers] for caption in captions]
        values = np.zeros((len(rows), self.length), dtype=np.int64)
        for row, known in zip(values, rows, strict=True):
            row[: len(known)] = known[: self.length]
        return values

    @property
    def limits(self) -> tuple[int, int]:
        """The smallest and the largest token."""
        return 0, len(self.words)

    @property
    def unit(self) -> str:
        """What `count` counts."""
        return "words"

    def count(self, caption: str) -> int:
        """Return the number of words of a caption."""
        return len(split_words(caption))

    def unknown(self, caption: str) -> list[str]:
        """Return the words of a caption that no training caption contains."""
        return [word for word in split_words(caption) if word not in self.words]


@runtime_checkable
class Captioned(Protocol):
    """Items with captions.

    Attributes:
        captions: A text for each item, "" for an item without one; empty if no training item has one.
    """

    captions: Sequence[str]


def captions_of(items: object) -> Sequence[str]:
    """Return the captions of a set of items; empty for a set that has none."""
    return items.captions if isinstance(items, Captioned) else ()


def split_words(caption: str) -> list[str]:
    """Return the words of a caption, in lower case and without punctuation."""
    return re.findall(r"\w+(?:['’]\w+)*", unicodedata.normalize("NFKC", caption).casefold())
