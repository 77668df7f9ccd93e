"""How a person sets the inputs of an exported graph: options of the command line, query parameters, the page."""

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Float32Array, Int64Array
from pipeline.captions import split_words
from pipeline.errors import InputError
from pipeline.items import ItemSpec
from pipeline.serving.onnx.metadata import Metadata

Limits = tuple[float, float]

LISTED_CLASSES = 20
"""Class names that an error message lists."""


@dataclass(frozen=True)
class Control:
    """How a person sets an input: an option of `ganline sample`, a query parameter, an element of the page.

    Attributes:
        name: Of the option, the query parameter and the element.
        title: Label of the element.
        value: Type of one value.
        many: Several values may be given; items take them in turn.
        widget: Element on the page.
        limits: Of numbers.
        choices: Names to choose from; of a text, examples.
        step: Smallest change of a range.
        default: Value that a range starts with.
        help: Description for the command line and the HTTP API.
        usage: Sentence on the model card about the option.
        parse: Turn the given value or values, None for no choice, into rows that items take in turn.
            Raises InputError for values that do not exist.
        absent: Why a model may lack this input; completes "this model (VARIANT) ...".
    """

    name: str
    title: str
    value: type[str] | type[float]
    many: bool
    widget: Literal["choice", "range", "text"]
    help: str
    usage: str
    parse: Callable[[Any, Metadata], npt.NDArray[Any]]
    absent: str
    limits: Limits | None = None
    choices: Callable[[ItemSpec], list[str]] | None = None
    step: float | None = None
    default: float | None = None


def class_indices(chosen: Sequence[str | int] | Int64Array | None, metadata: Metadata) -> Int64Array:
    """Return class indices of names or indices; of all classes if none is chosen.

    Raises InputError naming the closest class for one that does not exist.
    """
    if chosen is None or not len(chosen):
        return np.arange(len(metadata.item.classes), dtype=np.int64)
    return np.array([class_index(one, metadata.item.classes) for one in chosen], dtype=np.int64)


def class_index(chosen: str | int, classes: Sequence[str]) -> int:
    """Return a class by name, or by index, which may be text unless a class has that name."""
    if chosen in classes:
        return classes.index(str(chosen))
    text = str(chosen)
    if text.isascii() and text.isdigit() and len(text) < 10 and int(text) < len(classes):
        return int(text)
    folded = {name.casefold(): name for name in classes}
    close = difflib.get_close_matches(text.casefold(), folded, n=1, cutoff=0.5)
    hint = f"Did you mean {folded[close[0]]!r}? " if close else ""
    rest = f" and {len(classes) - LISTED_CLASSES} more" if len(classes) > LISTED_CLASSES else ""
    raise InputError(
        f"no class {text!r}. {hint}Classes: {', '.join(classes[:LISTED_CLASSES])}{rest}, "
        f"or indices 0 .. {len(classes) - 1}."
    )


def truncation(psi: float | None, metadata: Metadata) -> Float32Array:
    """Return psi as one row; None means 1, no truncation. Raises InputError outside of its limits."""
    value = 1.0 if psi is None else psi
    if not PSI_LIMITS[0] <= value <= PSI_LIMITS[1]:
        raise InputError(f"psi must lie in {PSI_LIMITS[0]:g} .. {PSI_LIMITS[1]:g}, not {value:g}.")
    return np.array([value], dtype=np.float32)


def caption_tokens(chosen: Sequence[str] | None, metadata: Metadata) -> Int64Array:
    """Return the tokens of captions, int64 [n, length]; of the example captions if none is chosen.

    Raises InputError for a caption that is empty, too long, or has words that the model does not know.
    """
    vocabulary = metadata.item.vocabulary
    assert vocabulary is not None  # a graph that takes tokens has one
    for caption in chosen or ():
        if not split_words(caption):
            raise InputError(
                f"the text {caption!r} has no words. Describe the item, such as {vocabulary.examples[0]!r}."
            )
        if unknown := vocabulary.unknown(caption):
            raise InputError(
                f"the model does not know {list_words(unknown)}. {suggest_words(unknown, vocabulary.words)}"
                f"It knows {len(vocabulary.words)} words; one of its captions is {vocabulary.examples[0]!r}."
            )
        if (count := vocabulary.count(caption)) > vocabulary.length:
            raise InputError(
                f"the text {caption!r} has {count} {vocabulary.unit}, and the model reads {vocabulary.length}. "
                "Shorten it."
            )
    return vocabulary.tokens(chosen or vocabulary.examples)


def list_words(words: Sequence[str]) -> str:
    """Return "the word 'purple'" or "the words 'purple', 'eleven'", of those that a message lists."""
    named = ", ".join(map(repr, words[:LISTED_CLASSES]))
    return f"the word{'s' if len(words) > 1 else ''} {named}"


def suggest_words(unknown: Sequence[str], known: Sequence[str]) -> str:
    """Return a sentence with the closest known words; empty without any."""
    close = [near for word in unknown for near in difflib.get_close_matches(word, known, n=1, cutoff=0.6)]
    return f"Did you mean {', '.join(map(repr, dict.fromkeys(close)))}? " if close else ""


PSI_LIMITS = (0.0, 1.5)

LABEL = Control(
    name="label",
    title="Class",
    value=str,
    many=True,
    widget="choice",
    choices=lambda item: list(item.classes),
    help="Class by name or index. Give several to use them in turn; all classes by default.",
    usage="`--label NAME` chooses the class; repeat it for several, omit it for all.",
    parse=class_indices,
    absent="its generator is not class-conditional",
)

TEXT = Control(
    name="text",
    title="Text",
    value=str,
    many=True,
    widget="text",
    choices=lambda item: list(item.vocabulary.examples) if item.vocabulary else [],
    help="Text that describes the item. Give several to use them in turn; captions of training items by default.",
    usage='`--text "WORDS"` describes the item; repeat it for several, omit it for captions of training items.',
    parse=caption_tokens,
    absent="its generator is not conditioned on text",
)

PSI = Control(
    name="psi",
    title="Truncation psi",
    value=float,
    many=False,
    widget="range",
    limits=PSI_LIMITS,
    step=0.05,
    default=1.0,
    help="Truncation psi: 0 gives the average item, 1 disables truncation.",
    usage="`--psi 0.7` truncates: less variety, higher fidelity.",
    parse=truncation,
    absent="its generator does not support truncation",
)
