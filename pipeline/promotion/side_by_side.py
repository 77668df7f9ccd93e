"""Champion and challenger judged as they are delivered: run by ONNX Runtime, on the same held-out images or from one seed, under one protocol."""

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from tqdm import tqdm

from pipeline.arrays import UInt8Array
from pipeline.data.store import DatasetInfo, ImageSet, open_split
from pipeline.errors import InputError
from pipeline.evaluation import cache
from pipeline.evaluation.comparison import Material, compare_all
from pipeline.evaluation.reference import require_reference
from pipeline.evaluation.settings import EvaluateSettings
from pipeline.params import Params
from pipeline.promotion.checks import Against
from pipeline.serving.onnx.metadata import Metadata
from pipeline.serving.runtime.generator import Generator, Graph
from pipeline.stages.evaluate import JUDGES
from pipeline.stages.paths import Paths
from pipeline.tasks.base import Case
from pipeline.tasks.exported_gan import Exported
from pipeline.tasks.generate.evaluator import Judge
from pipeline.training import model_files
from pipeline.training.device import pick_device

# Where a graph is missing beside a generator.
CHALLENGER = "run `dvc repro -f export`"
CHAMPION = "delete the alias champion in MLflow's registry, then `promote.limits` hold; or give the new model a name of its own in `tracking.model`"


@dataclass(frozen=True)
class Judged:
    """One model's flat metrics, and what it is compared by."""

    metrics: dict[str, Any]
    material: Material


@dataclass(frozen=True)
class Bench:
    """What both models are judged on."""

    paths: Paths
    params: Params
    info: DatasetInfo
    train: ImageSet
    test: ImageSet


def side_by_side(paths: Paths, params: Params, challenger: Path, champion: Path, version: str) -> Against:
    """Judges both models, each a graph with its further ones beside it; what was judged before under the same protocol is not judged again.

    Raises InputError for a champion that does other things than the challenger, or lacks a graph, or data that cannot be read.
    """
    bench = Bench(
        paths,
        params,
        DatasetInfo.read(paths.dataset),
        *(open_split(paths.dataset, paths.validated, split) for split in ("train", "test")),
    )
    require_reference(bench.test)
    ours, theirs = Graph(challenger), Graph(champion)
    named = ((ours, "the challenger", CHALLENGER), (theirs, f"the champion (version {version})", CHAMPION))
    for graph, whose, _ in named:
        require_alike(graph, ours.metadata, bench.info, whose)
    judge = drawing if params.model.task == "generate" else working
    first, second = (judge(bench, *one) for one in named)
    protocols = str(first.metrics["protocol"]), str(second.metrics["protocol"])
    return Against(
        version,
        second.metrics,
        first.metrics,
        compare_all(first.material, second.material, protocols, params.evaluate.seed),
    )


def require_alike(graph: Graph, challenger: Metadata, info: DatasetInfo, whose: str) -> None:
    """Raises InputError for a graph that cannot be judged on this data, or does not what the challenger does."""
    made, way_out = (
        graph.metadata,
        "they cannot be compared; give the new kind of model a name of its own in `tracking.model`",
    )
    if (made.task, made.scale) != (challenger.task, challenger.scale):
        raise InputError(
            f"{graph.path.name}: {whose} is a model to {made.task} (x{made.scale}), the challenger one to {challenger.task} (x{challenger.scale}): {way_out}"
        )
    data, item = info.item, made.item
    sides = data.height, data.width
    fits = all(side % made.multiple == 0 for side in sides) if made.multiple else sides == (item.height, item.width)
    if item.channels != data.channels or not fits:
        size = f"whose sides are multiples of {made.multiple} px" if made.multiple else f"of {item.height} px"
        raise InputError(
            f"{graph.path.name}: {whose} {'makes' if made.task == 'generate' else 'takes'} images {size} and "
            f"{item.channels} channels, the data has {data.height} px and {data.channels}: {way_out}"
        )


def working(bench: Bench, graph: Graph, whose: str, way_out: str) -> Judged:
    """The judgement of a model that works on images, by the rules of its task."""
    paths, params = bench.paths, bench.params
    variant, config = model_files.untrained(paths.weights.parent)
    gan, device = Exported(graph, variant, whose, way_out), pick_device(params.train.device)

    def judge() -> Judged:
        outcome = JUDGES[gan.task](
            Case(paths, params, bench.info, bench.train, bench.test, gan, config, device, "", None)
        )
        return Judged(outcome.metrics, outcome.material)

    return kept(bench, gan.files, config.model.model_dump_json(), judge)


def drawing(bench: Bench, graph: Graph, whose: str, way_out: str) -> Judged:
    """The judgement of a model that makes images of latents."""
    generator, classes, settings = Generator(graph), bench.info.item.classes, bench.params.evaluate

    def judge() -> Judged:
        judge = Judge(
            bench.train,
            bench.test,
            classes,
            settings,
            pick_device(bench.params.train.device),
            bench.paths.cache,
            bench.paths.root,
        )
        with tempfile.TemporaryFile() as scratch:
            judgement = judge(draw(generator, settings, bench.train, classes, graph.path.name, scratch))
        return Judged(judgement.metrics, Material(features={"": judgement.features}))

    return kept(bench, [graph.path], "", judge)


def kept(bench: Bench, files: Iterable[Path], rules: str, judge: Callable[[], Judged]) -> Judged:
    """One model's judgement, from the cache where these files were judged by this protocol; `rules` is what else decides."""
    settings = bench.params.evaluate
    parts = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
    parts += [
        rules,
        settings.model_dump_json(exclude={"gate"}),
        bench.train.fingerprint,
        bench.test.fingerprint,
        torch.__version__,
    ]
    parts += [weights(settings, bench.paths.root)]
    file = bench.paths.judged / f"{hashlib.sha256(' '.join(parts).encode()).hexdigest()[:24]}.pt"
    found = cache.read(file)
    if found is not None and "metrics" in found:
        return unpacked(found)
    judged = judge()
    try:
        cache.write(file, packed(judged))
    except OSError:  # a full disk costs time the next run, not this one
        file.unlink(missing_ok=True)
    return judged


def packed(judged: Judged) -> cache.Tensors:
    material = judged.material
    text = np.frombuffer(json.dumps(judged.metrics).encode(), dtype=np.uint8)
    tensors = {"metrics": torch.from_numpy(text.copy()), "kernel": torch.tensor(material.kernel)}
    tensors |= {f"picture:{name}": torch.from_numpy(np.array(values)) for name, values in material.pictures.items()}
    for name, (made, real) in material.features.items():
        tensors |= {f"made:{name}": torch.from_numpy(np.array(made)), f"real:{name}": torch.from_numpy(np.array(real))}
    return tensors


def unpacked(tensors: cache.Tensors) -> Judged:
    def named(kind: str) -> dict[str, Any]:
        return {name.removeprefix(kind): value.numpy() for name, value in tensors.items() if name.startswith(kind)}

    made, real = named("made:"), named("real:")
    material = Material(
        named("picture:"), {name: (made[name], real[name]) for name in made}, kernel=bool(tensors["kernel"])
    )
    return Judged(json.loads(tensors["metrics"].numpy().tobytes()), material)


def weights(settings: EvaluateSettings, root: Path) -> str:
    """Which bytes a file named in evaluate.features holds; empty for the names of built-in features."""
    path = root / settings.features
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def draw(
    generator: Generator,
    settings: EvaluateSettings,
    train: ImageSet,
    classes: Sequence[str],
    name: str,
    scratch: IO[bytes],
) -> UInt8Array:
    """`settings.samples` pictures, uint8 [n, H, W, C], on the disk behind `scratch`; classes in the shares of the training images.

    A class that this model was never taught is not asked of it, and missing from its pictures. Raises InputError where it was taught none of the data's.
    """
    n = settings.samples
    labels = np.zeros(n, dtype=np.int64)
    if generator.classes:
        taught = {
            classes.index(label): position for position, label in enumerate(generator.classes) if label in classes
        }
        known = train.labels[np.isin(train.labels, list(taught))]
        if not len(known):
            raise InputError(
                f"{name}: was taught the classes {', '.join(generator.classes[:20])}, of which the data has none; the two cannot be compared"
            )
        asked = np.random.default_rng(settings.seed).choice(known, n)
        labels = np.array([taught[int(label)] for label in asked], dtype=np.int64)
    shape: tuple[int, ...] = ()
    for start in tqdm(
        range(0, n, settings.batch_size), desc=f"samples of {name}", leave=False, disable=None, mininterval=0.5
    ):
        size = min(settings.batch_size, n - start)
        conditions = generator.conditions(label=labels[start : start + size] if generator.classes else None)
        pictures = generator.generate(generator.latents(settings.seed, start, size), conditions)
        shape = pictures.shape[1:]
        scratch.write(pictures.tobytes())
    scratch.flush()
    return np.memmap(scratch, dtype=np.uint8, mode="r", shape=(n, *shape))
