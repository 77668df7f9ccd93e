"""Being asked to stop, by Ctrl-C, a scheduler or a shutdown."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopFlag:
    """Set by the first SIGINT or SIGTERM; the training loop asks for it after every step."""

    def __init__(self) -> None:
        self.set = False

    def is_set(self) -> bool:
        return self.set

    def raise_flag(self, signum: int, frame: FrameType | None) -> None:
        if self.set:
            raise KeyboardInterrupt
        self.set = True


@contextmanager
def stop_on_signal() -> Iterator[StopFlag]:
    """Within the context the first SIGINT or SIGTERM asks for a checkpoint and an orderly end; the second ends at once."""
    flag = StopFlag()
    before = {number: signal.signal(number, flag.raise_flag) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
