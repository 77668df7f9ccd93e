"""A text-to-image model with a user's text encoder, from its export to the command line and the service."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch

from pipeline.errors import InputError
from pipeline.gans.base import GAN
from pipeline.gans.registry import build
from pipeline.gans.variants.dfgan.settings import DFGANSettings
from pipeline.serving.graph_tensors import TENSORS, example_inputs
from pipeline.serving.onnx.graph_export import export, name_tensors
from pipeline.serving.onnx.parity import check_parity
from pipeline.serving.onnx.text_encoder import open_text_encoder
from pipeline.serving.runtime.contract import contract_changes
from pipeline.serving.runtime.generator import Generator, Graph
from pipeline.serving.runtime.sample_files import Request, sample_to_files
from pipeline.serving.runtime.text_interpolation import TextInterpolation
from tests.captioned import captioned_items, let_texts_matter
from tests.text_encoders import ENTRIES, write_encoder, write_vocabulary

DATA = captioned_items()


@pytest.fixture(scope="module")
def gan(tmp_path_factory: pytest.TempPathFactory) -> GAN:
    """An untrained DF-GAN that texts make a difference to."""
    folder = tmp_path_factory.mktemp("encoder")
    files = write_encoder(folder), write_vocabulary(folder)
    text = open_text_encoder(*files, list(DATA.captions), 20, ("encoder", "tokenizer"))
    torch.manual_seed(0)
    settings = {"latent": 6, "generator_channels": 8, "discriminator_channels": 8, "text_width": 12}
    item = DATA.item.model_copy(update={"vocabulary": text.tokenizer})
    gan = build(DFGANSettings.model_validate(settings), item).eval()
    gan.use_text_encoder(text.content)
    let_texts_matter(gan)
    return gan


@pytest.fixture(scope="module")
def path(gan: GAN, describe: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The generator with its parts next to it; all of them agree with PyTorch."""
    folder = tmp_path_factory.mktemp("exported")
    item = DATA.item.model_copy(update={"vocabulary": gan.vocabulary})
    metadata = describe(variant="dfgan", latent=6).model_copy(update={"item": item})
    for spec in (name_tensors(spec, item) for spec in gan.export()):
        export(spec, folder / f"{spec.name}.onnx", metadata.pairs(), 20)
        assert check_parity(spec, folder / f"{spec.name}.onnx", 1e-4, item).max_abs < 1e-4
    return folder / "generator.onnx"


@pytest.fixture(scope="module")
def url(path: Path, running: Any) -> Iterator[str]:
    with running(path) as (url, _):
        yield url


def test_a_text_decides_the_items(gan: GAN, path: Path) -> None:
    generator = Generator(path)
    assert list(generator.inputs) == ["z", "tokens", "psi"]
    assert generator.metadata.item.vocabulary == gan.vocabulary, "the graph knows its tokenizer"
    both = generator.sample(4, 7, text=["a red square", "Blue, plain!"])
    assert not np.array_equal(both[1], generator.sample(2, 7, text=["a red square"])[1])
    assert len(generator.sample(3, 7)) == 3, "without a text, captions of training items"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a purple square", r"does not know the word 'purple'"),
        ("a red square " * 9, r"has 29 tokens, and the model reads 12"),
        ("?!", "has no words"),
    ],
)
def test_a_text_that_the_model_cannot_read_is_an_error(path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Generator(path).sample(1, text=[text])


def test_the_table_has_examples_and_says_how_rows_are_filled(path: Path) -> None:
    metadata, tensor = Graph(path).metadata, TENSORS["tokens"]
    rows = example_inputs(["tokens"], metadata, 5)["tokens"]
    assert rows.shape == (5, 12)
    assert tensor.violation(rows, metadata.item) is None
    assert tensor.violation(rows + len(ENTRIES), metadata.item) == f"must lie in -1 .. {len(ENTRIES) - 1}"
    assert "-1 fills a row" in tensor.explain(metadata.item)


def test_texts_can_be_mixed_and_written_to_files(path: Path, tmp_path: Path) -> None:
    generator = Generator(path)
    tokens = generator.conditions(text=["red", "blue"])["tokens"]
    sentences = TextInterpolation(generator).path(tokens, 3, closed=False)
    assert np.allclose(np.linalg.norm(sentences, axis=1), 1, atol=1e-5)
    request = Request(n=2, conditions={"text": ["a red square", "a blue square"]})
    assert "2 images" in sample_to_files(path, tmp_path / "grid.png", request, folder=False)


def test_another_tokenizer_is_another_contract(path: Path, tmp_path: Path) -> None:
    import onnx

    old, model = Graph(path), onnx.load(path)
    assert contract_changes(old, old) == []
    item = old.metadata.item.model_copy(update={"vocabulary": DATA.item.vocabulary})
    onnx.helper.set_model_props(model, old.metadata.model_copy(update={"item": item}).pairs())
    onnx.save(model, tmp_path / "other.onnx")
    assert "the words of texts have other tokens" in contract_changes(old, Graph(tmp_path / "other.onnx"))


def test_the_service_draws_texts(url: str) -> None:
    answer = httpx.get(f"{url}/image.png", params={"text": "a red square", "seed": 3})
    assert answer.status_code == 200, answer.text
    answer = httpx.get(f"{url}/image.png", params={"text": "a purple square"})
    assert (answer.status_code, "'purple'" in answer.json()["error"]) == (400, True)
    described = httpx.get(f"{url}/model.json")
    (text,) = (one for one in described.json()["controls"] if one["name"] == "text")
    assert text["choices"][0] == DATA.captions[0]
