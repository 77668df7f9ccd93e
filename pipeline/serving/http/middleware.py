"""Checks and records of every request: token, limits, metrics, log."""

import asyncio
import hmac
import re
import time
import uuid
from collections.abc import Mapping

from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.media.wording import say
from pipeline.serving.http.connection import CONNECTION, Connection
from pipeline.serving.http.inference_service import InferenceService, shutting_down
from pipeline.serving.http.json_log import LOGGER, log_request
from pipeline.serving.http.request_body import RequestBody, body_too_long
from pipeline.serving.http.request_error import RequestError

HEALTH_PATHS = ("/v2/health/live", "/v2/health/ready")

PUBLIC_PATHS = ("/", *HEALTH_PATHS)
"""Paths without a token: the page, which asks for it, and the probes of orchestrators."""

UNLOGGED_PATHS = (*HEALTH_PATHS, "/metrics")
"""Paths that are polled every few seconds."""

USED_HEADERS = {b"x-request-id", b"authorization", b"content-encoding", b"content-length"}
REQUEST_ID = re.compile(r"[\w.:-]{1,64}", re.ASCII)

CLIENT_CLOSED = 499
"""Status in the log and the metrics if the client left before its response."""


class RequestGuard:
    """ASGI middleware around the application. All responses pass through it, those of errors included."""

    def __init__(self, app: ASGIApp, service: InferenceService) -> None:
        self.app = app
        self.service = service
        self.settings = service.settings
        self.metrics = service.metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check one request, pass it on, and record it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        connection: Connection | None = scope.get(CONNECTION)
        if connection is not None:
            connection.request = asyncio.current_task()
        headers = {name: value for name, value in reversed(scope["headers"]) if name in USED_HEADERS}
        sent_id = headers.get(b"x-request-id", b"").decode("latin-1")
        request_id = sent_id if REQUEST_ID.fullmatch(sent_id) else uuid.uuid4().hex
        status = 0
        # The server omits the body of the response.
        inner = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", request_id.encode()),
                    (b"x-content-type-options", b"nosniff"),
                ]
                if self.service.draining or (connection is not None and connection.surplus):
                    message["headers"].append((b"connection", b"close"))
            await send(message)

        try:
            try:
                self.check_head(scope, headers, connection)
                encoding = headers.get(b"content-encoding", b"").decode("latin-1").strip().lower()
                body = RequestBody(receive, self.settings, connection, encoding)
            except RequestError as error:
                await error_response(error, self.service)(scope, receive, send_with_headers)
            else:
                await self.app(inner, body.receive, send_with_headers)
        except Exception:  # noqa: BLE001 - logged with its traceback; the client gets the request id
            LOGGER.exception("failed", extra={"fields": {"request_id": request_id}})
            if not status:
                internal = RequestError(500, f"internal error; see the service's log for request id {request_id}.")
                await error_response(internal, self.service)(scope, receive, send_with_headers)
        except asyncio.CancelledError:
            if connection is not None and connection.client_left:
                status = status or CLIENT_CLOSED
            elif self.service.draining and not status:
                await error_response(shutting_down(), self.service)(scope, receive, send_with_headers)
            else:
                raise
        finally:
            if connection is not None:
                connection.request = None
            seconds = time.perf_counter() - began
            self.metrics.record_request(getattr(inner.get("route"), "path", "none"), status, seconds)
            if scope["path"] not in UNLOGGED_PATHS:
                log_request(scope, request_id, status, seconds)

    def check_head(self, scope: Scope, headers: Mapping[bytes, bytes], connection: Connection | None) -> None:
        """Raise RequestError if the head of the request, or its connection, shows that it is refused."""
        if connection is not None and connection.surplus and scope["path"] not in HEALTH_PATHS:
            raise RequestError(503, f"over {self.settings.max_connections} connections are open. Try again.", 1)
        if self.settings.token and scope["path"] not in PUBLIC_PATHS:
            expected = f"Bearer {self.settings.token.get_secret_value()}".encode()
            if not hmac.compare_digest(headers.get(b"authorization", b""), expected):
                raise RequestError(401, "a token is required. Send it as `Authorization: Bearer TOKEN`.")
        length = headers.get(b"content-length", b"")
        if length.isdigit() and (len(length) > 18 or int(length) > self.settings.max_body):
            raise body_too_long(self.settings)


def error_response(error: RequestError, service: InferenceService) -> JSONResponse:
    """Return the response of an error, with the word for the items of the served model."""
    message = say(error.message, service.current.graph.medium.noun)
    return JSONResponse({"error": message}, error.status, headers=error.headers)
