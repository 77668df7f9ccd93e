"""Terminal output as log lines."""

import re

from hypothesis import given
from hypothesis import strategies as st

from flows.lines import LONGEST_LINE, iterate_lines


def lines(*chunks: bytes, every: float = 15.0, times: list[float] | None = None) -> list[str]:
    """Return the log lines of a byte stream, with a clock that reads `times`."""
    ticks = iter(times) if times else None
    return list(iterate_lines(chunks, every, lambda: next(ticks) if ticks else 0.0))


def test_plain_lines_pass_and_blank_ones_do_not() -> None:
    assert lines(b"one\n\n  \ntwo  \r\nthree") == ["one", "two", "three"]


def test_a_progress_bar_leaves_one_frame_each_interval_and_its_last() -> None:
    frames = b"".join(f"\rloss {n}".encode() for n in range(100)) + b"\n"
    # The clock is read at the start and for each frame; frames come every second.
    ticks = [float(t) for t in range(300)]
    result = lines(b"start\n", frames, b"end\n", every=15, times=ticks)
    assert result[0] == "start"
    assert result[-2:] == ["loss 99", "end"]
    assert 5 <= len(result) - 3 <= 8


def test_without_time_passing_only_the_last_frame_is_kept() -> None:
    assert lines(b"\r10%\r20%", b"\r100%\n") == ["100%"]


def test_colours_and_cursor_moves_are_removed() -> None:
    assert lines(b"\x1b[31mred\x1b[0m\x1b[A\x1b[2K\n") == ["red"]


def test_characters_and_line_ends_split_between_chunks() -> None:
    assert lines("gr\u00fc\u00df".encode()[:3], "gr\u00fc\u00df".encode()[3:], b"e\r", b"\nnext\n") == [
        "gr\u00fc\u00dfe",
        "next",
    ]


def test_invalid_utf_8_does_not_stop_the_log() -> None:
    assert lines(b"\xff\xfe ok\n") == ["\ufffd\ufffd ok"]


def test_an_endless_line_is_split() -> None:
    pieces = lines(*[b"x" * 10_000] * 10)
    assert "".join(pieces) == "x" * 100_000
    assert max(map(len, pieces)) <= LONGEST_LINE


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\x1b"), max_size=20), max_size=20), st.data())
def test_the_boundaries_of_chunks_do_not_matter(texts: list[str], data: st.DataObject) -> None:
    data_bytes = "\n".join(texts).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(data_bytes)), max_size=8)))
    chunks = [data_bytes[a:b] for a, b in zip([0, *cuts], [*cuts, len(data_bytes)], strict=True)]
    result = lines(*chunks, every=0)
    assert result == lines(data_bytes, every=0)
    assert result == [line.rstrip() for line in re.split(r"\r\n|\n|\r", data_bytes.decode()) if line.strip()]
