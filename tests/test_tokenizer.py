"""The tokenizer of a user's text encoder."""

import sys
from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.items import ItemSpec
from pipeline.tokenizer import Tokenizer, parse
from tests.specs import image_spec
from tests.text_encoders import ENTRIES, write_tokenizer_json, write_vocabulary

CAPTION = "A red square"


def read(path: Path, length: int = 8) -> Tokenizer:
    return Tokenizer(content=path.read_text(encoding="utf-8"), length=length, examples=(CAPTION,))


def named(row: list[int]) -> list[str]:
    return [ENTRIES[token] if token >= 0 else "" for token in row]


def test_a_plain_vocabulary_numbers_lines_and_adds_start_and_end(tmp_path: Path) -> None:
    tokenizer = read(write_vocabulary(tmp_path))
    row = tokenizer.tokens([CAPTION])[0].tolist()
    assert named(row) == ["[CLS]", "a", "red", "square", "[SEP]", "", "", ""]
    assert row[-1] == -1, "-1 fills a row: no tokenizer has that token"
    assert tokenizer.limits == (-1, len(ENTRIES) - 1)
    assert named(tokenizer.tokens(["a purple square"])[0].tolist())[2] == "[UNK]"
    assert tokenizer.unknown("a purple, squarish square") == ["purple", "squarish"]


def test_a_vocabulary_without_special_tokens_leaves_unknown_words_out(tmp_path: Path) -> None:
    tokenizer = read(write_vocabulary(tmp_path, ["a", "red", "square"]), 4)
    assert tokenizer.tokens(["a purple square", ""]).tolist() == [[0, 2, -1, -1], [-1, -1, -1, -1]]


@pytest.mark.parametrize("kind", ["vocabulary.txt", "tokenizer.json"])
def test_a_long_caption_is_cut_and_keeps_its_end_token(tmp_path: Path, kind: str) -> None:
    if kind == "tokenizer.json":
        pytest.importorskip("tokenizers")
        path = write_tokenizer_json(tmp_path)
    else:
        path = write_vocabulary(tmp_path)
    tokenizer = read(path, 5)
    (row,) = tokenizer.tokens(["the square is red, plain, red, plain"]).tolist()
    assert named(row) == ["[CLS]", "the", "square", "is", "[SEP]"]
    assert tokenizer.count("the square is red") == 6
    assert read(path, 8).tokens([CAPTION])[0].tolist() == [
        2,
        *map(ENTRIES.index, ("a", "red", "square")),
        3,
        -1,
        -1,
        -1,
    ]


def test_a_tokenizer_json_does_as_its_package(tmp_path: Path) -> None:
    library = pytest.importorskip("tokenizers").Tokenizer
    path = write_tokenizer_json(tmp_path)
    own = library.from_file(str(path))
    own.no_padding()
    own.enable_truncation(6)
    tokenizer = read(path, 6)
    for caption in (CAPTION, "the square is a red, red square", "red"):
        expected = own.encode(caption).ids
        assert tokenizer.tokens([caption])[0].tolist() == expected + [-1] * (6 - len(expected))
    assert tokenizer.unknown("a Purple square") == ["Purple"]
    assert tokenizer.file.padding == ENTRIES.index("[PAD]")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("play\n##ing\n", r"pieces of words.*Give the tokenizer\.json"),
        ("a\nred square\n", r"line 2 is 'red square'; a plain vocabulary has one word a line"),
        ("\n\n", "is empty"),
    ],
)
def test_a_file_that_is_no_vocabulary_is_an_error(content: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse(content)


def test_a_file_that_is_no_tokenizer_json_is_an_error() -> None:
    pytest.importorskip("tokenizers")
    with pytest.raises(InputError, match=r"is no tokenizer\.json"):
        parse('{"model": 1}')


def test_without_the_package_the_message_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(InputError, match=r"pip install 'ganline\[text\]'"):
        parse('{"version": "1.0", "nothing": 0}')


def test_the_description_of_items_keeps_the_tokenizer(tmp_path: Path) -> None:
    tokenizer = read(write_vocabulary(tmp_path))
    item = image_spec(8, 3).model_copy(update={"vocabulary": tokenizer})
    assert ItemSpec.model_validate_json(item.model_dump_json()) == item
