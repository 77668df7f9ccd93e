"""A user's text encoder as a graph from tokens to features."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from pipeline.errors import InputError
from pipeline.serving.onnx.text_encoder import TextEncoderGraph, open_text_encoder
from tests.captioned import captioned_items
from tests.text_encoders import ENTRIES, embedding, write_encoder, write_vocabulary

CAPTIONS = list(captioned_items().captions)
NAMES = ("model.text.encoder e.onnx", "model.text.tokenizer t.txt")


def opened(folder: Path, captions: list[str] = CAPTIONS, **options: Any) -> TextEncoderGraph:
    return open_text_encoder(write_encoder(folder, **options), write_vocabulary(folder), captions, 20, NAMES)


def features(text: TextEncoderGraph, tokens: Any) -> Any:
    session = onnxruntime.InferenceSession(text.content, providers=["CPUExecutionProvider"])
    return session.run(["features"], {"tokens": np.asarray(tokens)})[0]


def vectors(row: Any) -> Any:
    return 2 * np.tanh(embedding()[row[row >= 0]])


@pytest.mark.parametrize(
    "options", [{}, {"integer": "INT32", "types": True}, {"length": 12}, {"opset": 14}, {"extra": "segment_types"}]
)
def test_features_are_the_mean_over_the_tokens_of_a_text(tmp_path: Path, options: dict[str, Any]) -> None:
    text = opened(tmp_path, **options)
    rows = text.tokenizer.tokens(CAPTIONS[:7])
    expected = np.stack([vectors(row).mean(axis=0) for row in rows])
    assert np.allclose(features(text, rows), expected, atol=1e-6)
    assert text.tokenizer.features == 16
    assert text.tokenizer.length == options.get("length", 12), "twice the longest caption, or what the graph says"
    model = onnx.load_from_string(text.content)
    assert [entry.version for entry in model.opset_import if not entry.domain] == [20]


def test_a_vector_a_text_comes_before_vectors_a_token(tmp_path: Path) -> None:
    text = opened(tmp_path, pooled=True)
    rows = text.tokenizer.tokens(CAPTIONS[:3])
    assert np.allclose(features(text, rows), [vectors(row).sum(axis=0) for row in rows], atol=1e-6)


def test_a_row_without_text_is_finite(tmp_path: Path) -> None:
    text = opened(tmp_path)
    assert np.isfinite(features(text, np.full((2, text.tokenizer.length), -1))).all()


def test_rows_are_at_most_as_long_as_those_of_clip_and_counts_tell_what_is_cut(tmp_path: Path) -> None:
    text = opened(tmp_path, [*CAPTIONS, "red " * 200])
    assert text.tokenizer.length == 77
    assert sum(count > 77 for count in text.counts) == 1
    assert text.tokenizer.tokens(["red " * 200])[0, -1] == ENTRIES.index("[SEP]")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch": 1}, r"encoder e\.onnx: its batch is fixed at 1\. Export it again with a dynamic first axis"),
        ({"extra": "position_ids"}, r"its inputs are .*position_ids.*takes integer tokens"),
        (
            {"words": 6},
            r"does not run on the tokens 0 \.\. \d+ of model\.text\.tokenizer t\.txt.*Give the tokenizer of",
        ),
    ],
)
def test_a_graph_that_is_no_encoder_is_an_error(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        opened(tmp_path, **options)


def test_missing_and_damaged_files_are_errors_that_name_them(tmp_path: Path) -> None:
    encoder, vocabulary = write_encoder(tmp_path), write_vocabulary(tmp_path)
    with pytest.raises(InputError, match=r"encoder e\.onnx: no such file"):
        open_text_encoder(tmp_path / "no.onnx", vocabulary, CAPTIONS, 20, NAMES)
    with pytest.raises(InputError, match=r"tokenizer t\.txt: no such file"):
        open_text_encoder(encoder, tmp_path / "no.txt", CAPTIONS, 20, NAMES)
    encoder.write_bytes(b"not a graph")
    with pytest.raises(InputError, match=r"encoder e\.onnx: cannot be read as ONNX"):
        open_text_encoder(encoder, vocabulary, CAPTIONS, 20, NAMES)
    vocabulary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"tokenizer t\.txt: cannot be read as text"):
        open_text_encoder(encoder, vocabulary, CAPTIONS, 20, NAMES)


def test_weights_next_to_the_file_are_read_and_missed_by_name(tmp_path: Path) -> None:
    path = write_encoder(tmp_path)
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    text = open_text_encoder(path, write_vocabulary(tmp_path), CAPTIONS, 20, NAMES)
    assert text.content == opened(tmp_path, name="other.onnx").content
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(InputError, match=r"encoder e\.onnx: its weights are missing"):
        open_text_encoder(path, write_vocabulary(tmp_path), CAPTIONS, 20, NAMES)
