"""Hot reload: no request is lost, and a model that cannot be used is rolled back."""

import os
import shutil
import threading
import time
from collections.abc import Hashable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from pipeline.errors import InputError
from pipeline.serving.graph_tensors import latents
from pipeline.serving.http.inference_service import InferenceService
from pipeline.serving.http.loaded_model import ModelFile, sha256_of
from pipeline.serving.http.model_source import FileSource
from pipeline.serving.onnx.graph_digest import seal
from pipeline.serving.runtime.generator import read_model
from pipeline.serving.settings import ServeSettings
from tests.serving.edited_graphs import with_classes
from tests.waiting import wait_until

BODY = {"inputs": [{"name": "z", "datatype": "FP32", "shape": [3, 24], "data": latents(1, 0, 3, 24).ravel().tolist()}]}


def scaled(path: Path, factor: float) -> bytes:
    """Return the generator with the weights of its last layer multiplied."""
    model = onnx.load(path)
    weight = [one for one in model.graph.initializer if len(one.dims) == 4][-1]
    weight.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weight) * np.float32(factor), weight.name))
    return seal(model)


@pytest.fixture(scope="module")
def others(plain_graph: Any, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three generators with different images."""
    folder = tmp_path_factory.mktemp("others")
    paths = [folder / f"{k}.onnx" for k in range(3)]
    for k, path in enumerate(paths):
        path.write_bytes(scaled(plain_graph.path, 1 + k))
    return paths


def replace(path: Path, new: Path | bytes) -> None:
    replacement = path.with_suffix(".new")
    replacement.write_bytes(new if isinstance(new, bytes) else new.read_bytes())
    replacement.replace(path)


def metric(url: str, name: str, **labels: str) -> float:
    families = text_string_to_metric_families(httpx.get(f"{url}/metrics").text)
    return next(
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def has_rolled_back(url: str, count: int) -> bool:
    """Return whether the service has rolled back `count` models."""
    return metric(url, "ganline_model_swaps_total", result="rolled_back") == count


def has_more_than(items: list[Any], count: int) -> bool:
    """Return whether there are more than `count` items."""
    return len(items) > count


def wait_for_version(service: InferenceService, version: str) -> None:
    """Wait until the service has loaded a version of the model."""
    wait_until(lambda: service.current.version == version, "the model is not replaced")


def test_swaps_under_load_lose_no_request_and_mix_no_models(others: list[Path], running: Any, tmp_path: Path) -> None:
    path = tmp_path / "generator.onnx"
    shutil.copy(others[0], path)
    digests = [sha256_of(other.read_bytes())[:12] for other in others]
    with running(path) as (url, service):
        expected = {}
        for other, version in zip(others, digests, strict=True):
            replace(path, other)
            wait_for_version(service, version)
            expected[version] = httpx.post(f"{url}/v2/models/generator/infer", json=BODY).json()["outputs"][0]["data"]
        assert len({tuple(images) for images in expected.values()}) == 3
        stop, failures, seen = threading.Event(), [], []

        def hammer() -> None:
            with httpx.Client() as client:
                while not stop.is_set():
                    answer = client.post(f"{url}/v2/models/generator/infer", json=BODY)
                    found = answer.json()
                    if answer.status_code != 200 or expected[found["model_version"]] != found["outputs"][0]["data"]:
                        failures.append(answer.text[:300])
                    seen.append(found.get("model_version"))

        threads = [threading.Thread(target=hammer) for _ in range(6)]
        for thread in threads:
            thread.start()
        for k in range(9):
            before = len(seen)
            replace(path, others[k % 3])
            wait_for_version(service, digests[k % 3])
            wait_until(partial(has_more_than, seen, before + 12), "there are no requests")
        stop.set()
        for thread in threads:
            thread.join()
        assert failures == []
        assert set(seen) == set(digests)
        assert metric(url, "ganline_model_swaps_total", result="served") >= 10
        assert metric(url, "ganline_model_info", version=digests[2]) == 1


@pytest.fixture
def loaded(others: list[Path], running: Any, tmp_path: Path) -> Iterator[tuple[str, InferenceService, Path]]:
    path = tmp_path / "generator.onnx"
    shutil.copy(others[0], path)
    with running(path) as (url, service):
        yield url, service, path


def test_a_model_that_fails_its_warm_up_is_rolled_back_once(
    loaded: tuple[str, InferenceService, Path], others: list[Path]
) -> None:
    url, service, path = loaded
    old = service.current
    whole = others[1].read_bytes()
    for count, content in enumerate([scaled(path, np.nan), whole[: len(whole) // 2], b""], 1):
        replace(path, content)
        wait_until(partial(has_rolled_back, url, count), "the model is not rolled back")
        time.sleep(0.2)
        assert has_rolled_back(url, count), "it is tried only once"
        assert service.current is old
        assert httpx.post(f"{url}/v2/models/generator/infer", json=BODY).status_code == 200
    path.unlink()
    time.sleep(0.2)
    assert service.current is old
    assert httpx.get(f"{url}/v2/health/ready").status_code == 200
    replace(path, others[1])
    wait_until(lambda: service.current is not old, "the model is not replaced")
    assert service.current.version == sha256_of(whole)[:12]


def test_a_model_with_another_contract_is_refused(labelled_graph: Any, running: Any, tmp_path: Path) -> None:
    path = tmp_path / "generator.onnx"
    shutil.copy(labelled_graph.path, path)
    with running(path) as (url, service):
        old = service.current
        assert "refused" not in httpx.get(f"{url}/v2").json()
        replace(path, with_classes(path, ["a", "aa", "b", "c", "d"]))
        wait_until(lambda: service.reloader.refused, "the model is not refused")
        assert metric(url, "ganline_model_swaps_total", result="refused") == 1
        assert service.current is old
        refused = httpx.get(f"{url}/v2").json()["refused"]
        assert refused["version"] == sha256_of(path.read_bytes())[:12]
        assert "class 1 is 'aa', was 'b'; class 2 is 'b', was 'c'" in refused["reason"]
        assert "--accept-changes" in refused["reason"]
        replace(path, labelled_graph.path)
        wait_until(lambda: not service.reloader.refused, "the former model is not found")
        assert "refused" not in httpx.get(f"{url}/v2").json()


def test_accepted_changes_of_the_contract_are_served(
    labelled_graph: Any, plain_graph: Any, running: Any, tmp_path: Path
) -> None:
    path = tmp_path / "generator.onnx"
    shutil.copy(labelled_graph.path, path)
    with running(path, accept_changes=True) as (_, service):
        replace(path, plain_graph.path)
        wait_for_version(service, sha256_of(plain_graph.path.read_bytes())[:12])


def test_a_touched_file_is_no_new_model(loaded: tuple[str, InferenceService, Path]) -> None:
    _, service, path = loaded
    old, mark = service.current, service.reloader.revision
    path.touch()
    wait_until(lambda: service.reloader.revision != mark, "the file is not checked")
    assert service.current is old


def test_a_file_that_is_overwritten_in_place_is_loaded_when_it_is_complete(
    loaded: tuple[str, InferenceService, Path], others: list[Path]
) -> None:
    """The new content has the same size, and the modification time is set back."""
    url, service, path = loaded
    content, before = others[1].read_bytes(), path.stat()
    assert len(content) == before.st_size
    different = np.flatnonzero(np.frombuffer(content, np.uint8) != np.frombuffer(path.read_bytes(), np.uint8))
    middle = int(different[len(different) // 2])
    with path.open("r+b") as file:
        file.write(content[:middle])
        file.flush()
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        wait_until(lambda: has_rolled_back(url, 1), "the mixture of two models is not refused")
        assert "does not match the digest in its metadata" in httpx.get(f"{url}/v2").json()["refused"]["reason"]
        file.write(content[middle:])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    wait_for_version(service, sha256_of(content)[:12])


def test_a_file_is_read_only_after_two_equal_looks(others: list[Path], tmp_path: Path) -> None:
    path = tmp_path / "generator.onnx"
    shutil.copy(others[0], path)
    source = FileSource(path)
    first = source.revision()
    shutil.copy(others[1], path)
    assert source.revision() == first, "it may still be written"
    with pytest.raises(InputError, match=r"generator\.onnx: changed while it was read"):
        source.fetch()
    assert source.revision() != first
    assert source.fetch().content == others[1].read_bytes()


def test_named_pipes_do_not_block(
    loaded: tuple[str, InferenceService, Path], others: list[Path], tmp_path: Path
) -> None:
    _, service, path = loaded
    path.unlink()
    os.mkfifo(path)
    wait_until(lambda: "not a regular file" in service.reloader.last_error, "the pipe is not reported")
    replace(path, others[1])
    wait_for_version(service, sha256_of(others[1].read_bytes())[:12])
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="pipe: not a regular file"):
        read_model(tmp_path / "pipe")


class HangingOnce:
    """A source whose first answer does not come before `released` is set."""

    def __init__(self, source: FileSource) -> None:
        self.source = source
        self.calls = 0
        self.released = threading.Event()

    def revision(self) -> Hashable:
        self.calls += 1
        if self.calls == 1:
            self.released.wait()
        return self.source.revision()

    def fetch(self) -> ModelFile:
        return self.source.fetch()


def test_a_source_that_hangs_blocks_neither_later_swaps_nor_the_shutdown(
    others: list[Path], running: Any, tmp_path: Path
) -> None:
    path = tmp_path / "generator.onnx"
    shutil.copy(others[0], path)
    with running(path, timeout=0.5) as (_, service):
        hanging = HangingOnce(FileSource(path))
        service.reloader.source = hanging
        wait_until(lambda: "no answer within 0.5 s" in service.reloader.last_error, "the look is not given up")
        replace(path, others[1])
        wait_for_version(service, sha256_of(others[1].read_bytes())[:12])
    hanging.released.set()


def test_the_service_needs_a_first_model(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.onnx: no such file or directory\. Run `dvc repro`"):
        InferenceService(FileSource(tmp_path / "absent.onnx"), ServeSettings())
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(InputError, match="not a model that ONNX Runtime can run"):
        InferenceService(FileSource(tmp_path / "text.onnx"), ServeSettings())
