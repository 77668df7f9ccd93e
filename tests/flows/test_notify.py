"""Notifications to a real webhook on loopback: only runs that need attention are reported."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from prefect.states import Cancelled, Completed, Crashed, Failed

from flows.notify import HELD, NOT_PROMOTED, choose_subject
from flows.stages import StageFailed
from tests.flows.project import Project

Messages = list[dict[str, Any]]


@pytest.fixture
def hook(api: str) -> Iterator[tuple[str, Messages]]:
    """The name of a saved block, and the messages that it has received."""
    from prefect.blocks.notifications import CustomWebhookNotificationBlock
    from pydantic import SecretStr

    messages: Messages = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            messages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    block: Any = CustomWebhookNotificationBlock(
        name="test",
        url=f"http://127.0.0.1:{server.server_port}/",
        json_data={"subject": "{{subject}}", "body": "{{body}}"},
        secrets={"none": SecretStr("")},
    )
    block.save("ganline-test", overwrite=True)
    yield "custom-webhook/ganline-test", messages
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("state", "subject"),
    [
        (Completed(), None),
        (Completed(name=NOT_PROMOTED), "not promoted"),
        (Completed(name=HELD), "held: needs approval"),
        (Failed(data=StageFailed("validate", 3, "x")), "rejected data"),
        (Failed(data=StageFailed("export", 5, "x")), "failed"),
        (Failed(), "failed"),
        (Crashed(), "failed"),
        (Cancelled(), None),
    ],
)
def test_only_some_states_are_reported(state: Any, subject: str | None) -> None:
    assert choose_subject(state) == subject


def test_rejected_data_is_reported_and_success_is_not(project: Project, hook: tuple[str, Messages]) -> None:
    from flows.retrain import retrain

    block, messages = hook
    project.one_stage("echo 'ganline: 3 images are too few' >&2; exit 3", "validate")
    assert retrain(project.root, promote=False, notify=block, return_state=True).is_failed()
    assert [each["subject"] for each in messages] == ["ganline: rejected data"]
    assert "validate: the data was rejected (exit 3): 3 images are too few" in messages[0]["body"]
    project.one_stage("echo well", "validate")
    assert retrain(project.root, promote=False, notify=block, return_state=True).is_completed()
    assert len(messages) == 1


def test_a_notification_that_cannot_be_sent_fails_no_run(
    project: Project, api: str, caplog: pytest.LogCaptureFixture
) -> None:
    from flows.retrain import retrain

    project.one_stage("exit 3", "validate")
    state: Any = retrain(project.root, promote=False, notify="slack-webhook/none", return_state=True)
    assert "validate: the data was rejected" in state.message
    assert "slack-webhook/none: the notification could not be sent" in caplog.text
