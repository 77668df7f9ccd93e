"""Skip files that are known to be no items, such as a caption next to each image."""

import os
from collections import Counter
from collections.abc import Collection, Iterator

from pipeline.data.sources.base import Source, SourceFile

OTHER_SUFFIXES = frozenset(
    {
        *(".txt", ".md", ".rst", ".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".xml", ".yaml", ".yml", ".toml"),
        *(
            ".ini",
            ".log",
            ".html",
            ".htm",
            ".css",
            ".js",
            ".url",
            ".doc",
            ".docx",
            ".odt",
            ".rtf",
            ".xls",
            ".xlsx",
            ".ods",
        ),
        *(".mtl", ".md5", ".sha1", ".sha256", ".sha512", ".xmp", ".aae", ".caption", ".tags", ".cls"),
        *(".py", ".ipynb", ".sh", ".bat", ".m", ".mat", ".pkl", ".pt", ".pth", ".onnx", ".safetensors"),
        *(".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mp3", ".wav", ".flac", ".ogg", ".m4a"),
    }
)
"""Suffixes, in lower case, of texts, labels, checksums, code, models, sound and video.

Formats that hold pictures, such as PDF or SVG, are not listed: such a file is reported.
"""


class ItemFiles:
    """A source without the files that are known to be no items of the medium.

    Args:
        source: The source.
        suffixes: Suffixes of the medium, in lower case, which are never skipped.
    """

    def __init__(self, source: Source, suffixes: Collection[str]) -> None:
        self.source = source
        self.name = source.name
        self.others = OTHER_SUFFIXES.difference(suffixes)
        self.skipped: Counter[str] = Counter()

    def stream(self) -> Iterator[SourceFile]:
        """Yield the other files, and count the skipped ones by suffix."""
        self.skipped.clear()
        for file in self.source.stream():
            suffix = os.path.splitext(file.path)[1].casefold()
            if suffix in self.others:
                self.skipped[suffix] += 1
            else:
                yield file

    def describe_skipped(self) -> str:
        """Return the number of skipped files, such as "12 files of other types (.txt 11, .json 1)"; empty if none."""
        total = self.skipped.total()
        counts = ", ".join(f"{suffix} {count}" for suffix, count in self.skipped.most_common(5))
        return f"{total} file{'s' if total != 1 else ''} of other types ({counts})" if total else ""
