"""An exported model that is to be evaluated, and the cache of such evaluations.

The cache is keyed by the files of the model and everything else that decides the numbers.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline.code_digest import code_digest, defining_modules
from pipeline.evaluation import cache
from pipeline.evaluation.comparison import Material
from pipeline.evaluation.settings import EvaluateSettings
from pipeline.serving.runtime.generator import Graph
from pipeline.tasks.base import EvaluationCase


@dataclass(frozen=True)
class ExportedModel:
    """An exported graph that is to be evaluated.

    Attributes:
        label: What messages call the model, such as "the challenger".
        remedy: What to do if one of its graphs is missing, for messages.
    """

    graph: Graph
    label: str
    remedy: str


@dataclass(frozen=True)
class ExportedEvaluation:
    """The evaluation of an exported model: flat metrics, and what it is compared by."""

    metrics: dict[str, Any]
    material: Material


def load_or_evaluate(
    case: EvaluationCase,
    files: Iterable[Path],
    rules: str,
    evaluate: Callable[[], ExportedEvaluation],
    *,
    code: Iterable[object],
) -> ExportedEvaluation:
    """Return the evaluation of these graphs from the cache, or call `evaluate` and cache the result.

    Args:
        files: All graphs that the evaluation uses.
        rules: What else decides the numbers, such as the settings of the variant.
        code: Objects whose code decides the numbers.
    """
    settings = case.settings
    parts = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
    parts += [rules, settings.model_dump_json(exclude={"gate"}), case.train.fingerprint, case.test.fingerprint]
    parts += [torch.__version__, hash_features(settings, case.folders.root), code_digest(*defining_modules(*code))]
    file = case.folders.evaluations / f"{hashlib.sha256(' '.join(parts).encode()).hexdigest()[:24]}.pt"
    tensors = cache.read(file)
    if tensors is not None and "metrics" in tensors:
        return unpack(tensors)
    evaluation = evaluate()
    try:
        cache.write(file, pack(evaluation))
    except OSError:  # a full disk costs time in the next run, it does not fail this one
        file.unlink(missing_ok=True)
    return evaluation


def hash_features(settings: EvaluateSettings, root: Path) -> str:
    """Return the hash of the file that evaluate.features names; empty for built-in features."""
    path = root / settings.features
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def pack(evaluation: ExportedEvaluation) -> cache.Tensors:
    """Convert an evaluation to tensors."""
    material = evaluation.material
    text = np.frombuffer(json.dumps(evaluation.metrics).encode(), dtype=np.uint8)
    tensors = {"metrics": torch.from_numpy(text.copy()), "kernel": torch.tensor(material.kernel)}
    tensors |= {f"picture:{name}": torch.from_numpy(np.array(values)) for name, values in material.item_scores.items()}
    for name, (made, real) in material.features.items():
        tensors |= {f"made:{name}": torch.from_numpy(np.array(made)), f"real:{name}": torch.from_numpy(np.array(real))}
    return tensors


def unpack(tensors: cache.Tensors) -> ExportedEvaluation:
    """Convert tensors back to an evaluation."""

    def named(kind: str) -> dict[str, Any]:
        return {name.removeprefix(kind): value.numpy() for name, value in tensors.items() if name.startswith(kind)}

    made, real = named("made:"), named("real:")
    material = Material(
        named("picture:"), {name: (made[name], real[name]) for name in made}, kernel=bool(tensors["kernel"])
    )
    return ExportedEvaluation(json.loads(tensors["metrics"].numpy().tobytes()), material)
