"""The line on a schedule: every stage of dvc.yaml as one Prefect task. `python -m flows.retrain` runs it once, here.

What is done, and whether it needs doing, is DVC's business: after a run `dvc repro` has nothing to do,
and after `dvc repro` a run reports every stage Unchanged.
"""

import sys
from pathlib import Path
from typing import Any

from prefect import Task, flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.states import Completed, Failed

from flows.report import markdown
from flows.stages import Outcome, ProjectError, StageFailed, in_order, metrics, reproduce

RETRIES = {"train": 2}
"""Only training is worth a second try: it resumes from its checkpoint after a machine's fault. Other stages fail the same way again."""

RETRY_DELAY_SECONDS = 10

FINAL_EXIT_CODES = (2, 3, 5)
"""Bad parameters, rejected data and a refused gate are verdicts, not accidents."""


def may_retry(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Whether a failure could go away by itself."""
    return not (isinstance(state.data, StageFailed) and state.data.exit_code in FINAL_EXIT_CODES)


@task(task_run_name="{stage}", retry_condition_fn=may_retry, retry_delay_seconds=RETRY_DELAY_SECONDS, cache_policy=NO_CACHE, persist_result=False)
def run_stage(root: Path, stage: str) -> State[Outcome]:
    """One stage in a child process; the state's name is Ran, Unchanged or Restored."""
    try:
        outcome = reproduce(root, stage, get_run_logger().info)
    except StageFailed as failure:
        # Returned, not raised: the message is for people, a traceback through Prefect says nothing more.
        return Failed(message=str(failure), data=failure)
    return Completed(name=outcome.state, message=f"{outcome.state} in {outcome.seconds:.1f} s", data=outcome)


@flow(name="retrain", log_prints=False, persist_result=False)
def retrain(root: Path = Path()) -> dict[str, str] | State[Any]:
    """Brings every stage of the project in `root` up to date, in DVC's order, and stops at the first that fails.

    Returns the stages' states by name. Leaves a markdown artifact `retrain` with the stages and metrics.
    """
    root = root.resolve()
    try:
        stages = in_order(root)
    except ProjectError as error:
        return Failed(message=str(error), data=error)
    outcomes: list[Outcome] = []
    failure: StageFailed | None = None
    for stage in stages:
        # Called, not submitted: a cancel must interrupt it.
        state = run_stage.with_options(name=stage, retries=RETRIES.get(stage.partition("@")[0], 0))(root, stage, return_state=True)
        result = state.result(raise_on_failure=False)
        if not isinstance(result, Outcome):
            failure = result if isinstance(result, StageFailed) else StageFailed(stage, None, state.message or str(state.name))
            break
        outcomes.append(result)
    create_markdown_artifact(key="retrain", markdown=markdown(outcomes, failure, metrics(root)), description="stages and metrics of one run")
    if failure is not None:
        return Failed(message=str(failure), data=failure)
    return {outcome.stage: outcome.state for outcome in outcomes}


def main() -> int:
    """Runs once in the project of the working directory; the exit code is the failed stage's own."""
    state = retrain(Path.cwd(), return_state=True)
    if state.is_completed():
        return 0
    cause = state.result(raise_on_failure=False)
    code = getattr(cause, "exit_code", None)
    return code if isinstance(code, int) and code > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
