"""Open the text encoder that `model.text` names, and give the items its tokenizer."""

import hashlib
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

from pipeline.data.store import DatasetInfo, ItemSet
from pipeline.errors import InputError
from pipeline.params import Params
from pipeline.serving.onnx.text_encoder import TextEncoderGraph, open_text_encoder

LISTED = 5
"""Unknown words that a warning lists."""


def read_text_encoder(root: Path, params: Params, data: ItemSet) -> TextEncoderGraph | None:
    """Open the encoder and the tokenizer of `model.text`, paths relative to the project; None without one.

    Raises:
        InputError: The data has no captions, a file is missing or damaged, or the two do not fit.
    """
    if params.model.text_encoder is None:
        return None
    encoder, tokenizer = params.model.text_encoder
    captions = [caption for caption in data.captions if caption]
    if not captions:
        raise InputError("model.text.encoder: the data has no captions. Set model.text.encoder: null")
    return open_text_encoder(
        root / Path(encoder).expanduser(),
        root / Path(tokenizer).expanduser(),
        captions,
        params.export.opset,
        (f"model.text.encoder {encoder}", f"model.text.tokenizer {tokenizer}"),
    )


def warnings_of(text: TextEncoderGraph, data: ItemSet) -> list[str]:
    """Return warnings about captions that are cut, and about words that the tokenizer does not know."""
    found, tokenizer = [], text.tokenizer
    cut = sum(count > tokenizer.length for count in text.counts)
    if cut:
        found.append(
            f"{cut:,} of {len(text.counts):,} captions have more than {tokenizer.length} tokens. They are cut, and "
            "keep their end token"
        )
    unknown = Counter(word for caption in data.captions for word in tokenizer.unknown(caption))
    if unknown:
        named = ", ".join(repr(word) for word, _ in unknown.most_common(LISTED))
        found.append(f"the tokenizer does not know {len(unknown):,} words of the captions, most often {named}")
    return found


def with_tokenizer(info: DatasetInfo, text: TextEncoderGraph) -> DatasetInfo:
    """Return the description of the data with the encoder's tokenizer in the place of the words of the captions."""
    return info.model_copy(update={"item": info.item.model_copy(update={"vocabulary": text.tokenizer})})


def with_item(data: ItemSet, info: DatasetInfo) -> ItemSet:
    """Return the same items, whose captions the description's tokenizer reads."""
    return replace(data, item=info.item)


def digest(text: TextEncoderGraph) -> str:
    """Return a digest of the encoder and its tokenizer."""
    return hashlib.sha256(json.dumps(text.tokenizer.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()
