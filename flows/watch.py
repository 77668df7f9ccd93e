"""The flow `watch`: look for new data and emit `ganline.data.new` and `ganline.data.drift`.

The deployments of prefect.yaml retrain on these events. An event is re-emitted on every poll until a run starts on that
data, so an event that arrives during another run is not lost.
"""

import json
import time
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.events import emit_event
from prefect.states import Completed, Failed

from flows import arrivals
from flows.clone import clone_path, resolve_local_source
from flows.stages import ProjectError, StageFailed, run_ganline
from pipeline import params
from pipeline.errors import InputError
from pipeline.stages.paths import Paths

NEW, DRIFT = "ganline.data.new", "ganline.data.drift"


@flow(name="watch", log_prints=False, persist_result=False)
def watch(
    root: Path | str = Path(), *, own_clone: bool = False, settle_seconds: float = 60.0, drift_ratio: float = 2.0
) -> State[Any]:
    """Poll the data of a project once. The first poll only records the data.

    Args:
        root: The project: a folder, or with `own_clone` any address that git accepts.
        own_clone: Compare new data with the last run in the clone.
        settle_seconds: Data that changed within this time is still arriving, and is ignored until the next poll.
        drift_ratio: Report drift if the Fréchet distance between new and held-out data is above this multiple of the
            distance between two real samples, and beyond chance.
    """
    source = root
    try:
        if own_clone:
            source = resolve_local_source(root) or root
        project = clone_path(str(source)) if own_clone else Path(root).resolve()
        described = project if (project / "params.yaml").is_file() else Path(source)
        arrival = arrivals.scan(source, described)
        model = params.load(described / "params.yaml").tracking.model
    except (InputError, ProjectError) as error:
        return Failed(message=str(error), data=error)
    if arrival is None:
        return Completed(name="No data", message="no file under data.watch or data.source")
    known = arrivals.load_state(source)
    if "began" not in known:
        arrivals.save_state(source, known | {"began": arrival.fingerprint})
        return Completed(name="First look", message=f"recorded {arrival.files:,} files; later changes count as new")
    if arrival.fingerprint == known["began"]:
        return Completed(name="Nothing new", message=f"{arrival.files:,} files, unchanged since the last run")
    if (age := time.time() - arrival.newest) < settle_seconds:
        return Completed(name="Still arriving", message=f"{arrival.files:,} files, last changed {age:.0f} s ago")
    resource = {"prefect.resource.id": f"ganline.data.{model}", "prefect.resource.name": f"data of {model}"}
    payload = {"root": str(source), "fingerprint": arrival.fingerprint, "files": arrival.files}
    emit_event(NEW, resource=resource, payload=payload)
    if known.get("tested") != arrival.fingerprint:
        try:
            result = measure_drift(project, Path(source), drift_ratio)
        except StageFailed as failure:
            return Failed(message=str(failure), data=failure)
        known = known | {"tested": arrival.fingerprint, "drift": result}
        arrivals.save_state(source, known)
    result = known["drift"]
    if result.get("drift"):
        emit_event(DRIFT, resource=resource, payload=payload | result)
        return Completed(name="Drift", message=result["message"])
    return Completed(name="New data", message=f"{arrival.files:,} files; {result['message']}")


def measure_drift(project: Path, data: Path, ratio: float) -> dict[str, Any]:
    """Run `ganline drift` if the project has validated data to compare with. Raise StageFailed."""
    paths = Paths(project)
    if not (paths.validated / "index.parquet").is_file():
        return {"drift": False, "message": "there is no validated data to compare with yet"}
    arguments = ["drift", "--data", str(data.resolve()), "--ratio", str(ratio)]
    run_ganline(project, arguments, get_run_logger().info, {"PYTHONPATH": str(project)})
    result: dict[str, Any] = json.loads(paths.drift.read_text(encoding="utf-8"))
    return result
