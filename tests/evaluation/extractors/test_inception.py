"""Inception against torch-fidelity's network with the same random weights, which need no download."""

import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

from pipeline.errors import InputError
from pipeline.evaluation.extractors import inception as module
from pipeline.evaluation.extractors.inception import FILE, download_weights, open_inception
from pipeline.evaluation.extractors.inception_network import InceptionV3, tf1_resize
from tests.specs import image_spec
from tests.waiting import find_free_port

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return random weights in the published layout, scaled so that activations neither vanish nor explode."""
    rng = torch.Generator().manual_seed(0)
    state = InceptionV3().state_dict()
    for name, value in state.items():
        if name.endswith("conv.weight"):
            value.normal_(0, (2 / value[0].numel()) ** 0.5, generator=rng)
        elif name.endswith(("running_var", "bn.weight")):
            value.uniform_(0.8, 1.2, generator=rng)
        elif value.is_floating_point():
            value.normal_(0, 0.1, generator=rng)
    path = tmp_path_factory.mktemp("weights") / "random.pth"
    torch.save(state, path)
    return path


def test_features_equal_those_of_torch_fidelity(weights: Path) -> None:
    theirs = FeatureExtractorInceptionV3("x", ["2048"], feature_extractor_weights_path=str(weights))
    ours = open_inception(weights, image_spec(32, 3), CPU)
    rng = np.random.default_rng(0)
    for side in (32, 64, 299, 310):
        images = rng.integers(0, 256, (2, side, side, 3), dtype=np.uint8)
        with torch.inference_mode():
            (expected,) = theirs(torch.from_numpy(images).permute(0, 3, 1, 2))
        found = ours.features(images)
        assert found.shape == (2, 2048)
        assert expected.std() > 1e-2
        np.testing.assert_allclose(found, expected.numpy(), atol=1e-4)


def test_logits_equal_the_unbiased_ones_of_torch_fidelity(weights: Path) -> None:
    theirs = FeatureExtractorInceptionV3("x", ["logits_unbiased"], feature_extractor_weights_path=str(weights))
    ours = open_inception(weights, image_spec(32, 3), CPU)
    images = np.random.default_rng(2).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    with torch.inference_mode():
        (expected,) = theirs(torch.from_numpy(images).permute(0, 3, 1, 2))
    np.testing.assert_allclose(ours.logits(ours.features(images)), expected.numpy(), atol=1e-3)


def test_the_layout_is_the_published_one(weights: Path) -> None:
    """The published file holds exactly torch-fidelity's keys and shapes."""
    theirs = FeatureExtractorInceptionV3("x", ["2048"], feature_extractor_weights_path=str(weights)).state_dict()
    ours = InceptionV3().state_dict()
    assert {name: value.shape for name, value in ours.items()} == {name: value.shape for name, value in theirs.items()}


@pytest.mark.parametrize("side", [1, 8, 28, 32, 75, 299, 300, 512])
def test_resizing_equals_tensorflow_1(side: int) -> None:
    images = torch.randint(0, 256, (2, 3, side, side), generator=torch.Generator().manual_seed(side)).float()
    expected = interpolate_bilinear_2d_like_tensorflow1x(images, size=(299, 299), align_corners=False)
    torch.testing.assert_close(tf1_resize(images, 299), expected, atol=2e-3, rtol=0)


def test_gray_images_are_repeated_to_three_channels(weights: Path) -> None:
    extractor = open_inception(weights, image_spec(16, 1), CPU)
    gray = np.random.default_rng(1).integers(0, 256, (1, 16, 16, 1), dtype=np.uint8)
    np.testing.assert_allclose(extractor.features(gray), extractor.features(gray.repeat(3, axis=3)), atol=1e-5)


def test_distances_with_other_weights_are_not_called_fid(weights: Path) -> None:
    spec = open_inception(weights, image_spec(32, 3), CPU).spec
    assert not spec.published
    assert spec.measure == f"fd_inception_{spec.sha8}"
    assert (spec.dims, spec.resize) == (2048, "tf1-bilinear-299")


@pytest.mark.parametrize("content", [None, b"", b"not weights at all", "other"])
def test_an_invalid_weights_file_is_named(tmp_path: Path, content: bytes | str | None) -> None:
    path = tmp_path / "weights.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        torch.save({"fc.weight": torch.zeros(2)}, path)
    with pytest.raises(InputError, match=r"weights\.pth.*evaluate\.features"):
        open_inception(path, image_spec(32, 3), CPU)


def test_items_of_other_channels_are_refused(weights: Path) -> None:
    with pytest.raises(
        InputError, match=r"evaluate\.features: Inception takes items of 1 or 3 channels.*auto or random"
    ):
        open_inception(weights, image_spec(16, 2), CPU)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Serve a small file that is not the published one."""
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "weights.pth").write_bytes(b"<html>log in</html>" * 100)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(folder))  # type: ignore[arg-type]

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()


def test_downloads_are_verified_and_cached(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache, closed = tmp_path / "cache", f"http://127.0.0.1:{find_free_port()}"
    monkeypatch.setattr(module, "PUBLISHED", "00000000")
    with pytest.raises(InputError, match=rf"other content than the published weights.*put {FILE} .*evaluate\.features"):
        download_weights(cache, f"{server}/weights.pth")
    with pytest.raises(InputError, match="File not found"):
        download_weights(cache, f"{server}/absent.pth")
    with pytest.raises(InputError, match=rf"cannot be downloaded.*put {FILE} .* at .*cache.*evaluate\.features"):
        download_weights(cache, f"{closed}/weights.pth")
    assert not list(cache.iterdir()), "no partial download is left"
    monkeypatch.setattr(module, "PUBLISHED", hashlib.sha256(b"<html>log in</html>" * 100).hexdigest()[:8])
    path = download_weights(cache, f"{server}/weights.pth")
    assert path == cache / FILE
    assert download_weights(cache, f"{closed}/never-requested") == path
