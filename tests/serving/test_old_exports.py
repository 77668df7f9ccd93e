"""Files that version 0.1.0 exported, with flat metadata, are still sampled, applied, served and described."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from pipeline.errors import InputError
from pipeline.serving.graph_tensors import latents
from pipeline.serving.http.application import create_app
from pipeline.serving.http.inference_service import InferenceService
from pipeline.serving.http.model_source import FileSource
from pipeline.serving.onnx.metadata import Metadata
from pipeline.serving.runtime.apply_files import ApplyOptions, apply_to_files
from pipeline.serving.runtime.generator import Generator, Graph
from pipeline.serving.runtime.image_to_image import ImageToImage
from pipeline.serving.runtime.sample_files import Request, sample_to_files
from pipeline.serving.settings import ServeSettings

FIXTURES = Path(__file__).parent / "fixtures" / "v0.1"
CGAN, STYLEGAN2, DENOISE, DRIT = (
    FIXTURES / name / "generator.onnx" for name in ("cgan", "stylegan2", "denoise", "drit")
)
DIGITS = tuple("0123456789")


@contextmanager
def client(path: Path) -> Iterator[TestClient]:
    service = InferenceService(FileSource(path), ServeSettings(max_batch=8))
    with TestClient(create_app(service)) as test_client:
        yield test_client


def photo(height: int = 40, width: int = 56) -> bytes:
    pixels = np.random.default_rng(0).integers(256, size=(height, width, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def decoded(content: bytes) -> Any:
    return np.asarray(Image.open(io.BytesIO(content)))


@pytest.mark.parametrize(
    ("path", "shape", "classes", "rest"),
    [
        (CGAN, (8, 8, 1), DIGITS, ("generate", "cgan", 16, 0)),
        (STYLEGAN2, (8, 8, 1), DIGITS, ("generate", "stylegan2", 8, 0)),
        (DENOISE, (64, 64, 3), (), ("restore", "denoise", 0, 1)),
        (DRIT, (32, 32, 3), ("horse", "deer"), ("translate", "drit", 4, 8)),
    ],
)
def test_flat_metadata_becomes_an_item(path: Path, shape: Any, classes: tuple[str, ...], rest: Any) -> None:
    graph = Graph(path)
    metadata = graph.metadata
    assert "ganline.item" not in graph.pairs
    assert (metadata.item.medium, metadata.item.shape, metadata.item.dtype) == ("image", shape, "uint8")
    assert metadata.item.classes == classes
    assert (metadata.task, metadata.variant, metadata.latent, metadata.multiple) == rest
    assert Metadata.read(metadata.pairs(), "new") == metadata, "the new form holds the same"


def test_old_generators_are_sampled(tmp_path: Path) -> None:
    generator = Generator(CGAN)
    images = generator.sample(6, seed=3, label=["7", "1"])
    inputs = {"z": latents(3, 0, 6, 16), "label": np.array([7, 1] * 3)}
    expected = generator.session.run(["images"], inputs)[0]
    assert np.array_equal(images[..., 0], np.clip(np.floor(127.5 * expected[:, 0] + 128), 0, 255).astype(np.uint8))
    whole, average = (Generator(STYLEGAN2).sample(4, psi=psi) for psi in (1.0, 0.0))
    assert len(np.unique(whole.reshape(4, -1), axis=0)) == 4
    assert len(np.unique(average.reshape(4, -1), axis=0)) == 1
    request = Request(n=6, seed=3, conditions={"label": ["7", "1"]})
    assert sample_to_files(CGAN, tmp_path / "images", request, folder=True).startswith("6 images")
    files = sorted((tmp_path / "images").iterdir())
    assert all(
        np.array_equal(np.asarray(Image.open(file)), image[..., 0]) for file, image in zip(files, images, strict=True)
    )


def test_old_transformations_are_applied(tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(photo())
    pixels = decoded(photo())
    for path, options in (
        (DENOISE, None),
        (DRIT, ApplyOptions(seed=5)),
        (DRIT.with_name("reverse.onnx"), ApplyOptions(example=tmp_path / "photo.png")),
    ):
        count, problems, _ = apply_to_files(path, [tmp_path / "photo.png"], tmp_path / "out.png", options)
        assert (count, problems) == (1, [])
        result = decoded((tmp_path / "out.png").read_bytes())
        assert result.shape == (40, 56, 3)
        assert not np.array_equal(result, pixels)
    transform = ImageToImage(DRIT)
    assert not np.array_equal(transform(pixels), transform(pixels, conditions=transform.conditions(5)))
    with pytest.raises(InputError, match="has no styles"):
        apply_to_files(DENOISE, [tmp_path / "photo.png"], tmp_path / "out.png", ApplyOptions(seed=5))


def test_old_generators_are_served() -> None:
    with client(CGAN) as http:
        description = http.get("/model.json").json()
        assert (description["variant"], description["resolution"], description["takes"]) == ("cgan", 8, "latents")
        assert (description["classes"], description["psi"]) == (list(DIGITS), False)
        image = decoded(http.get("/image.png", params={"seed": 3, "label": "7"}).content)
        assert np.array_equal(image, Generator(CGAN).sample(1, 3, label=["7"])[0, :, :, 0])
        tensors = http.get("/v2/models/generator").json()
        assert [tensor["name"] for tensor in tensors["inputs"]] == ["z", "label"]
    with client(STYLEGAN2) as http:
        assert http.get("/model.json").json()["psi"] is True
        image = decoded(http.get("/image.png", params={"seed": 3, "psi": 0.5}).content)
        assert np.array_equal(image, Generator(STYLEGAN2).sample(1, 3, psi=0.5)[0, :, :, 0])


def test_old_transformations_are_served() -> None:
    for path, seed in ((DENOISE, None), (DRIT, 5)):
        with client(path) as http:
            description = http.get("/model.json").json()
            assert (description["takes"], description["styles"]) == ("pictures", seed is not None)
            answer = http.post("/apply", content=photo(), params={} if seed is None else {"seed": seed})
            assert answer.status_code == 200, answer.text
            transform = ImageToImage(path)
            assert np.array_equal(
                decoded(answer.content), transform(decoded(photo()), conditions=transform.conditions(seed))
            )
