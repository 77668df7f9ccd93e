"""Captions as tokens."""

import json

import numpy as np

from pipeline.captions import EXAMPLES, LONGEST, Vocabulary, captions_of, split_words
from pipeline.items import ItemSpec
from tests.specs import image_spec

CAPTIONS = ["A red seven", "the number Seven, in blue", "a red seven"]


def test_words_are_those_between_punctuation_and_spaces() -> None:
    assert split_words("A red—seven, in Ｂlue!") == ["a", "red", "seven", "in", "blue"]
    assert split_words("the dog's house: 3 naïve cats ❤") == ["the", "dog's", "house", "3", "naïve", "cats"]
    assert split_words(" … ") == []


def test_tokens_are_places_in_the_vocabulary() -> None:
    vocabulary = Vocabulary.of(CAPTIONS)
    assert vocabulary.words == ("a", "blue", "in", "number", "red", "seven", "the")
    assert vocabulary.examples == tuple(CAPTIONS)
    assert vocabulary.length == 10, "room for twice the longest caption"
    rows = vocabulary.tokens(["a RED seven", "purple seven", ""])
    assert rows.dtype == np.int64
    assert rows[:, :4].tolist() == [[1, 5, 6, 0], [6, 0, 0, 0], [0, 0, 0, 0]]
    assert vocabulary.unknown("a purple Seven eleven") == ["purple", "eleven"]


def test_long_captions_are_cut_and_examples_are_few() -> None:
    vocabulary = Vocabulary.of([f"word {number}" + " more" * 40 for number in range(200)])
    assert vocabulary.length == LONGEST
    assert vocabulary.tokens(["more " * 50]).shape == (1, LONGEST)
    assert len(vocabulary.examples) == EXAMPLES


def test_a_description_without_captions_is_written_as_before() -> None:
    assert "vocabulary" not in json.loads(image_spec(8, 1).model_dump_json())
    item = image_spec(8, 1).model_copy(update={"vocabulary": Vocabulary.of(CAPTIONS)})
    assert ItemSpec.model_validate_json(item.model_dump_json()) == item


def test_sets_without_captions_have_none() -> None:
    assert captions_of(object()) == ()
