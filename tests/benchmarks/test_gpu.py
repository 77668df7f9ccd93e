"""The benchmark for GPUs: its plan, rows that fail or do not fit into the time, and one row on the CPU."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.gpu.__main__ import main
from benchmarks.gpu.hardware import describe
from benchmarks.gpu.machine import Machine, NotMeasured, Values
from benchmarks.gpu.models import MODELS
from benchmarks.gpu.plan import Step, plan
from benchmarks.gpu.repeatable import measure_repeatable
from benchmarks.gpu.runner import Report, format_value, measure_all
from benchmarks.gpu.speed import measure_eager, measure_graphs
from tests.test_rooms import LEAN

ROOT = Path(__file__).parents[2]
WITHOUT_LIBRARIES = LEAN.partition("for name in (")[0] + "import benchmarks.gpu.plan, benchmarks.gpu.runner"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    folder = tmp_path / "work"
    folder.mkdir()
    return Machine(torch.device("cpu"), small=True, folder=folder)


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_most_important_rows_fit_into_eight_minutes() -> None:
    names = [step.name for step in plan()]
    assert len(set(names)) == len(names)
    assert names[:2] == ["device", "peak of matrix products"]
    for model in MODELS:
        assert names.index(f"{model}, bare loop") < names.index(f"{model}, eager") < names.index(f"{model}, graphs")
    seconds = 0.0
    for step in plan():
        seconds += step.seconds
        if step.name == "ONNX Runtime, CUDA":
            break
    assert seconds < 60 * 8


def test_rows_that_fail_are_written_and_the_others_go_on(tmp_path: Path, machine: Machine) -> None:
    path = tmp_path / "out" / "rows.jsonl"
    written: list[int] = []

    def measured(_: Machine) -> Values:
        written.append(len(read(path)))
        return {"speed": 12345.678, "same": True}

    def fails(_: Machine) -> Values:
        raise RuntimeError("first | line\nsecond")

    def missing(_: Machine) -> Values:
        raise NotMeasured("needs a CUDA device")

    steps = [Step("a", 1, measured), Step("b", 1, fails), Step("c", 1, missing), Step("d", 1, measured)]
    with Report(path) as report:
        assert measure_all(steps, machine, 100, report) == 1
    rows = [{key: value for key, value in row.items() if key != "seconds"} for row in read(path)]
    assert rows == [
        {"row": "a", "speed": 12345.678, "same": True},
        {"row": "b", "error": "RuntimeError: first | line"},
        {"row": "c", "not_measured": "needs a CUDA device"},
        {"row": "d", "speed": 12345.678, "same": True},
    ]
    assert written == [0, 3], "each row is on the disk before the next one is measured"
    table = path.with_suffix(".md").read_text().splitlines()
    assert table[2:4] == ["| a | 0.0 | speed 12,346; same True |", "| b | 0.0 | error RuntimeError: first / line |"]


def test_rows_that_do_not_fit_are_left_out_and_shorter_ones_are_measured(tmp_path: Path, machine: Machine) -> None:
    machine.small = False
    path = tmp_path / "rows.jsonl"
    steps = [Step("long", 100, describe), Step("short", 1, describe)]
    with Report(path) as report:
        assert measure_all(steps, machine, 50, report) == 0
    long, short = read(path)
    assert long["left_out"].startswith("needs about 100 s, and ")
    assert short["torch"] == torch.__version__


def test_a_training_is_measured_and_graphs_need_a_gpu(machine: Machine) -> None:
    machine.speeds["dcgan-32", "bare"] = 100.0
    values = measure_eager(machine, "dcgan-32")
    assert values["times_bare"] == values["images_per_second"] / 100 > 0
    with pytest.raises(NotMeasured, match="needs a CUDA device"):
        measure_graphs(machine, "dcgan-32")


def test_a_resumed_training_has_the_same_bits(machine: Machine) -> None:
    values = measure_repeatable(machine, "dcgan-32")
    assert values["same_bits"]
    assert values["largest_difference"] == 0


@pytest.mark.parametrize(("value", "text"), [(True, "True"), (0.123456, "0.1235"), (9876.5, "9,876"), ("a", "a")])
def test_numbers_have_four_digits(value: object, text: str) -> None:
    assert format_value(value) == text


@pytest.mark.slow
def test_it_imports_with_torch_numpy_and_pydantic_only() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_LIBRARIES], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_it_runs_through_on_a_cpu(tmp_path: Path) -> None:
    out = tmp_path / "gpu.jsonl"
    command = [sys.executable, "-m", "benchmarks.gpu", "--device", "cpu", "--small", "--minutes", "60"]
    done = subprocess.run([*command, "--out", str(out)], cwd=ROOT, capture_output=True, text=True, check=False)
    rows = read(out)
    assert [row["row"] for row in rows] == [step.name for step in plan()]
    assert [row for row in rows if "error" in row or "left_out" in row] == []
    assert done.returncode == 0, done.stderr
    measured = {row["row"] for row in rows if "not_measured" not in row}
    assert {"device", "evaluation", "FID of 10,000 samples", "srgan-64, eager", "r3gan-32, bare loop"} <= measured


def test_without_a_gpu_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["gpu", "--out", str(tmp_path / "gpu.jsonl")])
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    with pytest.raises(SystemExit):
        main()
    assert "torch sees no CUDA device; add --device cpu --small" in capsys.readouterr().err
