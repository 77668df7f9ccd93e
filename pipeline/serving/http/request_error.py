"""Errors that a client receives as an HTTP status and a message."""


class RequestError(Exception):
    """A request that is not fulfilled.

    Attributes:
        status: HTTP status.
        message: What is wrong and what to do.
        retry_after: Seconds after which the client should try again, if that may help.
    """

    def __init__(self, status: int, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.retry_after = retry_after

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the response."""
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return headers | ({"WWW-Authenticate": "Bearer"} if self.status == 401 else {})
