"""Features on the workers of a Dask cluster: the same bytes as here, kills, and workers that are refused."""

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from pipeline.code_digest import defining_modules
from pipeline.data import cluster as module
from pipeline.data.cluster import CODE
from pipeline.errors import InputError
from pipeline.evaluation.extractors import classifier, contrastive, random_network
from pipeline.evaluation.extractors.base import ArrayItems, Extractor, FeatureSpec, compute_here, extract
from pipeline.evaluation.extractors.onnx_encoder import open_encoder
from pipeline.evaluation.reference import load_or_extract
from pipeline.evaluation.settings import EncoderSettings
from pipeline.media.registry import MEDIA, tensors_of
from pipeline.tasks.cluster_features import ClusterFeatures, SharedExtractor, choose_compute, pack
from tests.clusters import threads_as_workers
from tests.specs import image_spec
from tests.waiting import find_free_port

CPU = torch.device("cpu")
ITEM = image_spec(16, 3, 4)
IMAGES = np.random.default_rng(0).integers(0, 256, (83, 16, 16, 3), dtype=np.uint8)
BATCH = 8  # ten full batches and one of 3
LABELS = ("random", "classifier", "contrastive", "encoder")


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """Return the address of a cluster of two workers in this process."""
    with threads_as_workers(2) as address:
        yield address


def write_encoder(path: Path) -> Path:
    """Write an ONNX graph: a convolution with random weights, and the means of its maps."""
    weights = np.random.default_rng(1).standard_normal((24, 3, 5, 5)).astype(np.float32)
    shapes: dict[str, list[str | int | None]] = {"x": ["n", 3, 16, 16], "y": ["n", 24, 1, 1]}
    values = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in shapes.items()]
    nodes = [
        onnx.helper.make_node("Conv", ["x", "weights"], ["maps"]),
        onnx.helper.make_node("GlobalAveragePool", ["maps"], ["y"]),
    ]
    graph = onnx.helper.make_graph(
        nodes, "encoder", values[:1], values[1:], [onnx.numpy_helper.from_array(weights, "weights")]
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, path)
    return path


@pytest.fixture(scope="module")
def extractors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Extractor]:
    """Return one extractor of each kind, untrained."""
    body, views = classifier.initialise(ITEM), contrastive.initialise(ITEM)
    spec = FeatureSpec(name="classifier", sha256="0" * 64, dims=body.dims, resize="none", value_range="-1..1")
    return {
        "random": random_network.open_random_network(ITEM, CPU),
        "classifier": classifier.Classifier(spec, body, tensors_of(ITEM), CPU),
        "contrastive": Extractor(contrastive.describe(views, ""), views, tensors_of(ITEM), CPU),
        "encoder": open_encoder(
            write_encoder(tmp_path_factory.mktemp("encoder") / "mine.onnx"), EncoderSettings(), ITEM, CPU
        ),
    }


@pytest.mark.parametrize("name", LABELS)
def test_features_are_the_same_bytes_on_workers(name: str, scheduler: str, extractors: dict[str, Extractor]) -> None:
    here = extract(extractors[name], ArrayItems(IMAGES), BATCH)
    assert len(np.unique(here, axis=0)) == len(here)
    there = extract(extractors[name], ArrayItems(IMAGES), BATCH, compute=ClusterFeatures(scheduler))
    assert there.tobytes() == here.tobytes()


class Counted(Extractor):
    """An extractor that counts where it was opened and which batches it computed, in this process."""

    opened = 0
    sizes: list[int]

    def __setstate__(self, state: dict[str, Any]) -> None:
        Counted.opened += 1
        vars(self).update(state)

    def features(self, items: Any) -> Any:
        Counted.sizes.append(len(items))
        return super().features(items)


def test_the_extractor_travels_once_and_small_batches_stay_here(scheduler: str) -> None:
    plain = random_network.open_random_network(ITEM, CPU)
    counted = Counted(plain.spec, plain.network, plain.tensors, CPU)
    Counted.opened, Counted.sizes = 0, []
    extract(counted, ArrayItems(IMAGES), BATCH, compute=ClusterFeatures(scheduler))
    assert 1 <= Counted.opened <= 2, "at most once on each worker, and never on the scheduler"
    assert sorted(Counted.sizes) == [3] + [BATCH] * (10 + Counted.opened), "each worker repeats the first batch"


@pytest.mark.parametrize("count", [0, 1, BATCH, BATCH + 3])
def test_nothing_is_sent_for_one_full_batch(count: int, extractors: dict[str, Extractor]) -> None:
    nowhere = ClusterFeatures("tcp://nowhere:1")
    found = extract(extractors["random"], ArrayItems(IMAGES[:count]), BATCH, compute=nowhere)
    assert np.array_equal(found, extract(extractors["random"], ArrayItems(IMAGES[:count]), BATCH))


def test_the_environment_and_the_device_choose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GANLINE_SCHEDULER", raising=False)
    assert choose_compute(CPU) is compute_here
    monkeypatch.setenv("GANLINE_SCHEDULER", "tcp://10.0.0.1:8786")
    chosen = choose_compute(CPU)
    assert isinstance(chosen, ClusterFeatures)
    assert chosen.address == "tcp://10.0.0.1:8786"
    assert choose_compute(torch.device("cuda")) is compute_here


@pytest.mark.parametrize("medium", MEDIA)
def test_extractors_of_every_medium_can_be_sent(medium: str) -> None:
    item = MEDIA[medium].spec(MEDIA[medium].Settings.model_validate({}), ("a", "b"))
    items = np.random.default_rng(0).integers(0, item.symbols or 100, (3, *item.shape)).astype(item.dtype)
    network, views = classifier.initialise(item), contrastive.initialise(item)
    spec = FeatureSpec(name="any", sha256="", dims=network.dims, resize="none", value_range="")
    for extractor in (
        random_network.open_random_network(item, CPU),
        classifier.Classifier(spec, network, tensors_of(item), CPU),
        Extractor(spec, views, tensors_of(item), CPU),
    ):
        expected = extractor.features(items)
        shared = pickle.loads(pickle.dumps(SharedExtractor(pack(extractor, items, expected))))
        assert shared.features(items).tobytes() == expected.tobytes()


def test_a_worker_with_other_features_is_refused(
    scheduler: str, extractors: dict[str, Extractor], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The last bit of one feature is enough. The cache stays empty."""

    def flip(extractor: Extractor, items: Any, features: Any) -> bytes:
        return pack(
            extractor, items, np.where(features == features.max(), np.nextafter(features, np.float32(9e9)), features)
        )

    monkeypatch.setattr("pipeline.tasks.cluster_features.pack", flip)
    with pytest.raises(
        InputError,
        match=r"GANLINE_SCHEDULER: the worker tcp://127\.0\.0\.1:\d+ computes other features than this machine\. .* "
        "OMP_NUM_THREADS .* unset GANLINE_SCHEDULER",
    ):
        load_or_extract(
            extractors["random"],
            ArrayItems(IMAGES),
            "key",
            batch_size=BATCH,
            cache=tmp_path,
            progress=lambda steps, label: steps,
            label="reference",
            compute=ClusterFeatures(scheduler),
        )
    assert not [*tmp_path.iterdir()]


START_WORKERS = """
import asyncio, sys
from distributed import Nanny, Scheduler
async def main():
    async with Scheduler(host="127.0.0.1", port=int(sys.argv[1]), dashboard=False) as scheduler:
        nannies = [await Nanny(scheduler.address, nthreads=1) for _ in range(int(sys.argv[2]))]
        print(scheduler.address, *(nanny.pid for nanny in nannies), flush=True)
        await scheduler.finished()
if __name__ == "__main__":
    asyncio.run(main())
"""

StartWorkers = Callable[..., tuple[str, list[int], subprocess.Popen[str]]]


@pytest.fixture
def start_workers(tmp_path: Path) -> Iterator[StartWorkers]:
    """Return a function that starts a scheduler with workers in processes of their own."""
    script = tmp_path / "workers.py"
    script.write_text(START_WORKERS)
    started = []

    def start(workers: int, **environment: str) -> tuple[str, list[int], subprocess.Popen[str]]:
        command = [sys.executable, str(script), str(find_free_port()), str(workers)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | environment)
        started.append(process)
        assert process.stdout
        address, *pids = process.stdout.readline().split()
        return address, [*map(int, pids)], process

    yield start
    for process in started:
        process.terminate()
        process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_worker_loses_nothing(
    workers: int, start_workers: StartWorkers, extractors: dict[str, Extractor]
) -> None:
    """With one worker, the extractor is lost, too."""
    address, pids, _ = start_workers(workers)
    images = np.random.default_rng(2).integers(0, 256, (1003, 16, 16, 3), dtype=np.uint8)
    killed: list[int] = []

    def kill(steps: range, label: str) -> Iterable[int]:
        for step in steps:
            if step == steps[len(steps) // 2]:
                os.kill(pids[0], signal.SIGKILL)
                killed.append(pids[0])
            yield step

    here = extract(extractors["contrastive"], ArrayItems(images), BATCH)
    there = extract(extractors["contrastive"], ArrayItems(images), BATCH, kill, compute=ClusterFeatures(address))
    assert killed == pids[:1]
    assert there.tobytes() == here.tobytes()


@pytest.mark.slow
def test_a_scheduler_that_is_killed_leaves_no_features(
    start_workers: StartWorkers, extractors: dict[str, Extractor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CONNECT_SECONDS", 1.0)
    monkeypatch.setattr(module, "POLL_SECONDS", 0.2)
    address, _, process = start_workers(1)

    def kill(steps: range, label: str) -> Iterable[int]:
        for step in steps:
            if step == steps[3]:
                process.kill()
            yield step

    def load(compute: Any) -> Any:
        return load_or_extract(
            extractors["random"],
            ArrayItems(IMAGES.repeat(10, axis=0)),
            "key",
            batch_size=BATCH,
            cache=tmp_path / "cache",
            progress=kill,
            label="reference",
            compute=compute,
        )

    with pytest.raises(InputError, match=f"the connection to the scheduler {address} was lost"):
        load(ClusterFeatures(address))
    assert not (tmp_path / "cache").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("variable", "value"), [("ATEN_CPU_CAPABILITY", "default"), ("MKL_CBWR", "COMPATIBLE")])
def test_a_worker_with_another_processor_is_refused(
    variable: str, value: str, start_workers: StartWorkers, extractors: dict[str, Extractor]
) -> None:
    """The variables let torch and its matrix products use the instructions of an older processor."""
    here = torch.backends.cpu.get_cpu_capability()
    if here == "DEFAULT" or "MKL" not in torch.__config__.show():
        pytest.skip("needs MKL and a processor with AVX2")
    address, _, _ = start_workers(1, **{variable: value})
    there = here if variable == "MKL_CBWR" else "DEFAULT"
    with pytest.raises(
        InputError, match=rf"the worker tcp://.* computes other features .* It uses {there} .threads: 1"
    ):
        extract(extractors["classifier"], ArrayItems(IMAGES), BATCH, compute=ClusterFeatures(address))


def test_software_covers_the_code_and_the_libraries_of_an_extractor(extractors: dict[str, Extractor]) -> None:
    found = {name: module.software_of(*defining_modules(*extractor.code)) for name, extractor in extractors.items()}
    assert all({CODE, "Python", "numpy", "torch"} <= software.keys() for software in found.values())
    assert any(name.startswith("onnxruntime") for name in found["encoder"])
    assert len({software[CODE] for software in found.values()}) == len(LABELS)
