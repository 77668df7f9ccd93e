"""Turn terminal output into log lines: drop most frames of progress bars, and all colours."""

import codecs
import re
import time
from collections.abc import Callable, Iterable, Iterator

ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
LINE_END = re.compile(r"\r\n|\n|\r(?!\Z)")
LONGEST_LINE = 16_384


def iterate_lines(
    chunks: Iterable[bytes], every: float = 15.0, clock: Callable[[], float] = time.monotonic
) -> Iterator[str]:
    """Yield the non-blank lines of a byte stream as they become complete.

    A line that ends in a carriage return is one frame of a progress bar. At most one frame per `every` seconds is
    yielded, and always the last one, which ends in a newline. Lines over LONGEST_LINE characters are split.
    """
    decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
    pending = ""
    last_frame = clock()
    for chunk in chunks:
        pending += decode(chunk)
        start = 0
        for end in LINE_END.finditer(pending):
            line, start = strip_ansi(pending[start : end.start()]), end.end()
            if end.group() == "\r":
                if clock() - last_frame < every:
                    continue
                last_frame = clock()
            if line:
                yield from split_line(line)
        pending = pending[start:]
        if len(pending) > LONGEST_LINE:
            yield from split_line(strip_ansi(pending))
            pending = ""
    if line := strip_ansi(pending + decode(b"", True)):
        yield from split_line(line)


def strip_ansi(text: str) -> str:
    """Return `text` without escape sequences and trailing blanks."""
    return ANSI.sub("", text).rstrip()


def split_line(line: str) -> Iterator[str]:
    """Yield `line` in pieces of at most LONGEST_LINE characters."""
    for start in range(0, len(line), LONGEST_LINE):
        yield line[start : start + LONGEST_LINE]
