"""One connection of the service: limits that uvicorn does not have, and the end of requests whose clients have left."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LARGEST_HEAD = 64 * 1024

CONNECTION = "ganline.connection"
"""Key of the connection in the ASGI scope."""


class Connection(HttpToolsProtocol):
    """Close connections whose request head is too long or too slow; cancel requests whose clients have left.

    Attributes:
        request: The task that answers the current request, as `RequestGuard` records it.
        client_left: The connection is closed.
    """

    head_timeout = 30.0
    head_bytes = 0
    timer: asyncio.TimerHandle | None = None
    request: "asyncio.Task[Any] | None" = None
    client_left = False

    def connection_made(self, transport: Any) -> None:
        """Start the timer."""
        super().connection_made(transport)
        self.start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer and cancel the request."""
        self.stop_timer()
        self.client_left = True
        if self.request is not None:
            self.request.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count the bytes of the head."""
        if self.timer is not None:
            self.head_bytes += len(data)
        super().data_received(data)
        if self.timer is not None and self.head_bytes > LARGEST_HEAD and not self.transport.is_closing():
            self.send_400_response("Request head too long.")

    def on_message_begin(self) -> None:
        """Start the timer for the next request of the connection."""
        super().on_message_begin()
        self.start_timer()

    def on_headers_complete(self) -> None:
        """Stop the timer."""
        self.stop_timer()
        self.scope[CONNECTION] = self  # type: ignore[literal-required]
        super().on_headers_complete()

    def start_timer(self) -> None:
        """Close the connection after `head_timeout` seconds unless the head arrives."""
        if self.timer is None:
            self.head_bytes = 0
            self.timer = self.loop.call_later(self.head_timeout, self.transport.close)

    def stop_timer(self) -> None:
        """Accept the head."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
