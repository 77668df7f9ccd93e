"""A closed-loop HTTP client: each connection repeats the same request as soon as it is answered.

It uses asyncio without an HTTP library, because on a small machine the client competes with the server for the CPU.
"""

import asyncio
import re
import time
from dataclasses import dataclass, field
from typing import cast

LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)


@dataclass
class Load:
    """Latencies of all requests during the measurement in seconds, and the number of answers other than 200."""

    seconds: list[float] = field(default_factory=list)
    failed: int = 0
    wall: float = 0.0

    @property
    def per_second(self) -> float:
        """Requests per second."""
        return len(self.seconds) / self.wall

    def percentile(self, fraction: float) -> float:
        """Return a percentile of the latency in milliseconds."""
        ranked = sorted(self.seconds)
        return 1000 * ranked[min(len(ranked) - 1, int(fraction * len(ranked)))]


class Client(asyncio.Protocol):
    """One connection. Answers must have a Content-Length, as those of both servers do."""

    def __init__(self, request: bytes, load: Load, running: asyncio.Event, ended: "asyncio.Future[None]") -> None:
        self.request, self.load, self.measuring, self.ended = request, load, running, ended
        self.received, self.needed = bytearray(), 0
        self.stopping = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.send()

    def send(self) -> None:
        """Send the request."""
        self.received.clear()
        self.needed = 0
        self.began = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.received += data
        if not self.needed and (end := self.received.find(b"\r\n\r\n")) >= 0:
            length = LENGTH.search(self.received, 0, end)
            assert length, bytes(self.received[:end])
            self.needed = end + 4 + int(length[1])
        if not self.needed or len(self.received) < self.needed:
            return
        if self.measuring.is_set():
            if self.received.startswith(b"HTTP/1.1 200"):
                self.load.seconds.append(time.perf_counter() - self.began)
            else:
                self.load.failed += 1
        if self.stopping:
            self.transport.close()
        else:
            self.send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            if self.stopping:
                self.ended.set_result(None)
            else:
                self.ended.set_exception(exc or ConnectionError("the server closed the connection"))


def http(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    """Return the bytes of a POST request."""
    head = [
        f"POST {path} HTTP/1.1",
        "Host: benchmark",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


async def run(host: str, port: int, request: bytes, clients: int, seconds: float, warm_up: float = 1.0) -> Load:
    """Load the server with `clients` connections; measure for `seconds` after a warm-up."""
    load, measuring = Load(), asyncio.Event()
    loop = asyncio.get_running_loop()
    connected: list[Client] = []
    for _ in range(clients):
        _, client = await loop.create_connection(
            lambda: Client(request, load, measuring, loop.create_future()), host, port
        )
        connected.append(client)
    await asyncio.sleep(warm_up)
    measuring.set()
    began = time.perf_counter()
    await asyncio.sleep(seconds)
    load.wall = time.perf_counter() - began
    measuring.clear()
    for client in connected:
        client.stopping = True
    await asyncio.gather(*(client.ended for client in connected))
    return load
