"""Names inside a source: which of them leave it, and which are left behind by operating systems."""

import re

LITTER = frozenset({"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini"})


def printable(name: str) -> str:
    """Return the name with bytes that are not UTF-8 written as \\xNN, so that it can be recorded anywhere."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def segments(name: str) -> tuple[str, ...]:
    """Return the folders and the file of an archive member's name. Backslashes separate too, as in archives from Windows."""
    return tuple(part for part in name.replace("\\", "/").split("/") if part not in ("", "."))


def unsafe(name: str) -> str | None:
    """Return why a member's name would leave the archive's folder if unpacked; None for a name that stays inside."""
    if name.startswith(("/", "\\")):
        return "its name is an absolute path and leaves the archive"
    if re.match(r"[A-Za-z]:", name):
        return "its name starts with a drive letter and leaves the archive"
    if ".." in segments(name):
        return "its name climbs out of the archive (..)"
    return None


def litter(parts: tuple[str, ...]) -> bool:
    """Return whether this is a hidden file or one that operating systems leave (.DS_Store, Thumbs.db): it is skipped."""
    return any(part.startswith(".") or part.casefold() in LITTER for part in parts)
