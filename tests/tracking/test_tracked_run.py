"""Real stores: SQLite files, and an MLflow server that is killed and started again."""

import hashlib
import json
import math
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from mlflow import MlflowClient
from onnx import helper

from pipeline.errors import InputError
from pipeline.tracking import tracked_run
from pipeline.tracking.mlflow_store import address, hide_credentials
from pipeline.tracking.run_history import find_runs
from pipeline.tracking.settings import TrackingSettings
from tests.waiting import WAIT_SECONDS, find_free_port

SETTINGS = TrackingSettings(experiment="tests", model="tests-model")


@pytest.fixture
def root(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    folder = tmp_path / "project"
    folder.mkdir()
    shutil.copy(empty_store, folder / "mlflow.db")
    return folder


def history(client: MlflowClient, run_id: str, key: str) -> list[tuple[int, float]]:
    return sorted((point.step, point.value) for point in client.get_metric_history(run_id, key))


def test_all_files_are_below_the_root_and_nothing_is_printed(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    picture = tmp_path / "grid.png"
    picture.write_bytes(b"picture")
    with tracked_run.start(SETTINGS, root) as run:
        run.log_file(picture, "samples")
        run.log_metrics({"fid": 3.5})
    assert list(elsewhere.iterdir()) == []
    assert [path.read_bytes() for path in (root / "mlartifacts").rglob("grid.png")] == [b"picture"]
    assert "MLFLOW_RUN_ID" not in os.environ
    assert "MLFLOW_TRACKING_URI" not in os.environ
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_parameters_are_flat_clipped_and_a_changed_one_becomes_a_tag(root: Path) -> None:
    run = tracked_run.start(SETTINGS, root)
    many = {f"key{number}": number for number in range(250)}
    run.log_params(
        {
            "train": {"learning_rate": {"generator": 2e-4}, "flips": False},
            "long": "x" * 10_000,
            "many": many,
            "none": None,
        }
    )
    run.end()
    again = tracked_run.start(SETTINGS, root, run_id=run.id)
    assert again.id == run.id
    again.log_params({"train": {"flips": True, "new": 1}, "none": None})
    again.end()
    data = again.client.get_run(run.id).data
    assert data.params["train.learning_rate.generator"] == "0.0002"
    assert data.params["train.flips"] == "false"
    assert data.params["train.new"] == "1"
    assert data.params["many.key249"] == "249"
    assert len(data.params["long"]) == 6000
    assert data.tags["param.train.flips"] == "true"
    assert "param.none" not in data.tags


def test_curves_are_complete_and_replayed_steps_are_not_logged_twice(root: Path) -> None:
    run = tracked_run.start(SETTINGS, root)
    assert run.last_step == -1
    rows = [
        {"step": step, "loss": step / 7, "norm": math.nan if step % 128 else 1.0} for step in range(0, 2500 * 64, 64)
    ]
    run.log_history(rows[:1500])
    assert run.last_step == 1499 * 64
    run.end()

    resumed = tracked_run.start(SETTINGS, root, run_id=run.id)
    assert resumed.last_step == 1499 * 64
    resumed.log_history(rows[1200:])  # a checkpoint older than the last logged row
    resumed.end()
    assert history(run.client, run.id, "loss") == [(row["step"], row["loss"]) for row in rows]
    assert history(run.client, run.id, "norm") == [(row["step"], 1.0) for row in rows[::2]]


def test_metrics_accept_numpy_and_skip_values_that_are_not_finite_numbers(root: Path) -> None:
    with tracked_run.start(SETTINGS, root) as run:
        run.log_metrics(
            {"fid": np.float32(2.5), "n": np.int64(7), "inf": math.inf, "verdict": "pass", "flag": True, "none": None}
        )
        run.log_metrics({"fid": 1.5})
    assert run.client.get_run(run.id).data.metrics == {"fid": 1.5, "n": 7.0}


def test_the_data_set_is_an_input_of_the_run(root: Path) -> None:
    with tracked_run.start(SETTINGS, root) as run:
        run.log_dataset("digits", "f" * 64, "builtin:digits")
    inputs = run.client.get_run(run.id).inputs
    assert inputs is not None
    (entry,) = inputs.dataset_inputs
    assert (entry.dataset.name, entry.dataset.digest) == ("digits", "f" * 36)
    assert json.loads(entry.dataset.source) == {"source": "builtin:digits", "fingerprint": "f" * 64}
    assert [(tag.key, tag.value) for tag in entry.tags] == [("mlflow.data.context", "training")]


@pytest.mark.parametrize(
    ("error", "status"),
    [(None, "FINISHED"), (ValueError("x"), "FAILED"), (KeyboardInterrupt(), "KILLED"), (SystemExit(143), "KILLED")],
)
def test_the_run_ends_as_the_block_did(root: Path, error: BaseException | None, status: str) -> None:
    run = tracked_run.start(SETTINGS, root)
    assert run.client.get_run(run.id).info.status == "RUNNING"
    with pytest.raises(type(error)) if error else nullcontext(), run:
        if error:
            raise error
    assert run.client.get_run(run.id).info.status == status


def test_run_json_continues_a_run(root: Path) -> None:
    first = tracked_run.start(SETTINGS, root)
    first.end()
    assert first.describe() == {"run_id": first.id, "experiment": "tests"}
    path = root / "run.json"
    path.write_text(json.dumps(first.describe()), encoding="utf-8")
    second = tracked_run.resume(SETTINGS, root, path)
    assert second.id == first.id
    assert second.client.get_run(first.id).info.status == "RUNNING"
    second.end()


def test_a_continued_run_is_read_with_one_request(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request takes about a second on a server with users, and a run has more than a hundred metrics."""
    with tracked_run.start(SETTINGS, root) as run:
        for step in (20, 10):
            run.client.log_metric(run.id, "fid", 1.0, step=step)
        run.client.log_metric(run.id, "loss", 1.0, step=5)
    monkeypatch.delattr(MlflowClient, "get_metric_history")
    with tracked_run.start(SETTINGS, root, run_id=run.id) as continued:
        assert continued.steps == {"fid": 20, "loss": 5}


@pytest.mark.parametrize("deleted", [False, True])
def test_a_run_missing_from_the_store_is_replaced_with_a_warning(root: Path, capfd: Any, deleted: bool) -> None:
    lost = "0123456789abcdef" * 2
    if deleted:
        run = tracked_run.start(SETTINGS, root)
        lost = run.id
        run.end()
        run.client.delete_run(lost)
    path = root / "run.json"
    path.write_text(json.dumps({"run_id": lost}), encoding="utf-8")
    with tracked_run.resume(SETTINGS, root, path) as run:
        assert run.id != lost
    assert run.client.get_run(run.id).data.tags["ganline.continues"] == lost
    message = capfd.readouterr().err
    assert lost in message
    assert run.id in message
    with tracked_run.resume(SETTINGS, root, path) as again:
        assert again.id == run.id, "later stages continue the same run"
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    "text", [None, "", "{", "[]", "{}", '{"run_id": 7}', '{"run_id": ""}', '{"run_id": null}', "\x00"]
)
def test_a_missing_or_invalid_run_json_is_an_input_error(root: Path, text: str | None) -> None:
    path = root / "run.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"run\.json.*dvc repro"):
        tracked_run.resume(SETTINGS, root, path)


def test_a_deleted_experiment_is_an_input_error(root: Path) -> None:
    run = tracked_run.start(SETTINGS, root)
    run.end()
    run.client.delete_experiment(run.experiment_id)
    with pytest.raises(InputError, match=r"tracking\.experiment.*restore"):
        tracked_run.start(SETTINGS, root)


def test_a_refused_entry_is_skipped_and_the_others_are_sent(root: Path, capfd: Any) -> None:
    with tracked_run.start(SETTINGS, root) as run:
        run.log_metrics({"a bad name!": 1.0})
        run.log_file(root / "absent.png")
        run.log_metrics({"good": 2.0})
    assert run.client.get_run(run.id).data.metrics == {"good": 2.0}
    assert capfd.readouterr().err.count("skipped") == 2


def test_an_unusable_store_is_an_input_error_with_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:  # bound but not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://someone:secret@127.0.0.1:{taken.getsockname()[1]}")
        began = time.monotonic()
        with pytest.raises(InputError, match=r"MLFLOW_TRACKING_URI http://127\.0\.0\.1.*unset") as caught:
            tracked_run.start(SETTINGS, tmp_path)
        assert time.monotonic() - began < 60, "without MLflow's retries, which take minutes"
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)
    (tmp_path / "file").touch()
    for wrong in ("nonsense://there", f"sqlite:///{tmp_path}/file/mlflow.db"):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", wrong)
        with pytest.raises(InputError, match="MLFLOW_TRACKING_URI"):
            tracked_run.start(SETTINGS, tmp_path)


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("http://a:b@host:5000/x", "http://host:5000/x"),
        ("http://host", "http://host"),
        ("sqlite:////tmp/a@b.db", "sqlite:////tmp/a@b.db"),
    ],
)
def test_addresses_are_shown_without_credentials(uri: str, shown: str) -> None:
    assert hide_credentials(uri) == shown


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("", "sqlite:///ROOT/mlflow.db"),
        ("sqlite:///mine.db", "sqlite:///ROOT/mine.db"),
        ("sqlite:////elsewhere/mine.db", "sqlite:////elsewhere/mine.db"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("stores/mine", "ROOT/stores/mine"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("databricks", "databricks"),
    ],
)
@pytest.mark.parametrize("folder", ["", ".dvc/tmp/exps/tmpabc", ".dvc/tmp/exps/standalone/tmpabc"])
def test_a_relative_store_starts_from_the_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, uri: str, expected: str
) -> None:
    """A queued experiment runs in a temporary clone below .dvc/tmp/exps, but records in the checkout's store."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert address(tmp_path / folder) == expected.replace("ROOT", str(tmp_path.resolve()))


def test_mlflow_is_imported_only_when_a_run_starts() -> None:
    code = (
        "import sys, pipeline.tracking.tracked_run; "
        "sys.exit(any(name in sys.modules for name in ('mlflow', 'onnx', 'torch', 'pandas')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_full_disk_is_reported_in_one_line(root: Path) -> None:
    """MLflow by itself prints a traceback for each call."""
    code = """
import resource, sys
from pathlib import Path
from pipeline.tracking import tracked_run
from pipeline.tracking.settings import TrackingSettings
run = tracked_run.start(TrackingSettings(), Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))
run.log_metrics({"fid": 1.0})
run.end()
"""
    settings = {name: value for name, value in os.environ.items() if name != "MLFLOW_LOGGING_LEVEL"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(root)], env=settings, capture_output=True, text=True, check=True
    )
    assert re.fullmatch(r"(ganline: warning: .*\n){2}", done.stderr), done.stderr


def register_model(run: tracked_run.Run, path: Path, factor: int) -> str:
    """Register a graph that multiplies by `factor`."""
    z, images = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", 3]) for name in ("z", "images"))
    constant = helper.make_tensor("factor", onnx.TensorProto.FLOAT, [1], [factor])
    graph = helper.make_graph([helper.make_node("Mul", ["z", "factor"], ["images"])], "g", [z], [images], [constant])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    named = {
        side: [{"name": name, "dtype": "float32", "shape": [-1, 3]}]
        for side, name in (("inputs", "z"), ("outputs", "images"))
    }
    return run.log_model(
        path, named, "tests-model", sha256=hashlib.sha256(path.read_bytes()).hexdigest(), tags={"note": path.stem}
    )


def test_nothing_is_lost_if_a_server_stops_and_starts_again(
    root: Path,
    mlflow_server: Callable[[Path, int], AbstractContextManager[str]],
    monkeypatch: pytest.MonkeyPatch,
    capfd: Any,
) -> None:
    port = find_free_port()
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    picture = root / "grid.png"
    picture.write_bytes(b"picture")
    with mlflow_server(root, port) as uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        run = tracked_run.start(SETTINGS, root)
        assert run.describe()["tracking_uri"] == uri
        run.log_history([{"step": step, "loss": float(step)} for step in range(10)])
    began = time.monotonic()
    for step in range(10, 40):
        run.log_history([{"step": step, "loss": float(step)}])
    run.log_file(picture)
    assert time.monotonic() - began < 60, "without MLflow's retries, which take minutes"
    with mlflow_server(root, port):
        run.log_history([{"step": 40, "loss": 40.0}])
        run.end()
        assert history(run.client, run.id, "loss") == [(step, float(step)) for step in range(41)]
        assert run.client.get_run(run.id).info.status == "FINISHED"
        assert [file.path for file in run.client.list_artifacts(run.id)] == ["grid.png"]
        assert [
            register_model(run, root / "a.onnx", 1),
            register_model(run, root / "a.onnx", 1),
            register_model(run, root / "b.onnx", 2),
        ] == ["1", "1", "2"]
        assert run.client.get_model_version("tests-model", "2").tags["note"] == "b"
    captured = capfd.readouterr()
    assert captured.err.count("does not answer") == 1
    assert "View run" not in captured.out + captured.err


@pytest.mark.slow
def test_processes_that_start_together_create_one_database(tmp_path: Path) -> None:
    """Without a lock the second process finds half of the tables and fails on the other half."""
    code = (
        "from pipeline.tracking.mlflow_store import connect\n"
        f"print(connect('sqlite:///{tmp_path}/mlflow.db').search_experiments()[0].name)"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for process in both:
        out, error = process.communicate(timeout=WAIT_SECONDS)
        assert (process.returncode, out) == (0, "Default\n"), error


def test_earlier_runs_with_a_tag_are_found_oldest_first(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def record(number: float, tags: dict[str, str]) -> None:
        with tracked_run.start(SETTINGS, root) as run:
            run.log_metrics({"evaluate/fid": number + 10})
            run.log_metrics({"evaluate/fid": number})
            run.tag(tags)

    record(9, {})
    for number in range(3):
        record(number, {"verdict": "pass"})
    with tracked_run.start(SETTINGS, root) as run:
        run.tag({"verdict": "fail"})
        found = find_runs(run, "verdict", 2)
        assert [one.metrics["evaluate/fid"] for one in found] == [1, 2]
        assert all(one.name and one.tags["verdict"] == "pass" and one.address == "" for one in found)
        assert found[0].started <= found[1].started
        run.experiment_id = "none"
        assert find_runs(run, "verdict", 2) == []
        assert "earlier runs cannot be read" in capsys.readouterr().err
