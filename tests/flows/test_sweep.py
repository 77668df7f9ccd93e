"""A sweep over seeds of a real, tiny model: one table, one parent run, and an unchanged checkout."""

import json
from pathlib import Path
from typing import Any

import pytest

from flows.clone import Workspace
from flows.stages import StageFailed
from flows.sweep import configure, member_name
from tests.flows.project import run_command


def test_members_are_named_by_preset_and_seed() -> None:
    assert [member_name("digits", 3), member_name("digits", None), member_name(None, 0), member_name(None, None)] == [
        "digits-seed-3",
        "digits",
        "params-seed-0",
        "params",
    ]


def test_a_seed_is_written_without_losing_comments(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("train:\n  seed: 0 # as ever\n  batch_size: 32\n")
    configure(Workspace(tmp_path), None, 5, print)
    assert (tmp_path / "params.yaml").read_text() == "train:\n  seed: 5 # as ever\n  batch_size: 32\n"
    with pytest.raises(StageFailed, match="no presets here"):
        configure(Workspace(tmp_path), "digits", None, print)


@pytest.mark.slow
@pytest.mark.usefixtures("api")
def test_seeds_side_by_side_in_dask_processes(checkout: Path) -> None:
    from prefect_dask.task_runners import DaskTaskRunner

    from flows.sweep import sweep
    from pipeline.tracking.mlflow_store import connect

    runner: Any = DaskTaskRunner(cluster_kwargs={"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None})
    state: Any = sweep.with_options(task_runner=runner)(str(checkout), (), (0, 1), return_state=True)
    assert state.is_completed(), state.message
    rows = state.result()
    assert sorted(one["member"] for one in rows) == ["params-seed-0", "params-seed-1"]
    assert rows[0]["fid_ratio"] < rows[1]["fid_ratio"]
    assert rows[0]["member"] in state.message
    client = connect(f"sqlite:///{checkout / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("chain")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    (parent,) = [run for run in runs if run.data.tags.get("ganline.sweep") == "2"]
    children = [run.info.run_id for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert sorted(children) == sorted(one["run"] for one in rows)
    assert parent.data.metrics["best_fid"] == pytest.approx(rows[0]["fid"])
    listed = [artifact.path for artifact in client.list_artifacts(parent.info.run_id)]
    assert listed == ["sweep.json"]
    assert run_command(checkout, "git", "status", "--porcelain") == ""
    assert json.loads(json.dumps(rows)) == rows
