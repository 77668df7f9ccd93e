"""The process of the service: socket and signals."""

import asyncio
import logging
import os
import signal
import socket
import threading

import uvicorn

from pipeline.errors import InputError
from pipeline.serving.http.application import create_app
from pipeline.serving.http.connection import Connection
from pipeline.serving.http.inference_service import InferenceService
from pipeline.serving.http.json_log import log
from pipeline.serving.http.model_reloader import log_fields

BACKLOG = 2048
KEEP_ALIVE = 75

RESERVE = 1.0
"""Seconds at the end of the grace period for the answers to requests that are given up, and for the current batch."""


class UvicornServer(uvicorn.Server):
    """uvicorn with the service's settings; logs its address when it listens, and drains before it ends."""

    def __init__(self, service: InferenceService) -> None:
        self.service = service
        protocol = type("Connection", (Connection,), {"settings": service.settings, "metrics": service.metrics})
        super().__init__(
            uvicorn.Config(
                create_app(service),
                http=protocol,
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening and log the address."""
        await super().startup(sockets)
        for listener in sockets or []:
            host, port = listener.getsockname()[:2]
            url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
            threads = self.service.reloader.threads
            log("serving", {"url": url, "threads": threads, **log_fields(self.service.current)})

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve for `drain_seconds` more, close the port, and answer the accepted requests within `grace_seconds`."""
        settings, loop = self.service.settings, asyncio.get_running_loop()
        began = loop.time()
        self.service.draining = True
        log("draining", {"drain_seconds": settings.drain_seconds, "grace_seconds": settings.grace_seconds})
        if threading.current_thread() is threading.main_thread():  # the process is the service's own
            end_process_after(settings.grace_seconds)
        while loop.time() < began + settings.drain_seconds and not self.force_exit:
            await asyncio.sleep(0.1)
        left = max(0.0, settings.grace_seconds - RESERVE - (loop.time() - began))
        self.config.timeout_graceful_shutdown = left  # type: ignore[assignment]  # asyncio takes fractions, too
        await super().shutdown(sockets)


def end_process_after(seconds: float) -> None:
    """End the process then, whatever it waits for: a run of the model or a warm-up cannot be interrupted."""

    def end() -> None:
        log("cut off", {"reason": f"not ended within {seconds:g} s; see --grace-seconds"}, logging.WARNING)
        os._exit(0)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


def run_server(service: InferenceService) -> None:
    """Serve until SIGTERM or SIGINT, then drain.

    Raises InputError if the address cannot be bound.
    """
    settings = service.settings
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        listener = socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        number = getattr(error, "errno", None) or 0
        reason = os.strerror(number) if number > 0 else getattr(error, "strerror", None) or error
        raise InputError(
            f"{settings.host}:{settings.port}: cannot listen ({reason}). Choose another --host or --port."
        ) from None
    server = UvicornServer(service)
    # uvicorn raises the signal again after the shutdown, for earlier handlers; there are none.
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        with listener:
            server.run(sockets=[listener])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    log("drained", {})
