"""Recognise files that cannot be decoded by their content, and say what to do about each."""

CONVERT = "convert it to FLAC or WAV, for example with `ffmpeg -i FILE FILE.flac`"
NOT_AUDIO = "not an audio file (or its header is damaged)"

SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (4, b"ftypM4A", f"AAC in an MP4 file, which is not read: {CONVERT}"),
    (4, b"ftyp", f"an MP4 file: {CONVERT}"),
    (0, b"\x1aE\xdf\xa3", f"a Matroska or WebM file: {CONVERT}"),
    (0, b"0&\xb2u\x8ef\xcf\x11", f"a Windows Media file: {CONVERT}"),
    (0, b"MThd", "a MIDI file, which holds notes and no sound: render it to WAV"),
    (8, b"AVI ", f"a video: {CONVERT}"),
    (0, b"PK\3\4", "a zip archive: unpack it, or name it as data.source if it holds all data"),
    (0, b"\x1f\x8b", "a gzip archive: unpack it, or name it as data.source if it holds all data"),
    (0, b"version https://git-lfs", "a Git LFS pointer, whose recording is not here: run `git lfs pull`"),
    (0, b"\x89PNG", "not a recording but an image"),
    (0, b"\xff\xd8\xff", "not a recording but an image"),
    (0, b"%PDF", "not a recording but a PDF"),
)
"""Position, bytes, and what a file with these bytes is; the first that fits counts."""

KNOWN = (
    *(b"RIFF", b"RIFX", b"RF64", b"riff", b"fLaC", b"OggS", b"FORM", b"caff", b".snd"),
    *(b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2"),
)
"""First bytes of formats that are read."""


def explain_unknown(data: bytes, error: str) -> str:
    """Return what a file is that cannot be opened, and what to do."""
    for position, start, words in SIGNATURES:
        if data[position : position + len(start)] == start:
            return words
    text = data[:1000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<html", b"<!doctype html")):
        return "a web page, most likely an error message: download the file again"
    if data.startswith(KNOWN):
        return f"a damaged file: {' '.join(error.split()).rpartition(': ')[2][:120]}"
    return NOT_AUDIO
