"""The line on a schedule: every stage of dvc.yaml as one Prefect task, the promotion last. `python -m flows.retrain` runs it once, here.

What is done, and whether it needs doing, is DVC's business: after a run `dvc repro` has nothing to do,
and after `dvc repro` a run reports every stage Unchanged.
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
from flows.artifacts import checks, headline, markdown
from flows.clone import BRANCH, Busy, Workspace, deliver, workspace
from flows.notify import NOT_PROMOTED, tell
from flows.process import Guarded
from flows.stages import UNCHANGED, Outcome, ProjectError, StageFailed, ganline, in_order, metrics, reproduce
from pipeline import params
from pipeline.errors import InputError

RETRIES = {"train": 2}
"""Only training is worth a second try: it resumes from its checkpoint after a machine's fault. Other stages fail the same way again."""

RETRY_DELAY_SECONDS = 10

PROMOTION = Path("metrics", "promotion.json")

ONCE = "--once"
# Longer than a stage's own grace, so that the flow can end its stage and report.
FLOW_GRACE_SECONDS = 30.0

FINAL_EXIT_CODES = (2, 3, 5)
"""Bad parameters, rejected data and a refused gate are verdicts, not accidents."""


def may_retry(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Whether a failure could go away by itself."""
    return not (isinstance(state.data, StageFailed) and state.data.exit_code in FINAL_EXIT_CODES)


@task(
    task_run_name="{stage}",
    retry_condition_fn=may_retry,
    retry_delay_seconds=RETRY_DELAY_SECONDS,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def run_stage(root: Path, stage: str, settings: Mapping[str, str] | None = None) -> State[Outcome]:
    """One stage in a child process; the state's name is Ran, Unchanged or Restored."""
    try:
        outcome = reproduce(root, stage, get_run_logger().info, settings)
    except StageFailed as failure:
        # Returned, not raised: the message is for people, a traceback through Prefect says nothing more.
        return Failed(message=str(failure), data=failure)
    return Completed(name=outcome.state, message=f"{outcome.state} in {outcome.seconds:.1f} s", data=outcome)


@task(name="promote", task_run_name="promote", cache_policy=NO_CACHE, persist_result=False)
def run_promotion(work: Workspace) -> State[dict[str, Any]]:
    """`ganline promote`; the state's name is Promoted, Not promoted, or Unchanged where that was so before."""
    path = work.root / PROMOTION
    before = path.read_bytes() if path.is_file() else b""
    try:
        ganline(work.root, ["promote"], get_run_logger().info, work.settings)
    except StageFailed as failure:
        return Failed(message=str(failure), data=failure)
    after = path.read_bytes()
    verdict = json.loads(after)
    return Completed(
        name=UNCHANGED if after == before else verdict["outcome"].capitalize(), message=headline(verdict), data=verdict
    )


@flow(
    name="retrain", log_prints=False, persist_result=False, on_completion=[tell], on_failure=[tell], on_crashed=[tell]
)
def retrain(
    root: Path | str = Path(),
    own_clone: bool = False,
    branch: str | None = None,
    promote: bool = True,
    notify: str | None = None,
    service: str | None = None,
) -> dict[str, str] | State[Any]:
    """Brings every stage of the project in `root` up to date, in DVC's order, stops at the first that fails, and promotes what came of it.

    `own_clone`: work in a clone of `root` (a folder, or a repository's address) at the newest commit of `branch`, and push dvc.lock and the metrics to
    its branch ganline/retrain; a person's checkout is not touched. `notify`: a notification block, "slack-webhook/ops", that is told what needs
    somebody. `service`: the address of a `ganline serve` whose pictures are shown with the run.

    Returns the stages' states by name. Leaves artifacts: markdown `retrain` with the stages and metrics, table `promotion` with its checks, image `samples`
    where the model draws pictures.
    """
    try:
        with workspace(root, own_clone, branch) as work:
            arrivals.begun(root, work.root)
            return bring_up_to_date(work, promote, service)
    except Busy as error:
        return Cancelled(message=str(error))
    except ProjectError as error:
        return Failed(message=str(error), data=error)


def bring_up_to_date(work: Workspace, promote: bool, service: str | None) -> dict[str, str] | State[Any]:
    """The stages, the promotion, the artifacts, and the commit."""
    outcomes: list[Outcome] = []
    failure: StageFailed | None = None
    for stage in in_order(work.root):
        # Called, not submitted: a cancel must interrupt it.
        run = run_stage.with_options(name=stage, retries=RETRIES.get(stage.partition("@")[0], 0))
        state = run(work.root, stage, work.settings, return_state=True)
        result = state.result(raise_on_failure=False)
        if not isinstance(result, Outcome):
            failure = (
                result
                if isinstance(result, StageFailed)
                else StageFailed(stage, None, state.message or str(state.name))
            )
            break
        outcomes.append(result)
    verdict: dict[str, Any] | None = None
    states = {outcome.stage: outcome.state for outcome in outcomes}
    if promote and failure is None:
        ended: State[Any] = run_promotion(work, return_state=True)
        found = ended.result(raise_on_failure=False)
        if isinstance(found, dict):
            verdict, states["promote"] = found, str(ended.name)
        else:
            failure = (
                found
                if isinstance(found, StageFailed)
                else StageFailed("promote", None, ended.message or str(ended.name))
            )
    leave(work, outcomes, failure, verdict, service)
    commit = deliver(work, f"retrain: {headline(verdict) if verdict else failure.reason if failure else 'up to date'}")
    if commit:
        get_run_logger().info(f"dvc.lock and metrics are commit {commit[:12]} on {BRANCH}")
    if failure is not None:
        return Failed(message=str(failure), data=failure)
    if verdict is None:
        return states
    words = "; ".join([headline(verdict), *verdict["reasons"]])
    return Completed(
        name=NOT_PROMOTED if states["promote"] == NOT_PROMOTED else "Completed", message=words, data=states
    )


def leave(
    work: Workspace,
    outcomes: list[Outcome],
    failure: StageFailed | None,
    verdict: dict[str, Any] | None,
    service: str | None,
) -> None:
    """The artifacts of a run."""
    create_markdown_artifact(
        key="retrain",
        markdown=markdown(outcomes, failure, metrics(work.root), verdict),
        description="stages, promotion and metrics of one run",
    )
    if verdict is not None:
        create_table_artifact(key="promotion", table=checks(verdict), description=headline(verdict))
    if service and draws(work.root):
        create_image_artifact(
            key="samples",
            image_url=f"{service.rstrip('/')}/image.png?seed=7&n=64",
            description="what the service serves",
        )


def draws(root: Path) -> bool:
    """Whether the project's model makes pictures of nothing: a service of any other has none to show."""
    try:
        return params.load(root / "params.yaml").model.task == "generate"
    except InputError:  # the run has said so
        return True


def main(arguments: list[str]) -> int:
    """Runs once in the project of the working directory; the exit code is the failed stage's own.

    The flow runs behind a guard: killed without a chance to clean up, it would leave the server that Prefect starts for it.
    """
    if arguments == [ONCE]:
        return once(Path.cwd())
    with Guarded(
        [sys.executable, "-m", "flows.retrain", ONCE], Path.cwd(), grace=FLOW_GRACE_SECONDS, capture=False
    ) as flow_run:
        try:
            return flow_run.wait()
        except KeyboardInterrupt:
            return 128 + signal.SIGINT


def once(root: Path) -> int:
    """One run in this process."""
    state = retrain(root, return_state=True)
    if state.is_completed():
        return 0
    cause = state.result(raise_on_failure=False)
    code = getattr(cause, "exit_code", None)
    return code if isinstance(code, int) and code > 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
