"""POST /apply and the inference protocol with images: results equal those of `ganline apply`."""

import io
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
from PIL import ExifTags, Image
from prometheus_client.parser import text_string_to_metric_families

from pipeline.serving.http.v2_tensors import HEADER_LENGTH
from pipeline.serving.runtime.image_to_image import ImageToImage, TileSize
from tests.serving.http.test_application import check_responses
from tests.waiting import WAIT_SECONDS, wait_until


def picture(height: int, width: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def encoded(pixels: Any, kind: str = "PNG", **how: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **how)
    return buffer.getvalue()


def decoded(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/png"
    return np.asarray(Image.open(io.BytesIO(answer.content)))


def value(url: str, name: str) -> float:
    families = text_string_to_metric_families(httpx.get(f"{url}/metrics").text)
    return next(sample.value for family in families for sample in family.samples if sample.name == name)


@pytest.fixture(scope="module")
def larger(upscaler: Path, running: Any) -> Iterator[Any]:
    with running(
        upscaler, tile=192, max_pixels=4_000_000, max_body=2**20, max_images=5, timeout=WAIT_SECONDS
    ) as service:
        yield service


@pytest.fixture(scope="module")
def styles(style_folder: Path, running: Any) -> Iterator[Any]:
    with running(style_folder / "generator.onnx") as service:
        yield service


@pytest.fixture(scope="module")
def square(fixed_size_graph: Path, running: Any) -> Iterator[Any]:
    with running(fixed_size_graph, max_batch=8) as service:
        yield service


@pytest.mark.parametrize("size", [(1, 1), (30, 41), (192, 192), (400, 301)])
def test_results_equal_those_of_ganline_apply(larger: Any, upscaler: Path, size: tuple[int, int]) -> None:
    answer = httpx.post(f"{larger.url}/apply", content=encoded(picture(*size)), headers={"Content-Type": "image/png"})
    assert np.array_equal(decoded(answer), ImageToImage(upscaler)(picture(*size), TileSize(192)))
    assert answer.headers["x-model-version"] == larger.service.current.version
    assert answer.headers["server-timing"].startswith("draw;dur=")
    assert answer.headers["cache-control"] == "no-cache"
    assert larger.service.reserved == 0


def test_what_the_image_holds_is_kept_and_what_is_lost_is_said(larger: Any) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Camera"
    layered = np.dstack([picture(10, 12), np.full((10, 12), 128, dtype=np.uint8)])
    answer = httpx.post(f"{larger.url}/apply", content=encoded(layered, exif=exif, dpi=(300, 300)))
    with Image.open(io.BytesIO(answer.content)) as image:
        assert (image.mode, image.size, image.getexif()[ExifTags.Base.Make]) == ("RGBA", (24, 20), "Camera")
        assert image.info["dpi"] == pytest.approx((600, 600), rel=0.01)
    assert "x-lost" not in answer.headers
    deep = httpx.post(f"{larger.url}/apply", content=encoded(np.full((10, 12), 60_000, dtype=np.uint16)))
    assert deep.headers["x-lost"] == "more than 8 bits per value became 8"


def test_common_formats_are_read_upright_regardless_of_content_type(larger: Any) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = decoded(httpx.post(f"{larger.url}/apply", content=encoded(picture(20, 30), "JPEG", exif=exif)))
    assert turned.shape == (60, 40, 3), "EXIF orientation is applied"
    for kind in ("JPEG", "WEBP", "TIFF", "BMP", "GIF"):
        assert decoded(
            httpx.post(
                f"{larger.url}/apply", content=encoded(picture(20, 30), kind), headers={"Content-Type": "text/plain"}
            )
        ).shape == (40, 60, 3)


def test_invalid_requests_get_a_message(larger: Any, plain_graph: Any, running: Any) -> None:
    def error_of(status: int, path: str = "apply", url: str = larger.url, **sent: Any) -> str:
        answer = httpx.post(f"{url}/{path}", **sent) if sent else httpx.get(f"{url}/{path}")
        assert answer.status_code == status, answer.text
        return str(answer.json()["error"])

    assert error_of(400, content=b"") == "the body is not an image: empty file (zero bytes)"
    assert "not an image" in error_of(400, content=b"GIF89 or nearly")
    assert "cannot be decoded" in error_of(400, content=encoded(picture(90, 90))[:-2000])
    assert error_of(413, content=encoded(np.zeros((1001, 1000, 3), dtype=np.uint8))) == (
        "an image of 1000 x 1001 pixels, 2 times larger: the result may have at most 4,000,000 pixels. "
        "Send a smaller one."
    )
    assert "1048576 bytes" in error_of(413, content=encoded(picture(700, 700)))
    assert "--data-binary" in error_of(415, files={"picture": encoded(picture(5, 5))})
    assert "has no styles" in error_of(400, "apply?seed=1", content=encoded(picture(5, 5)))
    for seed in ("-1", "x", str(2**64)):
        assert "seed" in error_of(422, f"apply?seed={seed}", content=b"")
    assert error_of(422, "apply?sed=1", content=b"")
    for path in ("image.png?seed=1", "interpolate.gif"):
        assert "POST one to /apply" in error_of(400, path)
    assert error_of(405, "apply")
    with running(plain_graph.path) as (url, _):
        assert "GET /item?seed=7" in error_of(400, url=url, content=encoded(picture(5, 5)))
        assert httpx.get(f"{url}/model.json").json()["takes"] == "latents"


def test_model_json_describes_transformations(larger: Any, styles: Any) -> None:
    about = httpx.get(f"{larger.url}/model.json").json()
    assert (about["takes"], about["task"], about["scale"], about["styles"]) == ("pictures", "restore", 2, False)
    assert (about["max_pixels"], about["max_body"], about["classes"], about["psi"]) == (4_000_000, 2**20, [], False)
    assert httpx.get(f"{styles.url}/model.json").json()["styles"] is True


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["larger", "styles", "square"])
def test_responses_follow_the_openapi_document(kind: str, request: pytest.FixtureRequest) -> None:
    check_responses(request.getfixturevalue(kind).url, examples=10)


def test_the_seed_chooses_the_style(styles: Any, style_folder: Path) -> None:
    transformer = ImageToImage(style_folder / "generator.onnx")
    body = encoded(picture(30, 50))
    found = [
        decoded(httpx.post(f"{styles.url}/apply{query}", content=body))
        for query in ("", "?seed=0", "?seed=7", "?seed=7")
    ]
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[2], found[3])
    assert not np.array_equal(found[0], found[2])
    assert np.array_equal(found[2], transformer(picture(30, 50), conditions=transformer.conditions(7)))


def test_a_fixed_size_graph_gets_fitted_images_in_full_batches(square: Any, fixed_size_graph: Path) -> None:
    transformer = ImageToImage(fixed_size_graph)
    assert square.service.current.sizes[-1] > 1
    for size in ((16, 16), (40, 70)):
        found = decoded(httpx.post(f"{square.url}/apply", content=encoded(picture(*size))))
        assert found.shape == (16, 16, 3)
        if size == (16, 16):
            assert np.array_equal(found, transformer(picture(*size)))
    with ThreadPoolExecutor(16) as pool:
        answers = list(
            pool.map(lambda k: httpx.post(f"{square.url}/apply", content=encoded(picture(16, 16, k))), range(64))
        )
    for k, answer in enumerate(answers):
        assert np.array_equal(decoded(answer), transformer(picture(16, 16, k))), (
            "results are not mixed up within a batch"
        )


def infer(url: str, **inputs: Any) -> Any:
    tensors = []
    for name, rows in inputs.items():
        tensors.append(triton.InferInput(name, list(rows.shape), "FP32"))
        tensors[-1].set_data_from_numpy(rows)
    with triton.InferenceServerClient(url.removeprefix("http://")) as client:
        return client.infer("generator", tensors).as_numpy("images")


def test_triton_gets_the_outputs_of_onnx_runtime_for_any_size(
    larger: Any, styles: Any, upscaler: Path, style_folder: Path
) -> None:
    with triton.InferenceServerClient(larger.url.removeprefix("http://")) as client:
        described = client.get_model_metadata("srgan3")
    assert described["inputs"] == [{"name": "image", "datatype": "FP32", "shape": [-1, 3, -1, -1]}]
    rng = np.random.default_rng(1)
    image = rng.uniform(-1, 1, (3, 3, 33, 50)).astype(np.float32)
    z = rng.standard_normal((3, 8), dtype=np.float32)
    expected = ImageToImage(style_folder / "generator.onnx").graph.session.run(["images"], {"image": image, "z": z})[0]
    np.testing.assert_allclose(infer(styles.url, image=image, z=z), expected, atol=1e-5)
    one = infer(styles.url, image=image[1:2], z=z[1:2])
    assert np.array_equal(one, infer(styles.url, image=image, z=z)[1:2]), "bit-identical, alone or in a batch"
    with pytest.raises(Exception, match=r"shape \[-1, 3, -1, -1\]"):
        infer(styles.url, image=image[:, :2], z=z)


def test_limits_of_the_protocol(larger: Any) -> None:
    def infer_image(shape: list[int], data: list[float], **more: Any) -> httpx.Response:
        body = {"inputs": [{"name": "image", "datatype": "FP32", "shape": shape, "data": data}], **more}
        return httpx.post(f"{larger.url}/v2/models/srgan3/infer", json=body)

    assert infer_image([1, 3, 2, 2], [0.5] * 12).json()["outputs"][0]["shape"] == [1, 3, 4, 4]
    for shape in ([1, 3, 0, 2], [1, 3, -1, 2], [1, 3, 2**40, 2], [1, 3, 2], [6, 3, 1, 1], [1, 3, True, 2]):
        assert infer_image(shape, [0.5] * 12).status_code == 400, shape
    assert infer_image([1, 3, 2**20, 2**20], [0.5] * 12).status_code == 400
    large: list[float] = [0] * (3 * 400 * 430)
    found = infer_image([1, 3, 400, 430], large)
    assert found.status_code == 200
    larger.service.settings, before = (
        larger.service.settings.model_copy(update={"max_pixels": 100_000}),
        larger.service.settings,
    )
    try:
        assert infer_image([1, 3, 400, 430], large).status_code == 413
    finally:
        larger.service.settings = before


def test_large_outputs_require_binary_data(larger: Any) -> None:
    image = np.zeros((1, 3, 60, 250), dtype=np.float32)  # 180,000 bytes in, 180,000 numbers out

    def sent(rows: int, *, binary: bool) -> httpx.Response:
        tensor = {
            "name": "image",
            "datatype": "FP32",
            "shape": [rows, 3, 60, 250],
            "parameters": {"binary_data_size": rows * 180_000},
        }
        header = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": binary}}).encode()
        body = header + image.tobytes() * rows
        return httpx.post(
            f"{larger.url}/v2/models/srgan3/infer", content=body, headers={HEADER_LENGTH: str(len(header))}
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.serving.http.apply_routes.LARGEST_JSON", 360_000)
        assert sent(2, binary=False).status_code == 200
        refused = sent(3, binary=False)
        assert (refused.status_code, "too many for JSON" in refused.text) == (400, True)
        assert sent(3, binary=True).status_code == 200


class Held:
    """Blocks each run of the graph until it is released, and records the sizes of its inputs."""

    def __init__(self, loaded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go, self.sides = threading.Semaphore(0), []  # type: ignore[var-annotated]
        run = loaded.run

        def slow(inputs: Any, outputs: Any) -> Any:
            assert self.go.acquire(timeout=WAIT_SECONDS)
            self.sides.append(inputs["image"].shape[2:])
            return run(inputs, outputs)

        monkeypatch.setattr(loaded, "run", slow)


def test_a_small_image_waits_for_at_most_one_tile_of_a_large_one(larger: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held(larger.service.current, monkeypatch)
    body = encoded(np.zeros((700, 700, 3), dtype=np.uint8))
    with ThreadPoolExecutor(4) as pool:
        large = pool.submit(httpx.post, f"{larger.url}/apply", content=body)
        wait_until(lambda: larger.service.reserved >= 1, "the request does not arrive", pause=0.01)
        wait_until(lambda: not larger.service.batcher.queue, "the queue does not empty", pause=0.01)
        small = [pool.submit(httpx.post, f"{larger.url}/apply", content=encoded(picture(9, 9, k))) for k in range(3)]
        wait_until(lambda: larger.service.batcher.waiting == 3, "the requests do not arrive", pause=0.01)
        for _ in range(4):
            held.go.release()
        assert [one.result().status_code for one in small] == [200] * 3
        assert not large.done()
        assert held.sides == [(192, 192), (9, 9), (9, 9), (9, 9)]
        for _ in range(400):
            held.go.release()
        assert decoded(large.result()).shape == (1400, 1400, 3)


def test_a_full_queue_returns_429_and_a_timeout_503(larger: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    service = larger.service
    held = Held(service.current, monkeypatch)
    settings = service.settings.model_copy(update={"max_queue": 60, "timeout": 3})
    monkeypatch.setattr(service, "settings", settings)
    monkeypatch.setattr(service.batcher, "settings", settings)
    body = encoded(np.zeros((700, 700, 3), dtype=np.uint8))
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(httpx.post, f"{larger.url}/apply", content=body)
        wait_until(lambda: service.reserved == 54, "the request does not arrive", pause=0.01)
        refused = httpx.post(f"{larger.url}/apply", content=body)
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert first.result().status_code == 503
        assert "--timeout" in first.result().json()["error"]
    for _ in range(9):
        held.go.release()
    assert (service.reserved, service.batcher.waiting) == (0, 0)


def test_processing_stops_when_the_client_leaves(larger: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held(larger.service.current, monkeypatch)
    body = encoded(np.zeros((700, 700, 3), dtype=np.uint8))
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{larger.url}/apply", content=body, timeout=0.5)
    for _ in range(40):
        held.go.release()
    wait_until(lambda: larger.service.reserved == 0, "the request is not dropped", pause=0.01)
    assert len(held.sides) < 10


def test_a_swap_between_two_tiles_keeps_the_request(
    upscaler: Path, running: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model that started an image also finishes it; a transformation may replace a generator."""
    path = tmp_path / "generator.onnx"
    path.write_bytes(upscaler.read_bytes())
    with running(path, tile=192) as (url, service), ThreadPoolExecutor(1) as pool:
        first = service.current
        held = Held(first, monkeypatch)
        waiting = pool.submit(httpx.post, f"{url}/apply", content=encoded(picture(300, 300)))
        wait_until(lambda: service.reserved > 0, "the request does not arrive", pause=0.01)
        import onnx

        model = onnx.load(upscaler)
        model.producer_name = "another"
        replacement = tmp_path / "new"
        replacement.write_bytes(model.SerializeToString())
        replacement.replace(path)
        wait_until(lambda: service.current is not first, "the model is not replaced", pause=0.01)
        for _ in range(100):
            held.go.release()
        answer = waiting.result()
        assert np.array_equal(decoded(answer), ImageToImage(upscaler)(picture(300, 300), TileSize(192)))
        assert answer.headers["x-model-version"] == first.version
        assert httpx.post(f"{url}/apply", content=encoded(picture(9, 9))).headers["x-model-version"] != first.version


def test_tiles_are_counted_and_the_queue_ends_empty(larger: Any) -> None:
    before = value(larger.url, "ganline_images_total")
    httpx.post(f"{larger.url}/apply", content=encoded(np.zeros((300, 300, 3), dtype=np.uint8)))
    assert value(larger.url, "ganline_images_total") == before + 9
    assert value(larger.url, "ganline_queue_images") == 0
