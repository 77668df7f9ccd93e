"""Looks at data that arrives, each with the state it should end in; the events reach the server, and a deployment."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.flows.conftest import Project, Schedule

Until = Callable[[Callable[[], object], float, str], None]

pytestmark = [pytest.mark.usefixtures("api"), pytest.mark.timeout(600)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "data" / "raw").mkdir(parents=True)
    (tmp_path / "params.yaml").write_text(
        f"data: {{source: data/raw}}\ntracking: {{model: watched-{tmp_path.parent.name}}}\n"
    )
    (tmp_path / "data" / "raw" / "one.txt").write_text("one")
    return tmp_path


def age(path: Path, seconds: float) -> None:
    os.utime(path, (time.time() - seconds,) * 2)


def look(root: Path, settle: float = 0.0) -> Any:
    from flows.watch import watch

    return watch(root, settle_seconds=settle, return_state=True)


def events(root: Path) -> list[str]:
    """What the server has received about this project."""
    from prefect.client.orchestration import get_client

    resource = f"ganline.data.watched-{root.parent.name}"
    body = {"filter": {"resource": {"id": [resource]}}, "limit": 50}
    with get_client(sync_client=True) as client:
        return [event["event"] for event in client._client.post("/events/filter", json=body).json()["events"]]


def test_from_the_first_look_to_a_run(root: Path, until: Until) -> None:
    from flows import arrivals

    assert look(root).name == "First look"
    assert look(root).name == "Nothing new"
    new = root / "data" / "raw" / "two.txt"
    new.write_text("two")
    age(new, 3600)
    state = look(root, settle=60)
    assert state.name == "Still arriving", "a copy keeps its old time; when it came counts"
    state = look(root)
    assert (state.name, state.message) == ("New data", "2 files; no run has validated data yet to compare with")
    assert look(root).name == "New data", "until a run begins with it"
    until(lambda: events(root) == ["ganline.data.new"] * 2, 60, "the events")
    arrivals.begun(root, root)
    assert look(root).name == "Nothing new"
    new.unlink()
    assert look(root).name == "New data", "less is news as well"


def test_what_cannot_be_watched_says_why(root: Path) -> None:
    (root / "data" / "raw" / "one.txt").unlink()
    assert look(root).name == "Nothing there"
    (root / "params.yaml").write_text("data: {sauce: x}\n")
    state = look(root)
    assert state.is_failed()
    assert "data.sauce: unknown key; did you mean `source`" in state.message


def test_an_event_runs_the_deployment_and_two_run_once(schedule: "Schedule", until: Until) -> None:
    """New data and drift at once: one of two runs is cancelled, and the line runs once."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName
    from prefect.events import emit_event

    def runs() -> list[Any]:
        with get_client(sync_client=True) as client:
            return client.read_flow_runs(deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=["single"])))

    before = {run.id for run in runs()}
    project: Project = schedule.project
    (project.root / "seed.txt").write_text("4.5\n")
    for event in ("ganline.data.new", "ganline.data.drift"):
        emit_event(event, resource={"prefect.resource.id": "ganline.data.triggering"})
    until(lambda: len({run.id for run in runs()} - before) >= 2, 120, "the deployment to be triggered")
    until(lambda: all(run.state.is_final() for run in runs() if run.id not in before), 240, "the runs to end")
    ended = sorted(run.state.name for run in runs() if run.id not in before)
    assert ended == ["Cancelled", "Completed"]
