"""Who may know whom, and what each room needs installed."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]

MAY_IMPORT = {
    "gans": {"gans", "errors", "settings"},
    "media": {"media", "errors", "settings"},
    "data": {"data", "media", "errors", "settings"},
    "training": {"training", "gans", "errors", "files", "settings", "version"},
    "evaluation": {"evaluation", "errors", "files", "settings"},
    "promotion": {"promotion", "evaluation", "mlflow_store", "errors", "settings"},
    "serving": {"serving", "gans", "media", "errors", "settings", "version"},
}


def imports(path: Path) -> set[str]:
    """The rooms of `pipeline` that a file imports anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
        if isinstance(node, ast.ImportFrom) and node.module == "pipeline":
            names = [f"pipeline.{'version' if alias.name == '__version__' else alias.name}" for alias in node.names]
        found |= {name.split(".")[1] for name in names if name.startswith("pipeline.")}
    return found


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_rooms_know_only_whom_they_may(room: str) -> None:
    for path in (ROOT / "pipeline" / room).rglob("*.py"):
        strangers = imports(path) - MAY_IMPORT[room]
        assert not strangers, f"{path.relative_to(ROOT)} imports {strangers}"


def test_only_stages_and_the_command_know_the_graphs_paths() -> None:
    for path in (ROOT / "pipeline").rglob("*.py"):
        if path.parent.name != "stages" and path.parent != ROOT / "pipeline":
            assert "pipeline.stages" not in path.read_text(encoding="utf-8"), path


PLUMBING = {"__init__", "metrics", "paths", "reporter", "signals"}
"""Of the stages: how something is written down, not what."""


@pytest.mark.parametrize("stage", ["ingest", "validate", "train", "evaluate", "export"])
def test_a_stage_runs_again_when_what_it_is_made_of_changes(stage: str) -> None:
    """Every module of the stages that a stage uses, by whatever way, is among its dependencies in the graph."""
    graph = YAML(typ="safe").load(ROOT / "dvc.yaml")
    used: set[str] = set()
    waiting = [stage]
    while waiting:
        name = waiting.pop()
        if name not in used | PLUMBING:
            used.add(name)
            tree = ast.parse((ROOT / "pipeline" / "stages" / f"{name}.py").read_text(encoding="utf-8"))
            froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
            waiting += [alias.name for node in froms if node.module == "pipeline.stages" for alias in node.names]
            waiting += [
                node.module.removeprefix("pipeline.stages.")
                for node in froms
                if (node.module or "").startswith("pipeline.stages.") and node.module
            ]
    missing = {f"pipeline/stages/{name}.py" for name in used} - set(graph["stages"][stage]["deps"])
    assert not missing


LEAN = """
import importlib, pkgutil, sys
BLOCKED = set('''PIL pyarrow mlflow dvc prefect great_expectations sklearn scipy safetensors tqdm typer jinja2 onnx onnxruntime onnxscript pandas
matplotlib ruamel torchvision'''.split())
class Absent:
    def find_spec(self, name, path=None, target=None):
        # Only our own modules are forbidden these: torch looks for some of them by itself and does without.
        if name.split(".")[0] in BLOCKED:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
for room in ("gans", "training", "evaluation"):
    package = importlib.import_module(f"pipeline.{room}")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"pipeline.{room}.{module.name}")
"""


def test_the_science_imports_with_torch_numpy_and_pydantic_alone() -> None:
    done = subprocess.run([sys.executable, "-c", LEAN], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_help_loads_no_heavy_library() -> None:
    code = "import sys; sys.argv = ['ganline', '--help']; from pipeline.cli.app import main\ntry: main()\nexcept SystemExit: pass\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert not loaded & {
        "torch",
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
