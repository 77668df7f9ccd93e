"""The flow `watch`: the state that each poll ends in, and the events that reach the server and a deployment."""

import os
import time
from pathlib import Path
from typing import Any

import pytest

from tests.flows.project import Schedule, read_flow_runs
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("api")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with one data file."""
    (tmp_path / "data" / "raw").mkdir(parents=True)
    (tmp_path / "params.yaml").write_text(
        f"data: {{source: data/raw}}\ntracking: {{model: watched-{tmp_path.parent.name}}}\n"
    )
    (tmp_path / "data" / "raw" / "one.txt").write_text("one")
    return tmp_path


def age(path: Path, seconds: float) -> None:
    """Move the modification time of a file into the past."""
    os.utime(path, (time.time() - seconds,) * 2)


def poll(root: Path, settle: float = 0.0) -> Any:
    """Run the flow once and return its final state."""
    from flows.watch import watch

    return watch(root, settle_seconds=settle, return_state=True)


def read_events(root: Path) -> list[str]:
    """Return the events that the server has received about this project."""
    from prefect.client.orchestration import get_client

    resource = f"ganline.data.watched-{root.parent.name}"
    body = {"filter": {"resource": {"id": [resource]}}, "limit": 50}
    with get_client(sync_client=True) as client:
        return [event["event"] for event in client._client.post("/events/filter", json=body).json()["events"]]


@pytest.mark.slow
def test_from_the_first_poll_to_a_run(root: Path) -> None:
    from flows import arrivals

    assert poll(root).name == "First look"
    assert poll(root).name == "Nothing new"
    new = root / "data" / "raw" / "two.txt"
    new.write_text("two")
    age(new, 3600)
    state = poll(root, settle=6000)
    assert state.name == "Still arriving", "a copy keeps its modification time; its time of arrival counts"
    state = poll(root)
    assert (state.name, state.message) == ("New data", "2 files; there is no validated data to compare with yet")
    assert poll(root).name == "New data", "the event is re-emitted until a run starts"
    wait_until(lambda: read_events(root) == ["ganline.data.new"] * 2, "the events do not arrive")
    arrivals.record_start(root, root)
    assert poll(root).name == "Nothing new"
    new.unlink()
    assert poll(root).name == "New data", "a deletion counts as new data"


def test_missing_data_and_bad_parameters_are_reported(root: Path) -> None:
    (root / "data" / "raw" / "one.txt").unlink()
    assert poll(root).name == "No data"
    (root / "params.yaml").write_text("data: {sauce: x}\n")
    state = poll(root)
    assert state.is_failed()
    assert "data.sauce: unknown key; did you mean `source`" in state.message


@pytest.mark.slow
def test_two_events_run_the_deployment_once(schedule: Schedule) -> None:
    """New data and drift arrive together: one of two runs is cancelled."""
    from prefect.events import emit_event

    before = {run.id for run in read_flow_runs("single")}

    def new_runs() -> list[Any]:
        return [run for run in read_flow_runs("single") if run.id not in before]

    (schedule.project.root / "seed.txt").write_text("4.5\n")
    for event in ("ganline.data.new", "ganline.data.drift"):
        emit_event(event, resource={"prefect.resource.id": "ganline.data.triggering"})
    wait_until(lambda: len(new_runs()) >= 2, "the events do not trigger the deployment")
    wait_until(lambda: all(run.state.is_final() for run in new_runs()), "the runs do not end")
    assert sorted(run.state.name for run in new_runs()) == ["Cancelled", "Completed"]
