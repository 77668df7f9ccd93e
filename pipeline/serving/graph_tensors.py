"""The inputs and outputs of exported graphs, one entry each.

An entry says what a tensor holds, which values are allowed, and how a person sets it. The signature, the model card,
the parity check, the warm-up, the Open Inference Protocol, `ganline sample`, the image URLs and the page read
`TENSORS`. To add an input, add an entry.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Float32Array
from pipeline.errors import InputError
from pipeline.items import ItemSpec
from pipeline.media.registry import find_medium
from pipeline.media.scale import scale_of
from pipeline.serving.controls import LABEL, PSI, PSI_LIMITS, TEXT, Control, Limits, caption_tokens
from pipeline.serving.onnx.metadata import Metadata

Arrays = dict[str, npt.NDArray[Any]]
"""Tensors by name; their first axis is the batch."""

EXAMPLE_ROWS = 16
"""Rows of the example on the model card."""


@dataclass(frozen=True)
class GraphTensor:
    """One input or output.

    Attributes:
        meaning: For people, in the signature and on the model card; may depend on the items.
        shape: Shape of one row; None if it depends on the network.
        limits: Smallest and largest value; None if unbounded.
        enforced: Values outside the limits are rejected.
        numpy: Code of an example of `EXAMPLE_ROWS` rows, as the model card prints it.
        example: (metadata, n, seed) -> n varied rows, for warm-up and calibration.
        control: How a person sets it; None for tensors that only programs set.
    """

    meaning: str | Callable[[ItemSpec], str]
    dtype: Literal["float32", "int64"] = "float32"
    shape: Callable[[Metadata], tuple[int, ...]] | None = None
    limits: Callable[[ItemSpec], Limits | None] = lambda item: None
    enforced: bool = False
    numpy: Callable[[Metadata], str] | None = None
    example: Callable[[Metadata, int, int], npt.NDArray[Any]] | None = None
    control: Control | None = None

    def explain(self, item: ItemSpec) -> str:
        """Return the meaning for these items."""
        return self.meaning if isinstance(self.meaning, str) else self.meaning(item)

    def violation(self, values: npt.NDArray[Any], item: ItemSpec) -> str | None:
        """Return what is wrong with the values of an input, as the end of a sentence; None if nothing is."""
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            return "contains values that are not finite"
        limits = self.limits(item) if self.enforced else None
        if limits is not None and not ((values >= limits[0]) & (values <= limits[1])).all():
            return f"must lie in {limits[0]:g} .. {limits[1]:g}"
        return None


def latents(seed: int, first: int, n: int, length: int) -> Float32Array:
    """Return z ~ N(0, I), float32 [n, length], of the items first .. first+n-1 of `seed`.

    Each item has its own stream of the counter-based Philox generator (Salmon et al. 2011), keyed by (seed, index).
    """
    keys = (np.array([seed, index], dtype=np.uint64) for index in range(first, first + n))
    return np.stack(
        [np.random.Generator(np.random.Philox(key=key)).standard_normal(length, dtype=np.float32) for key in keys]
    )


def noise(shape_of: Callable[[Metadata], tuple[int, ...]], metadata: Metadata, n: int, seed: int) -> Float32Array:
    """Return clipped Gaussian noise, float32 [n, *shape]."""
    shape = shape_of(metadata)
    return np.clip(latents(seed, 0, n, math.prod(shape)).reshape(n, *shape) / 3, -1, 1)


def item_shape(metadata: Metadata) -> tuple[int, int, int]:
    """Return (channels, height, width) of an item as networks see it."""
    item = metadata.item
    return item.network_channels, item.height, item.width


def frame_shape(metadata: Metadata) -> tuple[int, int, int]:
    """Return (channels, height, width) of one frame of a clip."""
    item = metadata.item
    return item.channels // item.frames, item.height, item.width


def given_shape(metadata: Metadata) -> tuple[int, int, int]:
    """Return (channels, height, width) of the frames that a model for prediction takes."""
    channels, height, width = frame_shape(metadata)
    return metadata.past * channels, height, width


def frames_meaning(item: ItemSpec) -> str:
    """Return how frames become the input of a graph that predicts."""
    scale = scale_of(item.dtype)
    return (
        f"frames to predict from, oldest first, NCHW: channel k x {item.channels // item.frames} + c is colour c of "
        f"frame k; from {item.dtype} as x / {scale.half:g} - {scale.offset:g}"
    )


def generated_shape(metadata: Metadata) -> tuple[int, int, int]:
    """Return (channels, height, width) of an item, or of a predicted frame, as the generator returns it."""
    if metadata.past:
        return frame_shape(metadata)
    channels, height, width = item_shape(metadata)
    return channels, height * metadata.scale, width * metadata.scale


def item_limits(item: ItemSpec) -> Limits | None:
    """Return the range of the values that stand for items; None for categories, whose maps are compared."""
    return None if item.symbols else (-1.0, 1.0)


def items_meaning(item: ItemSpec) -> str:
    """Return how the output of a generator becomes items."""
    noun = find_medium(item.medium).noun
    if item.symbols:
        return f"{noun}s NCHW, one map per channel and symbol; the symbol is that of the largest value"
    return f"{noun}s NCHW; to {item.dtype} as {find_medium(item.medium).rounding(item)}, clamped"


def input_meaning(item: ItemSpec) -> str:
    """Return how items become the input of a graph that transforms them."""
    noun = find_medium(item.medium).noun
    if item.symbols:
        return f"{noun}s to transform, NCHW, one-hot: one map per channel and symbol"
    scale = scale_of(item.dtype)
    return f"{noun}s to transform, NCHW; from {item.dtype} as x / {scale.half:g} - {scale.offset:g}"


def tokens_meaning(item: ItemSpec) -> str:
    """Return how a text becomes tokens."""
    if item.vocabulary and item.vocabulary.limits[0] < 0:
        return "a text as the tokenizer in the model's metadata makes it, with start and end tokens; -1 fills a row"
    return "words of a text by their place in the vocabulary of the model's metadata, from 1; 0 fills a row"


TENSORS: dict[str, GraphTensor] = {
    "z": GraphTensor(
        meaning="latent vectors, independent standard normal",
        shape=lambda metadata: (metadata.latent,),
        numpy=lambda metadata: (
            f"np.random.default_rng(7).standard_normal(({EXAMPLE_ROWS}, {metadata.latent}), dtype=np.float32)"
        ),
        example=lambda metadata, n, seed: latents(seed, 0, n, metadata.latent),
    ),
    "label": GraphTensor(
        meaning="class index, in the order of the model's class names",
        dtype="int64",
        shape=lambda metadata: (),
        limits=lambda item: (0, max(len(item.classes) - 1, 0)),
        enforced=True,
        numpy=lambda metadata: f"np.arange({EXAMPLE_ROWS}, dtype=np.int64) % {len(metadata.item.classes)}",
        example=lambda metadata, n, seed: np.arange(n, dtype=np.int64) % max(len(metadata.item.classes), 1),
        control=LABEL,
    ),
    "tokens": GraphTensor(
        meaning=tokens_meaning,
        dtype="int64",
        shape=lambda metadata: (metadata.item.vocabulary.length if metadata.item.vocabulary else 0,),
        limits=lambda item: item.vocabulary.limits if item.vocabulary else (0, 0),
        enforced=True,
        numpy=lambda metadata: f"np.array([{caption_tokens(None, metadata)[0].tolist()}] * {EXAMPLE_ROWS})",
        example=lambda metadata, n, seed: np.resize(tokens := caption_tokens(None, metadata), (n, tokens.shape[1])),
        control=TEXT,
    ),
    "psi": GraphTensor(
        meaning="truncation of the style: 0 gives the average item, 1 disables truncation",
        shape=lambda metadata: (),
        limits=lambda item: PSI_LIMITS,
        enforced=True,
        numpy=lambda metadata: f"np.ones({EXAMPLE_ROWS}, dtype=np.float32)",
        example=lambda metadata, n, seed: np.full(n, 0.7, dtype=np.float32),
        control=PSI,
    ),
    "item": GraphTensor(
        meaning=input_meaning, shape=item_shape, limits=item_limits, example=lambda *given: noise(item_shape, *given)
    ),
    "reference": GraphTensor(
        meaning="examples of the class in `label`, whose styles the results take; in the same form as the input",
        shape=item_shape,
        limits=item_limits,
        example=lambda *given: -noise(item_shape, *given),
    ),
    "items": GraphTensor(
        meaning=items_meaning,
        shape=generated_shape,
        limits=item_limits,
        example=lambda *given: noise(item_shape, *given),
    ),
    "frames": GraphTensor(
        meaning=frames_meaning, shape=given_shape, limits=item_limits, example=lambda *given: noise(given_shape, *given)
    ),
    "next_frames": GraphTensor(meaning="predicted frames NCHW, as in the input", shape=frame_shape, limits=item_limits),
    "w": GraphTensor(meaning="styles by layer, truncated; layers of two items can be mixed"),
    "sentences": GraphTensor(meaning="embedded texts, vectors of length 1; between two of them lies a mix of both"),
    "logits": GraphTensor(
        meaning="one per class, in the order of the model's class names; softmax gives probabilities, "
        "sigmoid(logsumexp) how real an item looks"
    ),
    "features": GraphTensor(meaning="feature vectors"),
}
"""All tensors of exported graphs, by name. A medium has its own names for `item` and `items`; see `medium_names`."""

TENSOR_OF_CONTROL = {tensor.control.name: name for name, tensor in TENSORS.items() if tensor.control is not None}
"""The input that a control sets, by the control's name."""


def medium_names(item: ItemSpec) -> dict[str, str]:
    """Return the names that exported graphs for these items use for `item` (to transform) and `items` (generated)."""
    medium = find_medium(item.medium)
    return {"item": medium.input_name(item), "items": medium.output_name(item)}


def graph_tensor(name: str, item: ItemSpec) -> GraphTensor | None:
    """Return the entry of a tensor of a graph for these items; None if the table has none."""
    medium = find_medium(item.medium)
    further = medium.further_outputs(item)
    if name in further:
        return GraphTensor(meaning=further[name])
    generic = {own: known for known, own in medium_names(item).items()}
    return TENSORS.get(generic.get(name, name))


def controls(inputs: Iterable[str]) -> list[Control]:
    """Return the controls of a graph with these inputs."""
    found = (TENSORS[name].control for name in inputs if name in TENSORS)
    return [control for control in found if control is not None]


def parse_conditions(given: Mapping[str, Any], inputs: Sequence[str], metadata: Metadata) -> Arrays:
    """Return the rows that items take in turn, for every input that has a control.

    Args:
        given: Values by control name; None or an empty list for no choice.
        inputs: Names of the graph's inputs.

    Raises:
        InputError: A value does not exist, or the graph has no such input.
    """
    for name, value in given.items():
        tensor = TENSOR_OF_CONTROL[name]
        if tensor not in inputs and value is not None and not (isinstance(value, Sized) and not len(value)):
            control = TENSORS[tensor].control
            assert control is not None
            raise InputError(f"this model ({metadata.variant}) takes no {name}: {control.absent}. Omit it.")
    return {
        TENSOR_OF_CONTROL[control.name]: control.parse(given.get(control.name), metadata)
        for control in controls(inputs)
    }


def take_in_turn(conditions: Arrays, n: int, start: int = 0) -> Arrays:
    """Return n rows of each condition, which items start .. start+n-1 use in turn."""
    return {name: rows[np.arange(start, start + n) % len(rows)] for name, rows in conditions.items()}


def example_inputs(inputs: Iterable[str], metadata: Metadata, n: int, seed: int = 0) -> Arrays:
    """Return varied inputs of a graph, n rows. Raises InputError for an input without an example."""
    arrays = {}
    for name in inputs:
        tensor = graph_tensor(name, metadata.item)
        example = tensor.example if tensor is not None else None
        if example is None:
            raise InputError(f"no example is known for the input {name!r} of this graph.")
        arrays[name] = example(metadata, n, seed)
    return arrays
