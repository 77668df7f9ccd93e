"""Which digests change when code changes: a training's only if the code decides the weights."""

import itertools
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline.code_digest import code_digest
from pipeline.media.registry import MEDIA
from pipeline.params import parse
from pipeline.stages.train import training_modules
from pipeline.tasks.registry import TASKS

ROOT = Path(__file__).parents[1]
DIGITS = parse((ROOT / "params.yaml").read_text(), "params.yaml")
TRAINING = training_modules(DIGITS)
EVALUATION = TASKS[DIGITS.model.task].evaluation_modules(MEDIA[DIGITS.data.medium])
FOLDERS = ("pipeline/evaluation/measures", "pipeline/tasks/generate/measures")
MEASURES = sorted(str(path.relative_to(ROOT)) for folder in FOLDERS for path in (ROOT / folder).glob("[!_]*.py"))
OF_LOOKS = {f"pipeline/evaluation/measures/{name}.py" for name in ("distances", "fid", "vendi")}
"""Measures that the looks of a training use, which choose the model that is delivered."""

OF_OTHERS = {
    *("pipeline/evaluation/measures/image_similarity.py", "pipeline/evaluation/measures/linear_probe.py"),
    "pipeline/evaluation/measures/perceptual_distance.py",
    "pipeline/tasks/generate/measures/registry.py",
}
"""Measures of other tasks and commands, and the table of measures."""

Edit = Callable[[str, str], set[str]]


@pytest.fixture
def edit(tmp_path: Path) -> Edit:
    """Append a line of code to a file of a copy of the project; return which digests that changes."""
    shutil.copytree(ROOT / "pipeline", tmp_path / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))

    def digests() -> dict[str, str]:
        return {
            "training": code_digest(*TRAINING, source=tmp_path),
            "evaluation": code_digest(*EVALUATION, source=tmp_path),
        }

    before = digests()
    times = itertools.count(1)  # files edited within one tick of the clock differ, too

    def append(name: str, line: str) -> set[str]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text() if path.exists() else ""
        path.write_text(f"{text}\n{line}\n")
        os.utime(path, (0, next(times)))
        changed = {kind for kind, digest in digests().items() if digest != before[kind]}
        path.write_text(text)
        os.utime(path, (0, next(times)))
        return changed

    return append


def test_a_measure_changes_the_evaluation_and_a_training_only_if_its_looks_use_it(edit: Edit) -> None:
    for name in MEASURES:
        changed = edit(name, "CHANGED = 1")
        if name in OF_LOOKS:
            assert changed == {"training", "evaluation"}, name
        elif name not in OF_OTHERS:
            assert "evaluation" in changed, name
    for name in ("kid", "fid_infinity", "classifier_score", "supervised_baseline", "copies"):
        assert edit(f"pipeline/evaluation/measures/{name}.py", "CHANGED = 1") == {"evaluation"}, name
    assert edit("pipeline/tasks/generate/measures/new.py", "CHANGED = 1") == {"evaluation"}


def test_words_change_nothing(edit: Edit) -> None:
    for name in ("pipeline/evaluation/measures/vendi.py", "pipeline/training/loop.py"):
        assert edit(name, "# only a comment") == set()


def test_another_variant_task_or_medium_leaves_the_digits_alone(edit: Edit) -> None:
    for name, line in {
        "pipeline/gans/variants/toygan/toygan.py": "TOY = 1",
        "pipeline/gans/registry.py": 'VARIANTS["toygan"] = VARIANTS["dcgan"]',
        "pipeline/gans/variants/cyclegan/cyclegan.py": "CHANGED = 1",
        "pipeline/media/toy/medium.py": "TOY = 1",
        "pipeline/media/registry.py": 'MEDIA["toy"] = MEDIA["image"]',
        "pipeline/tasks/toy/task.py": "TOY = 1",
        "pipeline/tasks/registry.py": 'TASKS["toy"] = TASKS["generate"]',
        "pipeline/tasks/restore/restoration_look.py": "CHANGED = 1",
        "pipeline/params.py": "CHANGED = 1",
    }.items():
        assert edit(name, line) == set(), name


def test_the_networks_the_loop_and_the_look_decide_a_training(edit: Edit) -> None:
    for name in (
        "pipeline/gans/variants/dcgan/dcgan.py",
        "pipeline/gans/game/penalties.py",
        "pipeline/training/ema.py",
        "pipeline/evaluation/quick_look.py",
        "pipeline/data/views.py",
    ):
        assert "training" in edit(name, "CHANGED = 1"), name


def test_dvc_watches_every_measure() -> None:
    graph = YAML(typ="safe").load(ROOT / "dvc.yaml")
    for stage in ("train", "evaluate"):
        assert {"pipeline/evaluation", "pipeline/tasks", "pipeline/media"} <= set(graph["stages"][stage]["deps"])
