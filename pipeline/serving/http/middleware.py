"""What every request passes on its way in and out: token, limits, the clock, the log."""

import asyncio
import hmac
import logging
import re
import time
import uuid
from collections.abc import Mapping

from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.serving.http.http_error import Refusal
from pipeline.serving.http.prometheus_metrics import LOGGER, Metrics, log
from pipeline.serving.settings import ServeSettings

OPEN = ("/", "/v2/health/live", "/v2/health/ready")
"""Paths that need no token: the page, which asks for it, and what orchestrators probe."""
QUIET = ("/v2/health/live", "/v2/health/ready", "/metrics")
"""Paths that are asked for every few seconds, and fill no log."""
READ = {b"x-request-id", b"authorization", b"content-encoding", b"content-length"}
TIDY = re.compile(r"[\w.:-]{1,64}", re.ASCII)
SHOWN = 500
"""Characters of a path that the log shows."""


class Guard:
    """ASGI middleware. Every answer passes `send` here, an error's too; nothing that fails gets past it."""

    def __init__(self, app: ASGIApp, settings: ServeSettings, metrics: Metrics) -> None:
        self.app = app
        self.settings = settings
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        headers = {name: value for name, value in reversed(scope["headers"]) if name in READ}
        asked = headers.get(b"x-request-id", b"").decode("latin-1")
        request_id = asked if TIDY.fullmatch(asked) else uuid.uuid4().hex
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", request_id.encode()),
                    (b"x-content-type-options", b"nosniff"),
                ]
            await send(message)

        try:
            if refusal := self.refusal(scope, headers):
                await answer(refusal)(scope, receive, sending)
            else:
                await self.app(scope, self.limited(receive), sending)
        except Exception:  # noqa: BLE001 - it is logged whole, and the client learns where
            LOGGER.exception("failed", extra={"fields": {"request_id": request_id}})
            if not status:
                await answer(
                    Refusal(500, f"an error of the service; its log has it under the request id {request_id}")
                )(scope, receive, sending)
        finally:
            seconds = time.perf_counter() - began
            self.metrics.request(getattr(scope.get("route"), "path", "none"), status, seconds)
            if scope["path"] not in QUIET:
                note(scope, request_id, status, seconds)

    def refusal(self, scope: Scope, headers: Mapping[bytes, bytes]) -> Refusal | None:
        """What is plain from the request's head alone."""
        if self.settings.token and scope["path"] not in OPEN:
            expected = f"Bearer {self.settings.token.get_secret_value()}".encode()
            if not hmac.compare_digest(headers.get(b"authorization", b""), expected):
                return Refusal(401, "a token is needed: send it as `Authorization: Bearer TOKEN`")
        if headers.get(b"content-encoding", b"identity") != b"identity":
            return Refusal(415, "compressed bodies are not read; send it as it is")
        length = headers.get(b"content-length", b"")
        if length.isdigit() and (len(length) > 18 or int(length) > self.settings.max_body):
            return self.too_long()
        return None

    def limited(self, receive: Receive) -> Receive:
        """`receive` that ends with a Refusal when the body is too long, or too slow."""
        got, complete = 0, False
        deadline = asyncio.get_running_loop().time() + self.settings.timeout

        async def receiving() -> Message:
            nonlocal got, complete
            if complete:
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise Refusal(408, f"the body did not arrive within {self.settings.timeout:g} s") from None
            got += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if got > self.settings.max_body:
                raise self.too_long()
            return message

        return receiving

    def too_long(self) -> Refusal:
        return Refusal(
            413,
            f"a body may have {self.settings.max_body} bytes; send fewer images at a time, as binary tensors, or a smaller picture",
        )


def answer(refusal: Refusal) -> JSONResponse:
    return JSONResponse({"error": refusal.message}, refusal.status, headers=refusal.headers)


def note(scope: Mapping[str, object], request_id: str, status: int, seconds: float) -> None:
    client = scope.get("client")
    fields = {
        "id": request_id,
        "method": scope["method"],
        "path": str(scope["path"])[:SHOWN],
        "status": status,
        "ms": round(1000 * seconds, 3),
        "client": client[0] if isinstance(client, (tuple, list)) else None,
    }
    log("request", fields, logging.ERROR if status in (0, 500) else logging.INFO)
