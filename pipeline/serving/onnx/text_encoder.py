"""A user's text encoder as a graph of one kind: tokens int64 [n, length] -> features float32 [n, d].

Encoders differ in their inputs (attention mask, types of tokens), integer types, outputs (one vector, or one a token)
and opset. Nodes around the graph level that, so that training, export and service need one input and one output.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipeline.captions import Vocabulary
from pipeline.errors import InputError
from pipeline.serving.runtime.session import open_session
from pipeline.tokenizer import EMPTY, Tokenizer, parse

if TYPE_CHECKING:
    import onnx

TOKENS, FEATURES = "tokens", "features"
LONGEST = 77
"""Tokens of a text that are read at most, if the graph does not say: those of CLIP."""

ROOM = 2
"""Tokens of a row over those of the longest training caption."""

LARGEST_FILE = 2**31 - 2**20
"""Bytes of an ONNX file with its weights, at most."""

THEIRS, OURS = "text_encoder/", "around_text_encoder/"
"""Begin the names of the tensors of the user's graph, and of the nodes around it."""

INTEGERS = {"tensor(int64)": "INT64", "tensor(int32)": "INT32", "tensor(bool)": "BOOL"}
OTHER_INPUTS = ("mask", "type")
"""Parts of the names of the inputs that are not tokens: what is text, and which of two texts a token belongs to."""


@dataclass(frozen=True)
class TextEncoderGraph:
    """A text encoder that is ready to use.

    Attributes:
        tokenizer: Turns captions into the graph's tokens.
        content: The serialized graph, tokens -> features.
        counts: Tokens of each training caption, without the limit.
    """

    tokenizer: Tokenizer
    content: bytes
    counts: Sequence[int]


def open_text_encoder(
    encoder: Path, tokenizer: Path, captions: Sequence[str], opset: int, names: tuple[str, str]
) -> TextEncoderGraph:
    """Read an encoder and its tokenizer, and try them on captions.

    Args:
        encoder: ONNX file, with its external weights next to it if it has any.
        tokenizer: `tokenizer.json`, or a vocabulary of one word a line.
        captions: Those of the training items.
        opset: Opset of the graphs that will contain the encoder.
        names: What messages call the two files.

    Raises:
        InputError: A file is missing or damaged, the two do not fit, or the graph is no encoder of text.
    """
    content = read_tokenizer(tokenizer, names[1])
    model = read_model(encoder, names[0])
    session = open_session(serialize(model, names[0]), names[0], provider="cpu")
    ids, fixed = find_inputs(session, names[0])
    counts = [len(row) for row in parse(content).encode(captions, None)]
    length = fixed or min(ROOM * max(counts), LONGEST)
    reader = Tokenizer(content=content, length=length, examples=Vocabulary.of(captions).examples)
    output = probe(session, ids, reader, names)
    sealed = serialize(wrap(upgrade(model, opset, names[0]), session, ids, output, reader), names[0])
    tokens = reader.tokens(reader.examples)
    (features,) = open_session(sealed, names[0], provider="cpu").run([FEATURES], {TOKENS: tokens})
    if not np.isfinite(features).all():
        raise InputError(f"{names[0]}: its features of the training captions are not finite. Choose another encoder")
    digest = hashlib.sha256(sealed).hexdigest()
    fitted = reader.model_copy(update={"features": int(features.shape[1]), "encoder": digest})
    return TextEncoderGraph(fitted, sealed, counts)


def read_tokenizer(path: Path, name: str) -> str:
    """Return the text of a tokenizer file. Raise InputError if it is missing or no such file."""
    try:
        content = path.read_text(encoding="utf-8")
        parse(content)
    except FileNotFoundError:
        raise InputError(f"{name}: no such file. Paths are relative to params.yaml") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{name}: cannot be read as text ({error})") from None
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    return content


def read_model(path: Path, name: str) -> "onnx.ModelProto":
    """Return an ONNX model with its external weights. Raise InputError if it is missing, damaged or too large."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(path)
    except FileNotFoundError:
        raise InputError(f"{name}: no such file. Paths are relative to params.yaml") from None
    except onnx.checker.ValidationError:
        raise InputError(
            f"{name}: its weights are missing or damaged. Put the file of its external data next to it"
        ) from None
    except (OSError, DecodeError, ValueError) as error:
        raise InputError(f"{name}: cannot be read as ONNX ({' '.join(str(error).split())[:120]})") from None
    return model


def serialize(model: "onnx.ModelProto", name: str) -> bytes:
    """Return the bytes of a model. Raise InputError if it does not fit into one file."""
    size = model.ByteSize()
    if size > LARGEST_FILE:
        raise InputError(f"{name}: has {size / 2**30:.1f} GiB, and an ONNX file holds 2 GiB. Choose a smaller encoder")
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def find_inputs(session: Any, name: str) -> tuple[str, int]:
    """Return the name of the input for tokens, and the length of its rows; 0 for any length.

    Raises:
        InputError: The graph has no such input, others that are not known, or a fixed batch.
    """
    inputs = {one.name: one for one in session.get_inputs()}
    listed = ", ".join(f"{one.name} {one.type} {one.shape}" for one in inputs.values())
    tokens = [key for key in inputs if not any(part in key.lower() for part in OTHER_INPUTS)]
    wrong = [key for key, one in inputs.items() if one.type not in INTEGERS or len(one.shape) != 2]
    if len(tokens) != 1 or wrong:
        raise InputError(
            f"{name}: its inputs are {listed}. A text encoder takes integer tokens [batch, length], and perhaps an "
            "attention mask and token types of the same shape"
        )
    batch, length = inputs[tokens[0]].shape
    if isinstance(batch, int):
        raise InputError(f"{name}: its batch is fixed at {batch}. Export it again with a dynamic first axis")
    return tokens[0], length if isinstance(length, int) else 0


def feed(session: Any, ids: str, tokens: npt.NDArray[Any], padding: int) -> dict[str, npt.NDArray[Any]]:
    """Return the inputs of the user's graph for rows of tokens."""
    values = {"mask": tokens != EMPTY, "type": np.zeros_like(tokens), ids: np.where(tokens == EMPTY, padding, tokens)}
    return {one.name: values[role(one.name, ids)].astype(one.type[7:-1]) for one in session.get_inputs()}


def role(name: str, ids: str) -> str:
    """Return what an input holds: the name of the tokens, "mask" or "type"."""
    return ids if name == ids else next(part for part in OTHER_INPUTS if part in name.lower())


def probe(session: Any, ids: str, reader: Tokenizer, names: tuple[str, str]) -> tuple[str, int]:
    """Return the output to use, the first with one vector a text, else with one a token, and its number of axes.

    Raises:
        InputError: The graph does not run on the tokens, or has no such output.
    """
    tokens = reader.tokens(reader.examples)[:2]
    rows = np.concatenate([tokens, np.full_like(tokens[:1], reader.limits[1])])
    try:
        values = session.run(None, feed(session, ids, rows, reader.file.padding))
    except Exception as error:  # noqa: BLE001 - ONNX Runtime's exception classes derive from Exception alone
        reason = " ".join(str(error).split())[-160:]
        raise InputError(
            f"{names[0]}: does not run on the tokens 0 .. {reader.limits[1]} of {names[1]} in rows of {reader.length} "
            f"({reason}). Give the tokenizer of this encoder"
        ) from None
    found = {one.name: value for one, value in zip(session.get_outputs(), values, strict=True)}
    for axes in (2, 3):
        for name, value in found.items():
            shaped = value.ndim == axes and len(value) == len(rows) and value.dtype.kind == "f"
            if shaped and (axes == 2 or value.shape[1] == reader.length):
                return name, axes
    listed = ", ".join(f"{name} {list(value.shape)}" for name, value in found.items())
    raise InputError(f"{names[0]}: returns {listed}. A text encoder returns features [batch, d] or [batch, length, d]")


def upgrade(model: "onnx.ModelProto", opset: int, name: str) -> "onnx.ModelProto":
    """Return the model at an opset. Raise InputError if it cannot be converted."""
    import onnx

    own = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    if own == opset:
        return model
    try:
        return onnx.version_converter.convert_version(model, opset)
    except Exception as error:  # noqa: BLE001 - the converter is C++ and raises RuntimeError and its own classes
        reason = " ".join(str(error).split())[:120]
        raise InputError(
            f"{name}: opset {own} cannot be converted to export.opset {opset} ({reason}). Export the encoder again "
            f"with opset {opset}, or set export.opset: {own}"
        ) from None


def wrap(
    model: "onnx.ModelProto", session: Any, ids: str, output: tuple[str, int], reader: Tokenizer
) -> "onnx.ModelProto":
    """Return the graph with `tokens` as its only input and `features` as its only output."""
    import onnx
    from onnx import TensorProto, helper

    model = onnx.compose.add_prefix(model, THEIRS)
    graph, length = model.graph, reader.length
    before = Nodes()
    before.constant("empty", np.int64(EMPTY))
    before.constant("padding", np.int64(reader.file.padding))
    before.constant("first", np.arange(length)[None] == 0)  # a text is never empty, so no mean divides by zero
    before.add("Equal", [TOKENS, "empty"], "blank")
    before.add("Where", ["blank", "padding", TOKENS], "filled")
    before.add("Not", ["blank"], "text")
    before.add("Or", ["text", "first"], "visible")
    before.add("Sub", [TOKENS, TOKENS], "zeros")
    sources = {ids: "filled", "mask": "visible", "type": "zeros"}
    for one in session.get_inputs():
        kind = getattr(TensorProto, INTEGERS[one.type])
        before.add("Cast", [sources[role(one.name, ids)]], THEIRS + one.name, to=kind)
    after = pooling(THEIRS + output[0], by_token=output[1] == 3)
    nodes = [*before.nodes, *graph.node, *after.nodes]
    del graph.node[:], graph.input[:], graph.output[:], graph.value_info[:], model.metadata_props[:]
    graph.node.extend(nodes)
    graph.initializer.extend([*before.constants, *after.constants])
    graph.input.append(helper.make_tensor_value_info(TOKENS, TensorProto.INT64, ["batch", length]))
    graph.output.append(helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, ["batch", None]))
    return model


def pooling(output: str, *, by_token: bool) -> "Nodes":
    """Return the nodes that make features of the output: the mean over a text's tokens, if there is one a token."""
    from onnx import TensorProto

    after = Nodes()
    if not by_token:
        after.add("Cast", [output], FEATURES, to=TensorProto.FLOAT)
        return after
    after.constant("positions", np.array([1]))
    after.constant("values", np.array([2]))
    after.add("Cast", [output], "vectors", to=TensorProto.FLOAT)
    after.add("Cast", ["visible"], "ones", to=TensorProto.FLOAT)
    after.add("Unsqueeze", ["ones", "values"], "weights")
    after.add("Mul", ["vectors", "weights"], "weighted")
    after.add("ReduceSum", ["weighted", "positions"], "sum", keepdims=0)
    after.add("ReduceSum", ["weights", "positions"], "count", keepdims=0)
    after.add("Div", ["sum", "count"], FEATURES)
    return after


class Nodes:
    """Nodes and constants in the order in which they are added. Short names are those of our own tensors."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: npt.ArrayLike) -> None:
        """Add a constant."""
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.asarray(value), OURS + name))

    def add(self, operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> None:
        """Add a node."""
        from onnx import helper

        names = [own_name(name) for name in (*inputs, output)]
        self.nodes.append(helper.make_node(operator, names[:-1], names[-1:], **attributes))


def own_name(name: str) -> str:
    """Return the full name of a tensor."""
    return name if name in (TOKENS, FEATURES) or name.startswith(THEIRS) else OURS + name


def prepend(content: bytes, model: "onnx.ModelProto", opset: int) -> "onnx.ModelProto":
    """Return a graph that takes `tokens` in the place of `features`: the encoder, then the model."""
    import onnx

    encoder = upgrade(onnx.load_from_string(content), opset, "the text encoder of this model")
    inputs = [TOKENS if one.name == FEATURES else one.name for one in model.graph.input]
    encoder.ir_version = model.ir_version
    merged = onnx.compose.merge_models(encoder, model, io_map=[(FEATURES, FEATURES)])
    order: Mapping[str, Any] = {one.name: one for one in merged.graph.input}
    ordered = [order[name] for name in inputs]
    del merged.graph.input[:]
    merged.graph.input.extend(ordered)
    return merged
