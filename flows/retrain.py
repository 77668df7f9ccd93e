"""The flow `retrain`: run each stage of dvc.yaml as a Prefect task, then promote the model.

`python -m flows.retrain` runs it once in the current folder. DVC decides which stages run: after a run `dvc repro` has
nothing to do, and after `dvc repro` a run reports every stage as Unchanged.
"""

import json
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prefect import Task, flow, get_run_logger, task
from prefect.artifacts import create_image_artifact, create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.states import Cancelled, Completed, Failed

from flows import arrivals
from flows.artifacts import format_checks, format_headline, render_markdown
from flows.clone import BRANCH, CloneBusy, Workspace, open_workspace, push_results
from flows.notify import HELD, NOT_PROMOTED, send_notification
from flows.process import GuardedProcess
from flows.stages import (
    UNCHANGED,
    ProjectError,
    StageFailed,
    StageResult,
    list_stages,
    read_metrics,
    reproduce,
    run_ganline,
)
from pipeline import params
from pipeline.errors import InputError
from pipeline.stages.paths import Paths
from pipeline.tasks.registry import TASKS

RETRIES = {"train": 2}
"""Only training is retried: it resumes from its checkpoint after a machine failure. Other stages would fail again."""

RETRY_DELAY_SECONDS = 10

ONCE = "--once"
# Longer than a stage's grace, so that the flow can end its stage and report.
FLOW_GRACE_SECONDS = 30.0

FINAL_EXIT_CODES = (2, 3, 5)
"""Bad parameters, rejected data and a refused gate: a retry would end the same way."""


def may_retry(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Return whether a retry could succeed."""
    return not (isinstance(state.data, StageFailed) and state.data.exit_code in FINAL_EXIT_CODES)


@task(
    task_run_name="{stage}",
    retry_condition_fn=may_retry,
    retry_delay_seconds=RETRY_DELAY_SECONDS,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def run_stage(root: Path, stage: str, settings: Mapping[str, str] | None = None) -> State[StageResult]:
    """Run one stage in a child process; the state's name is Ran, Unchanged or Restored."""
    try:
        result = reproduce(root, stage, get_run_logger().info, settings)
    except StageFailed as failure:
        # Returned, not raised: a traceback through Prefect would add nothing to the message.
        return Failed(message=str(failure), data=failure)
    return Completed(name=result.state, message=f"{result.state} in {result.seconds:.1f} s", data=result)


@task(name="promote", task_run_name="promote", cache_policy=NO_CACHE, persist_result=False)
def run_promotion(work: Workspace) -> State[dict[str, Any]]:
    """Run `ganline promote`; the state is Promoted, Held, Not promoted, or Unchanged if the verdict is the same."""
    path = Paths(work.root).promotion
    before = path.read_bytes() if path.is_file() else b""
    try:
        run_ganline(work.root, ["promote"], get_run_logger().info, work.settings)
    except StageFailed as failure:
        return Failed(message=str(failure), data=failure)
    after = path.read_bytes()
    verdict = json.loads(after)
    name = UNCHANGED if after == before else verdict["outcome"].capitalize()
    return Completed(name=name, message=format_headline(verdict), data=verdict)


@flow(
    name="retrain",
    log_prints=False,
    persist_result=False,
    on_completion=[send_notification],
    on_failure=[send_notification],
    on_crashed=[send_notification],
)
def retrain(
    root: Path | str = Path(),
    *,
    own_clone: bool = False,
    branch: str | None = None,
    promote: bool = True,
    notify: str | None = None,
    service: str | None = None,
) -> dict[str, str] | State[Any]:
    """Bring every stage of a project up to date in DVC's order, and promote the model. Stop at the first failure.

    Leaves artifacts: the Markdown page `retrain` with stages and metrics, the table `promotion` with the checks, and
    the image `samples` if the model generates images.

    Args:
        root: The project: a folder, or with `own_clone` any address that git accepts.
        own_clone: Work in a clone, and push dvc.lock and the metrics to its branch ganline/retrain. The checkout stays
            untouched.
        branch: Branch to clone; defaults to the one that the source has checked out.
        promote: Run `ganline promote` after the stages.
        notify: Notification block for runs that need attention, such as "slack-webhook/ops".
        service: Address of a `ganline serve` whose images are shown with the run.

    Returns:
        The stages' states by name.
    """
    try:
        with open_workspace(root, own_clone, branch) as work:
            arrivals.record_start(root, work.root)
            return bring_up_to_date(work, promote, service)
    except CloneBusy as error:
        return Cancelled(message=str(error))
    except ProjectError as error:
        return Failed(message=str(error), data=error)


def bring_up_to_date(work: Workspace, promote: bool, service: str | None) -> dict[str, str] | State[Any]:
    """Run the stages and the promotion, create the artifacts, and push the results."""
    results, failure = run_stages(work)
    states = {result.stage: result.state for result in results}
    verdict: dict[str, Any] | None = None
    if promote and failure is None:
        state: State[Any] = run_promotion(work, return_state=True)
        value = state.result(raise_on_failure=False)
        if isinstance(value, dict):
            verdict, states["promote"] = value, str(state.name)
        else:
            failure = failure_of(state, "promote")
    create_artifacts(work, results, failure, verdict, service=service)
    summary = format_headline(verdict) if verdict else failure.reason if failure else "up to date"
    if commit := push_results(work, f"retrain: {summary}"):
        get_run_logger().info(f"pushed dvc.lock and metrics to {BRANCH} as commit {commit[:12]}")
    if failure is not None:
        return Failed(message=str(failure), data=failure)
    if verdict is None:
        return states
    message = "; ".join([format_headline(verdict), *verdict["reasons"]])
    name = states["promote"] if states["promote"] in (NOT_PROMOTED, HELD) else "Completed"
    return Completed(name=name, message=message, data=states)


def run_stages(work: Workspace) -> tuple[list[StageResult], StageFailed | None]:
    """Run the stages in DVC's order; return the results, and the failure that stopped the run if there was one."""
    results: list[StageResult] = []
    if has_remote_source(work.root):
        try:
            run_ganline(work.root, ["etags"], get_run_logger().info, work.settings)
        except StageFailed as failure:
            return results, failure
    for stage in list_stages(work.root):
        # Called, not submitted: a cancellation must interrupt it.
        run = run_stage.with_options(name=stage, retries=RETRIES.get(stage.partition("@")[0], 0))
        state = run(work.root, stage, work.settings, return_state=True)
        result = state.result(raise_on_failure=False)
        if not isinstance(result, StageResult):
            return results, failure_of(state, stage)
        results.append(result)
    return results, None


def has_remote_source(root: Path) -> bool:
    """Return whether `data.source` is a remote address, whose changes only its ETags show."""
    from pipeline.data.sources.remote import is_remote

    try:
        return is_remote(params.load(root / "params.yaml").data.source)
    except InputError:  # reported by the run
        return False


def failure_of(state: State[Any], stage: str) -> StageFailed:
    """Return the failure that a task's state carries; a crashed task has only a message."""
    cause = state.result(raise_on_failure=False)
    return cause if isinstance(cause, StageFailed) else StageFailed(stage, None, state.message or str(state.name))


def create_artifacts(
    work: Workspace,
    results: list[StageResult],
    failure: StageFailed | None,
    verdict: dict[str, Any] | None,
    *,
    service: str | None,
) -> None:
    """Create the artifacts of a run."""
    create_markdown_artifact(
        key="retrain",
        markdown=render_markdown(results, failure, read_metrics(work.root), verdict),
        description="stages, promotion and metrics of one run",
    )
    if verdict is not None:
        create_table_artifact(key="promotion", table=format_checks(verdict), description=format_headline(verdict))
    if service and generates_images(work.root):
        create_image_artifact(
            key="samples",
            image_url=f"{service.rstrip('/')}/image.png?seed=7&n=64",
            description="images from the service",
        )


def generates_images(root: Path) -> bool:
    """Return whether the project's model generates images without an input image."""
    try:
        return not TASKS[params.load(root / "params.yaml").model.task].takes_input
    except InputError:  # reported by the run
        return True


def main(arguments: list[str]) -> int:
    """Run the flow once in the working directory; return the failed stage's exit code.

    The flow runs behind a guard, because a flow killed with SIGKILL would leave the server that Prefect starts for it.
    """
    if arguments == [ONCE]:
        return run_once(Path.cwd())
    with GuardedProcess(
        [sys.executable, "-m", "flows.retrain", ONCE], Path.cwd(), grace=FLOW_GRACE_SECONDS, capture=False
    ) as flow_run:
        try:
            return flow_run.wait()
        except KeyboardInterrupt:
            return 128 + signal.SIGINT


def run_once(root: Path) -> int:
    """Run the flow in this process and return the exit code."""
    state = retrain(root, return_state=True)
    if state.is_completed():
        return 0
    cause = state.result(raise_on_failure=False)
    code = getattr(cause, "exit_code", None)
    return code if isinstance(code, int) and code > 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
