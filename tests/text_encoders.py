"""Small text encoders as ONNX files, and their tokenizers."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.captioned import COLOURS, SENTENCES

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
WORDS = sorted({word.strip(",") for sentence in SENTENCES for word in sentence.split() if word != "{}"} | set(COLOURS))
ENTRIES = [*SPECIAL, *WORDS]
WIDTH = 16


def write_vocabulary(folder: Path, entries: list[str] = ENTRIES) -> Path:
    """Write a plain vocabulary."""
    path = folder / "vocabulary.txt"
    path.write_text("\n".join(entries) + "\n", encoding="utf-8")
    return path


def embedding(words: int = len(ENTRIES)) -> np.ndarray[Any, Any]:
    """Return the vectors of the tokens, float32 [words, 16]."""
    return np.random.default_rng(0).standard_normal((words, WIDTH)).astype(np.float32)


def write_encoder(
    folder: Path,
    *,
    integer: str = "INT64",
    batch: int | str = "batch",
    length: int | str = "length",
    words: int = len(ENTRIES),
    pooled: bool = False,
    types: bool = False,
    extra: str = "",
    opset: int = 17,
    name: str = "encoder.onnx",
) -> Path:
    """Write an encoder with an attention mask: 2 tanh(vector) of each token; `pooled` adds the sum over a text."""
    kind, shape = getattr(TensorProto, integer), [batch, length]
    inputs = ["input_ids", "attention_mask", *(["token_type_ids"] if types else []), *([extra] if extra else [])]
    nodes = [
        helper.make_node("Gather", ["vectors", "input_ids"], ["found"]),
        helper.make_node("Tanh", ["found"], ["bent"]),
        helper.make_node("Mul", ["bent", "two"], ["last_hidden_state"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["weights"]),
        helper.make_node("Mul", ["last_hidden_state", "weights"], ["visible"]),
        helper.make_node("ReduceSum", ["visible", "positions"], ["sentence_embedding"], keepdims=0),
    ]
    outputs = [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, [batch, length, WIDTH])]
    if pooled:
        outputs.append(helper.make_tensor_value_info("sentence_embedding", TensorProto.FLOAT, [batch, WIDTH]))
    constants = {
        "vectors": embedding(words),
        "two": np.float32(2),
        "last": np.array([2], dtype=np.int64),
        "positions": np.array([1], dtype=np.int64),
    }
    graph = helper.make_graph(
        nodes if pooled else nodes[:3],
        "encoder",
        [helper.make_tensor_value_info(one, kind, shape) for one in inputs],
        outputs,
        [numpy_helper.from_array(np.asarray(value), key) for key, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    path = folder / name
    onnx.save(model, path)
    return path


def write_tokenizer_json(folder: Path) -> Path:
    """Write the same vocabulary as tokenizer.json of the package `tokenizers`."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    numbers = {word: number for number, word in enumerate(ENTRIES)}
    tokenizer = Tokenizer(models.WordLevel(numbers, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", numbers["[CLS]"]), ("[SEP]", numbers["[SEP]"])]
    )
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(pad_id=numbers["[PAD]"], pad_token="[PAD]", length=9)
    path = folder / "tokenizer.json"
    tokenizer.save(str(path))
    return path
