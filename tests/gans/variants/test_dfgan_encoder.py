"""DF-GAN with a text encoder of the user's: frozen, part of the weights, exported in front of the generator."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.data.views import Captioned
from pipeline.gans.base import GAN
from pipeline.gans.networks.onnx_features import OnnxFeatures
from pipeline.gans.networks.text_encoder import FrozenTextEncoder
from pipeline.gans.registry import build
from pipeline.gans.variants.dfgan.dfgan import DFGAN
from pipeline.gans.variants.dfgan.settings import DFGANSettings
from pipeline.serving.onnx.text_encoder import TextEncoderGraph, open_text_encoder
from pipeline.stages.pretraining import pretrain
from pipeline.training import model_files
from pipeline.training.ema import EMA
from tests.captioned import COLOURS, captioned_items, let_texts_matter
from tests.text_encoders import write_encoder, write_vocabulary

CPU = torch.device("cpu")
ITEMS = captioned_items()
FILES = {"encoder": "encoder.onnx", "tokenizer": "vocabulary.txt"}
SMALL = {
    "latent": 6,
    "generator_channels": 8,
    "discriminator_channels": 8,
    "text_width": 12,
    "text_steps": 150,
    "text": FILES,
}


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> TextEncoderGraph:
    folder = tmp_path_factory.mktemp("encoder")
    files = write_encoder(folder), write_vocabulary(folder)
    return open_text_encoder(*files, list(ITEMS.captions), 20, ("encoder", "tokenizer"))


@pytest.fixture(scope="module")
def data(text: TextEncoderGraph) -> Any:
    return captioned_items(item=ITEMS.item.model_copy(update={"vocabulary": text.tokenizer}))


@pytest.fixture
def gan(data: Any, text: TextEncoderGraph) -> DFGAN:
    torch.manual_seed(0)
    gan = build(DFGANSettings.model_validate(SMALL), data.item)
    assert isinstance(gan, DFGAN)
    gan.use_text_encoder(text.content)
    let_texts_matter(gan)
    return gan


def features_of(gan: GAN) -> OnnxFeatures:
    features = gan.get_submodule("text.features")
    assert isinstance(features, OnnxFeatures)
    return features


def test_phases_never_update_the_encoder(
    gan: DFGAN, data: Any, check_updates: Callable[[GAN, dict[str, Tensor]], None]
) -> None:
    check_updates(gan, Captioned(data, CPU, 0).next(16))


def test_rows_are_computed_once_and_in_their_order(gan: DFGAN, data: Any, text: TextEncoderGraph) -> None:
    features, tokens = features_of(gan), torch.from_numpy(text.tokenizer.tokens(data.captions))
    found = features(tokens)
    assert len(features.known) == len({*data.captions}), "equal captions are one row"
    features.session, session = None, features.session
    assert torch.equal(features(tokens.flip(0)), found.flip(0)), "nothing is computed again"
    (expected,) = session.run(["features"], {"tokens": tokens.numpy()})
    assert np.allclose(found.numpy(), expected, atol=1e-6)


def test_only_the_layer_after_the_encoder_learns_before_the_game(gan: DFGAN, data: Any, tmp_path: Path) -> None:
    before = features_of(gan).content
    pretrain(gan, data, CPU, 0, tmp_path)
    assert features_of(gan).content == before
    texts = [sentence.format(name) for name in COLOURS for sentence in ("a {} square", "the square is {}")]
    with torch.no_grad():
        cosines = gan.text(torch.from_numpy(data.item.vocabulary.tokens(texts)))
    cosines = (cosines @ cosines.T).fill_diagonal_(-1)
    assert torch.equal(cosines.argmax(dim=1), torch.arange(8) ^ 1), "the nearest text has the same colour"
    (cached,) = tmp_path.iterdir()
    written = cached.stat().st_mtime_ns
    pretrain(deepcopy(gan), data, CPU, 0, tmp_path)
    assert cached.stat().st_mtime_ns == written, "the weights are cached"


def test_the_weights_contain_the_encoder(gan: DFGAN, tmp_path: Path) -> None:
    model = DFGANSettings.model_validate(SMALL)
    facts: dict[str, Any] = {"dataset_source": "s", "dataset_fingerprint": "f", "images_seen": 1}
    config = model_files.ModelConfig(model=model, item=gan.item, **facts)
    with EMA(gan).apply_to(gan):
        model_files.save(gan, config, tmp_path)
    again, read = model_files.load(tmp_path)
    assert read.item.vocabulary == gan.item.vocabulary
    tokens = gan.examples[:5]
    one, other = (model.sample(5, torch.Generator().manual_seed(0), tokens=tokens) for model in (gan.eval(), again))
    assert torch.equal(one, other), "no file of the user is needed"


@pytest.mark.parametrize("missing", ["encoder", "tokenizer"])
def test_an_encoder_and_its_tokenizer_belong_together(missing: str) -> None:
    files = {name: path for name, path in FILES.items() if name != missing}
    with pytest.raises(ValueError, match=rf"text\.{missing} is missing"):
        DFGANSettings.model_validate({"text": files})


def test_the_parts_are_those_of_the_variant(gan: DFGAN) -> None:
    assert isinstance(gan.text, FrozenTextEncoder)
    training = gan.pretraining()
    assert training.network == "text.head"
    assert gan.item.vocabulary is not None
    assert training.settings.endswith(getattr(gan.item.vocabulary, "encoder", "?"))
