"""From a terminal's output to lines for a log: progress bars are thinned out, colours removed."""

import codecs
import re
import time
from collections.abc import Callable, Iterable, Iterator

ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
LINE_END = re.compile(r"\r\n|\n|\r(?!\Z)")
LONGEST_LINE = 16_384


def tame(chunks: Iterable[bytes], every: float = 15.0, clock: Callable[[], float] = time.monotonic) -> Iterator[str]:
    """Yields the non-blank lines of a byte stream as they become complete.

    A line ended by a carriage return is one frame of a progress bar: at most one frame each `every` seconds
    passes; the last one (ended by a newline) always does. A line longer than LONGEST_LINE characters is cut into pieces.
    """
    decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
    pending = ""
    last_frame = clock()
    for chunk in chunks:
        pending += decode(chunk)
        start = 0
        for end in LINE_END.finditer(pending):
            line, start = clean(pending[start : end.start()]), end.end()
            if end.group() == "\r":
                if clock() - last_frame < every:
                    continue
                last_frame = clock()
            if line:
                yield from pieces(line)
        pending = pending[start:]
        if len(pending) > LONGEST_LINE:
            yield from pieces(clean(pending))
            pending = ""
    if line := clean(pending + decode(b"", True)):
        yield from pieces(line)


def clean(text: str) -> str:
    return ANSI.sub("", text).rstrip()


def pieces(line: str) -> Iterator[str]:
    for start in range(0, len(line), LONGEST_LINE):
        yield line[start : start + LONGEST_LINE]
