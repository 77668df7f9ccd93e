"""Stop on a signal: Ctrl-C, a scheduler or a shutdown."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopFlag:
    """Set by the first SIGINT or SIGTERM; the training loop checks it after every step."""

    def __init__(self) -> None:
        self.set = False

    def is_set(self) -> bool:
        """Whether a signal arrived."""
        return self.set

    def raise_flag(self, signum: int, frame: FrameType | None) -> None:
        """Handle a signal: set the flag; raise KeyboardInterrupt on the second one."""
        if self.set:
            raise KeyboardInterrupt
        self.set = True


@contextmanager
def stop_on_signal() -> Iterator[StopFlag]:
    """Set a flag on the first SIGINT or SIGTERM, so that the caller can save a checkpoint; interrupt on the second."""
    flag = StopFlag()
    before = {number: signal.signal(number, flag.raise_flag) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
