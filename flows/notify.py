"""Send a notification when a run needs attention: held, not promoted, failed, or rejected data."""

from typing import Any

from prefect import Flow, get_run_logger
from prefect.blocks.core import Block
from prefect.client.schemas.objects import FlowRun, State

from flows.stages import StageFailed

NOT_PROMOTED, HELD = "Not promoted", "Held"
"""States of a run whose model was not promoted. A held model needs the approval of a person."""

REJECTED = 3


def send_notification(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Notify the block that the run's parameter `notify` names ("slack-webhook/ops"), if the run needs attention.

    A Prefect state hook. Any notification block works. If sending fails, the error is logged and the run continues.
    """
    name, subject = flow_run.parameters.get("notify"), choose_subject(state)
    if not name or subject is None:
        return
    try:
        block: Any = Block.load(name)
        block.notify(f"{flow_run.name}: {state.message or state.name}", subject=f"ganline: {subject}")
    except Exception as error:  # noqa: BLE001 - every service raises its own
        get_run_logger().error(f"{name}: the notification could not be sent: {error}")


def choose_subject(state: State[Any]) -> str | None:
    """Return the notification's subject for a final state; None if the run needs no attention."""
    if state.is_completed():
        return {NOT_PROMOTED: "not promoted", HELD: "held: needs approval"}.get(state.name or "")
    if state.is_cancelled() or state.is_cancelling():
        return None
    cause = getattr(state.data, "result", state.data)  # Prefect wraps what a flow returns
    return "rejected data" if isinstance(cause, StageFailed) and cause.exit_code == REJECTED else "failed"
