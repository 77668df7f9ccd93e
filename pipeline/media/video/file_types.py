"""Recognise videos by their content."""

PICTURES_IN_MP4 = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"avif", b"avis", b"crx ")
"""Brands of the container of MP4 that hold pictures."""

VIDEOS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x1aE\xdf\xa3", "a WebM or Matroska video"),
    (8, b"AVI ", "an AVI video"),
    (0, b"\0\0\1\xba", "an MPEG video"),
    (0, b"FLV\1", "a Flash video"),
)
INSTALL = "{}, which PyAV reads: install it with `pip install 'ganline[video]'`, or convert it to GIF or WebP"


def name_video(data: bytes) -> str | None:
    """Return what kind of video a file is, in words; None if it is none."""
    if data[4:8] == b"ftyp" and data[8:12] not in PICTURES_IN_MP4:
        return "a QuickTime video" if data[8:12] == b"qt  " else "an MP4 video"
    return next((words for position, start, words in VIDEOS if data[position : position + len(start)] == start), None)
