"""The body of a request: decompression, and limits of its size, of its time, and of the framing around it."""

import asyncio
import zlib

from starlette.types import Message, Receive

from pipeline.serving.http.connection import LARGEST_FRAMING, Connection
from pipeline.serving.http.request_error import RequestError
from pipeline.serving.settings import ServeSettings

WINDOW_BITS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
"""zlib's parameter for each Content-Encoding that is accepted."""


class Decompressor:
    """Decompress a body piece by piece. A gzip body may have several members."""

    def __init__(self, encoding: str, settings: ServeSettings) -> None:
        """Raise RequestError for an unknown encoding."""
        if encoding not in WINDOW_BITS:
            raise RequestError(
                415,
                f"bodies with Content-Encoding {encoding[:50]!r} are not supported. "
                "Send the body uncompressed, or with gzip or deflate.",
                extra={"Accept-Encoding": "gzip, deflate"},
            )
        self.encoding, self.settings = encoding, settings
        self.left = settings.max_body
        self.stream = zlib.decompressobj(WINDOW_BITS[encoding])

    def decompress(self, data: bytes) -> bytes:
        """Return what the next bytes contain. Raises RequestError if they are damaged, or if that is too long."""
        parts = []
        while data:
            if self.stream.eof:
                self.stream = zlib.decompressobj(WINDOW_BITS[self.encoding])
            try:
                parts.append(self.stream.decompress(data, self.left + 1))
            except zlib.error:
                raise damaged(self.encoding) from None
            self.left -= len(parts[-1])
            if self.left < 0:
                raise body_too_long(self.settings)
            data = self.stream.unused_data
        return b"".join(parts)

    def finish(self) -> None:
        """Raise RequestError if the end is missing."""
        if not self.stream.eof:
            raise damaged(self.encoding)


class RequestBody:
    """A body as the application receives it.

    Attributes:
        received: Bytes of the body so far as they were sent, without chunk headers and trailers.
        complete: The body has arrived.
    """

    def __init__(self, receive: Receive, settings: ServeSettings, connection: Connection | None, encoding: str) -> None:
        """Raise RequestError for an unknown Content-Encoding."""
        self.receive_message = receive
        self.settings = settings
        self.connection = connection
        self.decompressor = None if encoding in ("", "identity") else Decompressor(encoding, settings)
        self.received, self.complete = 0, False
        self.deadline = asyncio.get_running_loop().time() + settings.timeout

    async def receive(self) -> Message:
        """Return the next message, decompressed. Raises RequestError if the body is damaged, too long or too slow."""
        if self.complete:
            return await self.receive_message()
        try:
            async with asyncio.timeout_at(self.deadline):
                message = await self.receive_message()
        except TimeoutError:
            raise RequestError(408, f"the body did not arrive within {self.settings.timeout:g} s.") from None
        if self.connection is not None and self.connection.framing > LARGEST_FRAMING:
            raise RequestError(400, "chunk extensions or trailers are too long. Send the body without them.")
        self.received += len(message.get("body", b""))
        self.complete = not message.get("more_body", False)
        if self.received > self.settings.max_body:
            raise body_too_long(self.settings)
        if self.decompressor is not None:
            message["body"] = self.decompressor.decompress(message.get("body", b""))
            if self.complete:
                self.decompressor.finish()
        return message


def damaged(encoding: str) -> RequestError:
    """Return the error for a compressed body that cannot be decompressed."""
    return RequestError(400, f"the body is not complete {encoding} data, as its Content-Encoding says. Send it again.")


def body_too_long(settings: ServeSettings) -> RequestError:
    """Return the error for a body that is too long."""
    return RequestError(
        413,
        f"a body may have at most {settings.max_body} bytes, decompressed. Send fewer images per request, binary "
        "tensors, or a smaller image.",
    )
