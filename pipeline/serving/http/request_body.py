"""The body of a request: limits of its size, of its time, and of the framing around it."""

import asyncio

from starlette.types import Message, Receive

from pipeline.serving.http.connection import LARGEST_FRAMING, Connection
from pipeline.serving.http.request_error import RequestError
from pipeline.serving.settings import ServeSettings


class RequestBody:
    """A body as the application receives it.

    Attributes:
        received: Bytes of the body so far, without chunk headers and trailers.
        complete: The body has arrived.
    """

    def __init__(self, receive: Receive, settings: ServeSettings, connection: Connection | None) -> None:
        self.receive_message = receive
        self.settings = settings
        self.connection = connection
        self.received, self.complete = 0, False
        self.deadline = asyncio.get_running_loop().time() + settings.timeout

    async def receive(self) -> Message:
        """Return the next message. Raises RequestError if the body is too long or too slow."""
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
        return message


def body_too_long(settings: ServeSettings) -> RequestError:
    """Return the error for a body that is too long."""
    return RequestError(
        413,
        f"a body may have at most {settings.max_body} bytes. Send fewer images per request, binary tensors, or a "
        "smaller image.",
    )
