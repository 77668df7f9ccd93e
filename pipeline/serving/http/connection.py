"""One connection of the service: limits that uvicorn does not have, and the end of requests whose clients have left."""

import asyncio
import logging
import struct
import uuid
from typing import Any

import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from pipeline.serving.http.json_log import log, log_request
from pipeline.serving.http.prometheus_metrics import Metrics
from pipeline.serving.http.request_error import RequestError
from pipeline.serving.settings import ServeSettings

LARGEST_HEAD = 64 * 1024

LARGEST_FRAMING = 64 * 1024
"""Bytes of a chunked body that are neither data nor short chunk headers: chunk extensions and trailers."""

CHUNK_HEADER = 16
"""Bytes of a chunk's header and line ends that do not count towards `LARGEST_FRAMING`."""

LEAST_READ = 64 * 1024
"""Bytes of a response that a client must read within `timeout` seconds while more of it waits."""

LINGER = 1.0
"""Seconds in which a client that is still sending can read why it is refused."""

SURPLUS = 64
"""Connections beyond `max_connections` whose requests are read, so that health probes are answered."""

CONNECTION = "ganline.connection"
"""Key of the connection in the ASGI scope."""


class Connection(HttpToolsProtocol):
    """Close connections whose request head is too long or too slow, or whose client does not read its response.

    Requests whose clients have left are cancelled.

    Attributes:
        settings, metrics: Those of the service; set by a subclass.
        request: The task that answers the current request, as `RequestGuard` records it.
        running: The same request in uvicorn.
        client_left: The connection is closed, or about to be.
        surplus: There were `max_connections` others. Only health probes are answered.
        refused: What the client sent is no request. It is ignored until the connection closes.
        receiving: The head of a request has arrived, and its body has not.
        framing: Bytes around the data of the body; see `LARGEST_FRAMING`.
        unsent: Bytes of the response that waited for the client at the last look; None if few wait.
    """

    settings: ServeSettings
    metrics: Metrics
    head_bytes = 0
    timer: asyncio.TimerHandle | None = None
    request: "asyncio.Task[Any] | None" = None
    running: RequestResponseCycle | None = None
    client_left = False
    surplus = False
    refused = False
    url = b""
    receiving = False
    framing = 0
    unsent: int | None = None
    write_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Start the timer, unless there are too many connections."""
        super().connection_made(transport)
        excess = len(self.connections) - self.settings.max_connections
        self.surplus = excess > 0 and not self.close_an_idle_one()
        if self.surplus and excess > SURPLUS:
            self.transport.abort()
        else:
            self.start_timer()

    def close_an_idle_one(self) -> bool:
        """Close a connection that waits for its next request, to make room. Return False if there is none."""
        others = (other for other in self.connections if isinstance(other, Connection))
        idle = next((other for other in others if other.idle), None)
        if idle is not None:
            idle.transport.close()
        return idle is not None

    @property
    def idle(self) -> bool:
        """Whether the last response is sent and no further request has begun."""
        return self.answered and self.timer is None and self.unsent is None and not self.transport.is_closing()

    @property
    def answered(self) -> bool:
        """Whether there was a request, and the last one is answered."""
        return self.cycle is not None and self.cycle.response_complete

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timers and cancel the request."""
        self.stop_timer()
        self.stop_write_timer()
        self.drop_request()
        super().connection_lost(exc)

    def drop_request(self) -> None:
        """Cancel the request, and ignore its response."""
        self.client_left = True
        if self.request is not None:
            self.request.cancel()
        if self.running is not None:
            self.running.disconnected = True  # uvicorn marks the last request of a pipeline only

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Remember which request of a pipeline is answered."""
        self.running = cycle
        super()._start_asgi_task(cycle, app)

    def data_received(self, data: bytes) -> None:
        """Count the bytes of the head, and those around the data of the body."""
        if self.refused:
            return
        if self.receiving:
            self.framing += len(data)
        elif self.timer is not None:
            self.head_bytes += len(data)
        super().data_received(data)
        if self.refused or self.transport.is_closing():
            return
        if self.receiving:
            self.framing = max(self.framing, 0)
            if self.framing > LARGEST_FRAMING:
                self.cycle.message_event.set()  # the application looks at `framing` when it receives
        elif self.timer is not None and self.head_bytes > LARGEST_HEAD:
            status = 414 if len(self.url) > LARGEST_HEAD // 2 else 431
            self.refuse(RequestError(status, f"the address and the headers have over {LARGEST_HEAD:,} bytes."))
        elif self.timer is None and self.timeout_keep_alive_task is None and self.answered:
            self.start_timer()  # uvicorn's timer of idle connections is off

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request."""
        self.refuse(RequestError(400, "not a valid HTTP/1.1 request. Send HTTP/1.1 without TLS."))

    def refuse(self, error: RequestError) -> None:
        """Answer what never becomes a request, and close the connection once the client can have read that."""
        if self.running is not None and self.running.response_started and not self.running.response_complete:
            self.transport.close()
            return
        self.drop_request()
        request_id = uuid.uuid4().hex
        content = orjson.dumps({"error": error.message})
        headers = {
            b"content-type": b"application/json",
            b"content-length": b"%d" % len(content),
            b"x-request-id": request_id.encode(),
            b"connection": b"close",
        }
        lines = [b"%s: %s\r\n" % pair for pair in (*self.server_state.default_headers, *headers.items())]
        self.transport.write(b"".join([STATUS_LINE[error.status], *lines, b"\r\n", content]))
        self.transport.write_eof()
        self.refused = True
        self.stop_timer()
        self.timer = self.loop.call_later(LINGER, self.transport.close)
        self.metrics.record_request("none", error.status, 0.0)
        log_request({"method": "", "path": "", "client": self.client}, request_id, error.status, 0.0)

    def on_message_begin(self) -> None:
        """Start the timer for the next request of the connection."""
        super().on_message_begin()
        self.start_timer()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Ignore trailers: they are no headers."""
        if not self.receiving:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Stop the timer, and count the bytes of the body."""
        self.stop_timer()
        self.receiving, self.framing = True, 0
        self.scope[CONNECTION] = self  # type: ignore[literal-required]
        super().on_headers_complete()

    def on_chunk_header(self) -> None:
        """Allow each chunk its header."""
        self.framing -= CHUNK_HEADER

    def on_body(self, body: bytes) -> None:
        """Count the data of the body out."""
        self.framing -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the count."""
        self.receiving = False
        self.stop_timer()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Read the rest of a body that was answered early, for a limited time."""
        super().on_response_complete()
        if self.receiving:
            self.start_timer()

    def start_timer(self) -> None:
        """Close the connection after `timeout` seconds unless the head, or the rest of a body, arrives."""
        if self.timer is None:
            self.head_bytes = 0
            self.timer = self.loop.call_later(self.settings.timeout, self.transport.close)

    def stop_timer(self) -> None:
        """Let the connection live."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def pause_writing(self) -> None:
        """Start to look whether the client reads."""
        super().pause_writing()
        self.await_reader()

    def resume_writing(self) -> None:
        """Stop to look."""
        self.stop_write_timer()
        super().resume_writing()

    def await_reader(self) -> None:
        """Close the connection if the client has hardly read since the last look, and look again later."""
        waiting = self.transport.get_write_buffer_size() + bytes_in_kernel(self.transport)
        if self.unsent is not None and waiting > self.unsent - LEAST_READ:
            client = self.client[0] if self.client else None
            log("response not read", {"client": client, "unsent_bytes": waiting}, logging.WARNING)
            self.transport.abort()
            return
        self.unsent = waiting
        self.write_timer = self.loop.call_later(self.settings.timeout, self.await_reader)

    def stop_write_timer(self) -> None:
        """Forget the response that waited."""
        self.unsent = None
        if self.write_timer is not None:
            self.write_timer.cancel()
            self.write_timer = None


def bytes_in_kernel(transport: asyncio.Transport) -> int:
    """Return the sent bytes that the client has not received yet; 0 where the system does not say.

    The kernel takes several MB. A slow client is seen to read only if they count.
    """
    try:
        import fcntl
        import termios

        count: int = struct.unpack("i", fcntl.ioctl(transport.get_extra_info("socket"), termios.TIOCOUTQ, bytes(4)))[0]
    except (ImportError, OSError):
        return 0
    return count
