"""A text-to-image model from its export to the command line and the service."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.errors import InputError
from pipeline.gans.base import GAN
from pipeline.gans.registry import build
from pipeline.gans.variants.dfgan.settings import DFGANSettings
from pipeline.serving.graph_tensors import TENSORS, example_inputs
from pipeline.serving.onnx.graph_export import export, name_tensors
from pipeline.serving.onnx.metadata import Metadata
from pipeline.serving.onnx.parity import check_parity
from pipeline.serving.runtime.contract import contract_changes
from pipeline.serving.runtime.generator import Generator, Graph
from pipeline.serving.runtime.sample_files import Request, sample_to_files
from pipeline.serving.runtime.text_interpolation import TextInterpolation
from pipeline.tasks.registry import TASKS
from tests.captioned import captioned_items, let_texts_matter

ITEM = captioned_items().item


class Exported(NamedTuple):
    path: Path
    metadata: Metadata


@pytest.fixture(scope="module")
def gan() -> GAN:
    """An untrained DF-GAN that texts make a difference to."""
    torch.manual_seed(0)
    settings = {"latent": 6, "generator_channels": 8, "discriminator_channels": 8, "text_width": 12}
    gan = build(DFGANSettings.model_validate(settings), ITEM).eval()
    let_texts_matter(gan)
    return gan


@pytest.fixture(scope="module")
def exported(gan: GAN, describe: Any, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """The generator, without its parts."""
    path = tmp_path_factory.mktemp("text") / "generator.onnx"
    metadata = describe(variant="dfgan", latent=6).model_copy(update={"item": ITEM})
    export(name_tensors(gan.export()[0], ITEM), path, metadata.pairs(), 20)
    return Exported(path, metadata)


@pytest.fixture(scope="module")
def whole(gan: GAN, exported: Exported) -> Exported:
    """The generator with its parts next to it; all of them agree with PyTorch."""
    for spec in (name_tensors(spec, ITEM) for spec in gan.export()):
        path = exported.path.with_name(f"{spec.name}.onnx")
        if not path.exists():
            export(spec, path, exported.metadata.pairs(), 20)
        assert check_parity(spec, path, 1e-4, ITEM).max_abs < 1e-4
    return exported


@pytest.fixture(scope="module")
def url(exported: Exported, running: Any) -> Iterator[str]:
    with running(exported.path) as (url, _):
        yield url


def test_a_text_decides_the_items(exported: Exported) -> None:
    generator = Generator(exported.path)
    assert generator.metadata.item == ITEM, "the graph knows its words"
    both = generator.sample(4, 7, text=["a red square", "Blue, plain!"])
    assert np.array_equal(both[0::2][:1], generator.sample(1, 7, text=["a red square"]))
    assert not np.array_equal(both[1], generator.sample(2, 7, text=["a red square"])[1])
    assert len(generator.sample(3, 7)) == 3, "without a text, captions of training items"
    still = generator.sample(2, 7, text=["a red square"], psi=0.0)
    assert np.array_equal(still[0], still[1]), "psi 0 gives one image for each text"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a purple squar", r"does not know the words 'purple', 'squar'\. Did you mean 'square'\?"),
        ("a pink square", r"does not know the word 'pink'.*It knows \d+ words; one of its captions is '"),
        ("?!", "has no words"),
        ("a " * 11, "has 11 words, and the model reads 8"),
    ],
)
def test_a_text_that_the_model_cannot_read_is_an_error(exported: Exported, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Generator(exported.path).sample(1, text=[text])


def test_the_table_has_examples_within_the_vocabulary(exported: Exported) -> None:
    tensor, metadata = TENSORS["tokens"], exported.metadata
    assert ITEM.vocabulary is not None
    rows = example_inputs(["tokens"], metadata, 100)["tokens"]
    assert rows.shape == (100, ITEM.vocabulary.length)
    assert tensor.violation(rows, ITEM) is None
    assert tensor.violation(rows + len(ITEM.vocabulary.words), ITEM) == "must lie in 0 .. 9"
    assert tensor.numpy is not None
    assert np.array_equal(eval(tensor.numpy(metadata), {"np": np}), np.repeat(rows[:1], 16, axis=0))
    card = TASKS["generate"].usage(metadata, {"inputs": [{"name": name} for name in ("z", "tokens", "psi")]})
    assert '--text "WORDS"' in card


def test_sample_writes_a_column_for_each_text(exported: Exported, tmp_path: Path) -> None:
    request = Request(n=6, conditions={"text": ["a red square", "a blue square"]})
    assert "6 images" in sample_to_files(exported.path, tmp_path / "grid.png", request, folder=False)
    with Image.open(tmp_path / "grid.png") as sheet:
        assert sheet.height > sheet.width


@pytest.mark.slow
def test_an_interpolation_goes_from_text_to_text(whole: Exported, tmp_path: Path) -> None:
    texts = ["a red square", "a blue square", "green, plain"]
    generator = Generator(whole.path)
    conditions = generator.conditions(text=texts, psi=0.8)
    way = TextInterpolation(generator)
    sentences = way.path(conditions["tokens"], 5, closed=False)
    assert np.allclose(np.linalg.norm(sentences, axis=1), 1, atol=1e-5)
    items = way.draw(generator.latents(7, 0, 1).repeat(10, axis=0), sentences, conditions)
    for place, text in ((0, 0), (4, 1), (5, 1), (9, 2)):
        own = generator.sample(1, 7, text=[texts[text]], psi=0.8)[0]
        assert np.abs(items[place].astype(int) - own).max() <= 1, "it begins and ends at the texts"
    assert not np.array_equal(items[2], items[0])
    request = Request(n=2, seed=7, steps=5, conditions={"text": texts, "psi": 0.8})
    assert "2 rows of 10 images" in sample_to_files(whole.path, tmp_path / "row.png", request, folder=False)
    assert "15 frames through 3 texts" in sample_to_files(whole.path, tmp_path / "loop.gif", request, folder=False)
    with Image.open(tmp_path / "loop.gif") as animation:
        assert animation.n_frames == 15  # type: ignore[attr-defined]


def test_an_interpolation_needs_the_parts_of_the_same_model(exported: Exported, tmp_path: Path) -> None:
    (tmp_path / "generator.onnx").write_bytes(exported.path.read_bytes())
    with pytest.raises(InputError, match=r"text\.onnx: no such file"):
        TextInterpolation(Generator(tmp_path / "generator.onnx"))


def test_other_words_are_another_contract(exported: Exported, tmp_path: Path) -> None:
    import onnx

    old = Graph(exported.path)
    model = onnx.load(exported.path)
    words = ITEM.model_copy(update={"vocabulary": captioned_items(5).item.vocabulary})
    onnx.helper.set_model_props(model, exported.metadata.model_copy(update={"item": words}).pairs())
    onnx.save(model, tmp_path / "other.onnx")
    assert contract_changes(old, old) == []
    assert "the words of texts have other tokens" in contract_changes(old, Graph(tmp_path / "other.onnx"))


def test_the_service_draws_texts_and_names_unknown_words(url: str, exported: Exported) -> None:
    answer = httpx.get(f"{url}/image.png", params={"text": "a red square", "seed": 3})
    assert answer.status_code == 200, answer.text
    with Image.open(httpx_file(answer)) as image:
        assert np.array_equal(np.asarray(image), Generator(exported.path).sample(1, 3, text=["a red square"])[0])
    answer = httpx.get(f"{url}/image.png", params={"text": "a purple square"})
    assert (answer.status_code, "'purple'" in answer.json()["error"]) == (400, True)
    (text,) = (one for one in httpx.get(f"{url}/model.json").json()["controls"] if one["name"] == "text")
    assert text["widget"] == "text"
    assert text["choices"][0] == ITEM.vocabulary.examples[0] if ITEM.vocabulary else False


def httpx_file(answer: httpx.Response) -> Any:
    import io

    return io.BytesIO(answer.content)
