"""The tokenizer of a text encoder that the user brings: its file, and the tokens that it makes of captions.

A leaf module without torch. The file is `tokenizer.json` of the package `tokenizers`, or a plain vocabulary of one word
a line, whose tokens are the numbers of the lines from 0.
"""

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.arrays import Int64Array
from pipeline.captions import split_words
from pipeline.errors import InputError
from pipeline.settings import Settings

EMPTY = -1
"""Fills the rest of a row. No tokenizer has this token; the graph puts the encoder's own padding in its place."""

STARTS = ("[CLS]", "<s>", "<bos>", "<start>", "<|startoftext|>")
ENDS = ("[SEP]", "</s>", "<eos>", "<end>", "<|endoftext|>")
UNKNOWN = ("[UNK]", "<unk>")
PADDING = ("[PAD]", "<pad>")
"""Names of special tokens in a plain vocabulary."""

PIECE = "##"
"""Begins the entries of a WordPiece vocabulary that continue a word."""


class Tokenizer(Settings):
    """Captions as the tokens of a user's encoder; written to models/config.json and ONNX metadata.

    Attributes:
        content: The text of the file.
        length: Tokens of a row, special ones included; a longer caption is cut before its end token.
        examples: Captions of training items.
        features: Length of the vectors of the encoder.
        encoder: sha256 of the encoder's graph.
    """

    content: str
    length: int
    examples: tuple[str, ...]
    features: int = 0
    encoder: str = ""

    @property
    def file(self) -> "TokenizerFile":
        """The parsed file."""
        return parse(self.content)

    @property
    def words(self) -> Sequence[str]:
        """The entries, in the order of their tokens."""
        return self.file.words

    @property
    def limits(self) -> tuple[int, int]:
        """The smallest and the largest token."""
        return EMPTY, len(self.words) - 1

    @property
    def unit(self) -> str:
        """What `count` counts."""
        return "tokens"

    def tokens(self, captions: Iterable[str]) -> Int64Array:
        """Return the tokens of captions, int64 [n, length], with start and end tokens; -1 fills a row."""
        rows = self.file.encode(list(captions), self.length)
        values = np.full((len(rows), self.length), EMPTY, dtype=np.int64)
        for row, tokens in zip(values, rows, strict=True):
            row[: len(tokens)] = tokens
        return values

    def count(self, caption: str) -> int:
        """Return the number of tokens of a caption, special ones included, without the limit."""
        return len(self.file.encode([caption], None)[0])

    def unknown(self, caption: str) -> list[str]:
        """Return the parts of a caption that the tokenizer does not know."""
        return self.file.unknown(caption)


@functools.lru_cache(maxsize=4)
def parse(content: str) -> "TokenizerFile":
    """Parse the text of a tokenizer file.

    Raises:
        InputError: It is no such file, or the package `tokenizers` is missing. The message says what is wrong, without
            the file.
    """
    return JsonTokenizer.of(content) if content.lstrip().startswith("{") else PlainVocabulary.of(content)


@dataclass(frozen=True)
class PlainVocabulary:
    """Whole words, in lower case and without punctuation, as `split_words` finds them.

    Attributes:
        words: The lines.
        start, end: Special tokens around a caption; empty without them.
        other: Token of unknown words; empty leaves these out.
        padding: Token that the encoder expects at the end of a row.
    """

    words: Sequence[str]
    numbers: dict[str, int]
    start: list[int]
    end: list[int]
    other: list[int]
    padding: int

    @classmethod
    def of(cls, content: str) -> "PlainVocabulary":
        """Read a vocabulary of one word a line."""
        words = [line.strip() for line in content.splitlines()]
        while words and not words[-1]:
            words.pop()
        if any(word.startswith(PIECE) for word in words):
            raise InputError("holds pieces of words (##). Give the tokenizer.json of the same model")
        if torn := [word for word in words if len(word.split()) != 1]:
            raise InputError(f"line {words.index(torn[0]) + 1} is {torn[0]!r}; a plain vocabulary has one word a line")
        if not words:
            raise InputError("is empty; a plain vocabulary has one word a line")
        numbers = {word: number for number, word in enumerate(words)}

        def special(names: Sequence[str]) -> list[int]:
            return [numbers[name] for name in names if name in numbers][:1]

        padding = [*special(PADDING), 0][0]
        return cls(words, numbers, special(STARTS), special(ENDS), special(UNKNOWN), padding)

    def encode(self, captions: Sequence[str], length: int | None) -> list[list[int]]:
        """Return the tokens of each caption, at most `length` with the special ones."""
        room = None if length is None else length - len(self.start) - len(self.end)
        rows = [
            [token for word in split_words(caption) for token in self.tokens_of(word)][:room] for caption in captions
        ]
        return [[*self.start, *row, *self.end] for row in rows]

    def tokens_of(self, word: str) -> list[int]:
        """Return the token of a word; that of unknown words, or none."""
        return [self.numbers[word]] if word in self.numbers else self.other

    def unknown(self, caption: str) -> list[str]:
        """Return the words that no line holds."""
        return [word for word in split_words(caption) if word not in self.numbers]


@dataclass(frozen=True)
class JsonTokenizer:
    """A tokenizer of the package `tokenizers`."""

    tokenizer: Any
    words: Sequence[str]
    padding: int

    @classmethod
    def of(cls, content: str) -> "JsonTokenizer":
        """Read a tokenizer.json."""
        try:
            from tokenizers import Tokenizer as Library
        except ModuleNotFoundError:
            raise InputError(
                "a tokenizer.json needs the package tokenizers. Run `pip install 'ganline[text]'`"
            ) from None
        try:
            tokenizer = Library.from_str(content)
        except Exception as error:  # noqa: BLE001 - the package raises Exception itself
            reason = " ".join(str(error).split())[:120]
            raise InputError(f"is no tokenizer.json ({reason})") from None
        numbers = tokenizer.get_vocab()
        words = [""] * (max(numbers.values(), default=-1) + 1)
        for word, number in numbers.items():
            words[number] = word
        known = tokenizer.padding
        named = [numbers[name] for name in PADDING if name in numbers]
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return cls(tokenizer, words, known["pad_id"] if known else [*named, 0][0])

    def encode(self, captions: Sequence[str], length: int | None) -> list[list[int]]:
        """Return the tokens of each caption; the special ones are added after it is cut, so the end token stays."""
        encodings = self.tokenizer.encode_batch(list(captions), add_special_tokens=False)
        if length is not None:
            room = length - self.tokenizer.num_special_tokens_to_add(False)
            for encoding in encodings:
                encoding.truncate(room)
        return [self.tokenizer.post_process(encoding).ids for encoding in encodings]

    def unknown(self, caption: str) -> list[str]:
        """Return the parts that became the token for unknown text."""
        encoding = self.tokenizer.encode(caption)
        places = zip(encoding.tokens, encoding.offsets, strict=True)
        return [caption[first:last] for token, (first, last) in places if token in UNKNOWN and first < last]


TokenizerFile = PlainVocabulary | JsonTokenizer
"""A parsed tokenizer file."""
