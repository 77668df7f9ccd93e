"""Looks for new data, and says so: the events `ganline.data.new` and `ganline.data.drift`, on which the deployments of prefect.yaml retrain.

An event is emitted at every look until a run has begun with the new data: one that came while another run was at work is not lost.
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
from flows.clone import local_source, place
from flows.stages import ProjectError, StageFailed, ganline
from pipeline import params
from pipeline.errors import InputError
from pipeline.stages.paths import Paths

NEW, DRIFT = "ganline.data.new", "ganline.data.drift"


@flow(name="watch", log_prints=False, persist_result=False)
def watch(
    root: Path | str = Path(), own_clone: bool = False, settle_seconds: float = 60.0, drift_ratio: float = 2.0
) -> State[Any]:
    """One look at the data of the project in `root`.

    Data that changed within `settle_seconds` is still arriving, and waited for. What is new is compared with what the last run held out (in its own clone
    with `own_clone`): a Fréchet distance above `drift_ratio` times that between real images, beyond chance, is drift. The first look only remembers.
    """
    source = root
    try:
        if own_clone:
            source = local_source(root) or root
        project = place(str(source)) if own_clone else Path(root).resolve()
        described = project if (project / "params.yaml").is_file() else Path(source)
        found = arrivals.look(source, described)
        model = params.load(described / "params.yaml").tracking.model
    except (InputError, ProjectError) as error:
        return Failed(message=str(error), data=error)
    if found is None:
        return Completed(name="Nothing there", message="no file under data.watch or data.source")
    known = arrivals.remembered(source)
    if "began" not in known:
        arrivals.remember(source, known | {"began": found.fingerprint})
        return Completed(name="First look", message=f"{found.files:,} files; what comes from now on is new")
    if found.fingerprint == known["began"]:
        return Completed(name="Nothing new", message=f"{found.files:,} files, as the last run found them")
    if (age := time.time() - found.newest) < settle_seconds:
        return Completed(name="Still arriving", message=f"{found.files:,} files, the last changed {age:.0f} s ago")
    resource = {"prefect.resource.id": f"ganline.data.{model}", "prefect.resource.name": f"data of {model}"}
    payload = {"root": str(source), "fingerprint": found.fingerprint, "files": found.files}
    emit_event(NEW, resource=resource, payload=payload)
    if known.get("examined") != found.fingerprint:
        try:
            measured = examine(project, Path(source), drift_ratio)
        except StageFailed as failure:
            return Failed(message=str(failure), data=failure)
        known = known | {"examined": found.fingerprint, "drifted": measured}
        arrivals.remember(source, known)
    drifted = known["drifted"]
    if drifted.get("drift"):
        emit_event(DRIFT, resource=resource, payload=payload | drifted)
        return Completed(name="Drift", message=drifted["said"])
    return Completed(name="New data", message=f"{found.files:,} files; {drifted['said']}")


def examine(project: Path, data: Path, ratio: float) -> dict[str, Any]:
    """`ganline drift`, where a run has left data to compare with. Raises StageFailed."""
    paths = Paths(project)
    if not (paths.validated / "index.parquet").is_file():
        return {"drift": False, "said": "no run has validated data yet to compare with"}
    ganline(
        project,
        ["drift", "--data", str(data.resolve()), "--ratio", str(ratio)],
        get_run_logger().info,
        {"PYTHONPATH": str(project)},
    )
    found: dict[str, Any] = json.loads(paths.drift.read_text(encoding="utf-8"))
    return found
