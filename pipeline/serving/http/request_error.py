"""Errors that a client receives as an HTTP status and a message."""

from collections.abc import Mapping


class RequestError(Exception):
    """A request that is not fulfilled.

    Attributes:
        status: HTTP status.
        message: What is wrong and what to do.
        retry_after: Seconds after which the client should try again, if that may help.
        extra: Further headers of the response.
    """

    def __init__(
        self, status: int, message: str, retry_after: int | None = None, extra: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.retry_after = retry_after
        self.extra = extra or {}

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the response."""
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return {**headers, **({"WWW-Authenticate": "Bearer"} if self.status == 401 else {}), **self.extra}
