"""The process around the application: its socket, its signals, and what it tolerates from a connection before there is a request."""

import asyncio
import os
import signal
import socket
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pipeline.errors import InputError
from pipeline.serving.http.app import create
from pipeline.serving.http.model_source import describe
from pipeline.serving.http.prometheus_metrics import log
from pipeline.serving.http.service import Service

LARGEST_HEAD = 64 * 1024
BACKLOG = 2048
KEEP_ALIVE = 75


class Connection(HttpToolsProtocol):
    """Ends a connection whose request head is too long, or does not come: uvicorn's fast parser alone bounds neither."""

    patience = 30.0
    head = 0
    timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self.arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.timer is not None:
            self.head += len(data)
        super().data_received(data)
        if self.timer is not None and self.head > LARGEST_HEAD and not self.transport.is_closing():
            self.send_400_response("Request head too long.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.wait()

    def on_headers_complete(self) -> None:
        self.arrived()
        super().on_headers_complete()

    def wait(self) -> None:
        if self.timer is None:
            self.head = 0
            self.timer = self.loop.call_later(self.patience, self.transport.close)

    def arrived(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class Server(uvicorn.Server):
    """uvicorn as the service needs it; says where it listens once it does."""

    def __init__(self, service: Service) -> None:
        self.service = service
        patient = type("Patient", (Connection,), {"patience": service.settings.timeout})
        super().__init__(
            uvicorn.Config(
                create(service),
                http=patient,
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE,
                timeout_graceful_shutdown=int(service.settings.timeout) + 1,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for one in sockets or []:
            host, port = one.getsockname()[:2]
            log(
                "serving",
                {
                    "url": f"http://{f'[{host}]' if ':' in host else host}:{port}",
                    **describe(self.service.keeper.served),
                },
            )


def serve(service: Service) -> None:
    """Runs until SIGTERM or SIGINT; then takes no new connection, answers what it has accepted, and returns.

    Raises InputError when the address cannot be bound.
    """
    settings = service.settings
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        listening = socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        number = getattr(error, "errno", None) or 0
        reason = os.strerror(number) if number > 0 else getattr(error, "strerror", None) or error
        raise InputError(
            f"{settings.host}:{settings.port}: cannot listen there ({reason}); choose another --host or --port"
        ) from None
    server = Server(service)
    # uvicorn raises the signal again when it has drained, for whoever had a handler before: nobody.
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        with listening:
            server.run(sockets=[listening])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    log("drained", {})
