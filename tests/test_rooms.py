"""The packages import only what the architecture allows, and load no library that they do not need."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline.code_digest import read_source, source_files

ROOT = Path(__file__).parents[1]

LEAVES = {
    *("errors", "files", "settings", "arrays", "items", "measure", "code_digest", "allocator", "telemetry"),
    *("random_state", "reasons", "memory_format", "processes", "shared_batch", "captions", "tokenizer"),
}
"""Modules without dependencies of their own in the project, which every package may import."""

MAY_IMPORT = {
    "media": set(),
    "data": {"media"},
    "gans": set(),
    "training": {"gans", "media"},
    "evaluation": {"media"},
    "serving": {"media", "gans"},
    "tracking": set(),
    "tasks": {"media", "data", "gans", "training", "evaluation", "serving", "tracking"},
    "promotion": {"media", "data", "gans", "training", "evaluation", "serving", "tracking", "tasks"},
    "tuning": {"media", "data", "evaluation"},
    "params": {
        *("media", "data", "gans", "training", "evaluation", "serving", "promotion", "tasks", "tracking", "tuning"),
    },
    "stages": {
        *("media", "data", "gans", "training", "evaluation", "serving", "tracking", "tasks", "promotion", "params"),
        "tuning",
    },
}
"""The packages that each package may import, in addition to itself and the leaves."""


def imported_packages(path: Path) -> set[str]:
    """Return the packages and top-level modules of `pipeline` that a file imports, anywhere in it."""
    names = {name.split(".")[1] for name in read_source(path).imports if name.startswith("pipeline.")}
    return names - {"__version__"}


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_packages_import_only_what_the_architecture_allows(package: str) -> None:
    folder = ROOT / "pipeline" / package
    for path in [folder.with_suffix(".py")] if not folder.is_dir() else folder.rglob("*.py"):
        forbidden = imported_packages(path) - MAY_IMPORT[package] - LEAVES - {package}
        assert not forbidden, f"{path.relative_to(ROOT)} imports {forbidden}"


def test_leaves_import_no_package() -> None:
    for name in LEAVES:
        assert imported_packages(ROOT / "pipeline" / f"{name}.py") <= LEAVES, name


def test_only_stages_and_the_command_line_know_the_paths_of_the_graph() -> None:
    for path in (ROOT / "pipeline").rglob("*.py"):
        package = path.relative_to(ROOT / "pipeline").parts[0]
        if package not in {"stages", "cli"}:
            assert "stages" not in imported_packages(path), path


def used_by(stage: str) -> set[str]:
    """Return the files, relative to the root, that a stage uses with the committed params.yaml."""
    files = source_files(f"pipeline.stages.{stage}")
    return {str(path.relative_to(ROOT)) for path in files}


@pytest.mark.parametrize("stage", ["ingest", "validate", "train", "evaluate", "export"])
def test_dvc_watches_all_code_that_a_stage_uses(stage: str) -> None:
    graph = YAML(typ="safe").load(ROOT / "dvc.yaml")
    watched = [dep for dep in graph["stages"][stage]["deps"] if dep.startswith("pipeline/")]
    assert not {file for file in used_by(stage) if not below(file, [*watched, *PLUMBING])}


def below(file: str, places: Sequence[str]) -> bool:
    """Whether a file is one of the places or lies in one."""
    return any(file == place or file.startswith(f"{place}/") for place in places)


PLUMBING = (
    *("pipeline/errors.py", "pipeline/files.py", "pipeline/telemetry.py", "pipeline/code_digest.py"),
    "pipeline/random_state.py",
    *("pipeline/stages/paths.py", "pipeline/stages/metrics_files.py", "pipeline/tracking"),
    *("pipeline/stages/exported_commit.py", "pipeline/stages/training_reporter.py", "pipeline/stages/signals.py"),
)
"""Code that does not affect the results of a stage, only how they are recorded."""


LEAN = """
import importlib, pkgutil, sys
BLOCKED = set('''PIL pyarrow mlflow dvc prefect great_expectations sklearn scipy safetensors tqdm typer jinja2
onnx onnxruntime onnxscript pandas matplotlib ruamel torchvision torch_fidelity'''.split())
class Absent:
    def find_spec(self, name, path=None, target=None):
        # torch looks for some of them itself, and works without.
        if name.split(".")[0] in BLOCKED:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
for name in ("gans", "training", "evaluation"):
    package = importlib.import_module(f"pipeline.{name}")
    for module in pkgutil.walk_packages(package.__path__, f"pipeline.{name}."):
        importlib.import_module(module.name)
import pipeline.tasks.generate.evaluator
"""


def test_training_and_evaluation_import_with_torch_numpy_and_pydantic_only() -> None:
    done = subprocess.run([sys.executable, "-c", LEAN], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_help_loads_no_heavy_library() -> None:
    code = "import sys; sys.argv = ['ganline', '--help']; from pipeline.cli.app import main\n"
    code += "try: main()\nexcept SystemExit: pass\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert not loaded & {
        "torch",
        "numpy",
        "pydantic",
        "mlflow",
        "prefect",
        "great_expectations",
        "dvc",
        "onnxruntime",
        "sklearn",
        "pandas",
        "matplotlib",
        "pyarrow",
    }
