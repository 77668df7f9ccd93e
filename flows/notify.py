"""Tells people what needs them: not promoted, failed, rejected data. By any notification block of Prefect: Slack, Teams, mail, a webhook ..."""

from typing import Any

from prefect import Flow, get_run_logger
from prefect.blocks.core import Block
from prefect.client.schemas.objects import FlowRun, State

from flows.stages import StageFailed

NOT_PROMOTED = "Not promoted"
REJECTED = 3


def tell(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """A state hook: sends the run's end to the block that its parameter `notify` names ("slack-webhook/ops"), where that is news.

    A notification that cannot be sent is a line in the log, not a failure of the run.
    """
    block, subject = flow_run.parameters.get("notify"), news(state)
    if not block or subject is None:
        return
    try:
        found: Any = Block.load(block)
        found.notify(f"{flow_run.name}: {state.message or state.name}", subject=f"ganline: {subject}")
    except Exception as error:  # noqa: BLE001 - every service raises its own
        get_run_logger().error(f"{block}: the notification could not be sent: {error}")


def news(state: State[Any]) -> str | None:
    """What an end is called; None for one that needs nobody."""
    if state.is_completed():
        return "not promoted" if state.name == NOT_PROMOTED else None
    if state.is_cancelled() or state.is_cancelling():
        return None
    cause = getattr(state.data, "result", state.data)  # Prefect wraps what a flow returns
    return "rejected data" if isinstance(cause, StageFailed) and cause.exit_code == REJECTED else "failed"
