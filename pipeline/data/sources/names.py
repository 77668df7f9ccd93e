"""What a name inside a source may be: which ones climb out, which are an operating system's litter."""

import re

LITTER = frozenset({"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini"})


def printable(name: str) -> str:
    """The name with bytes that are no UTF-8 written as \\xNN, so that it can be recorded anywhere."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def segments(name: str) -> tuple[str, ...]:
    """The folders and the file of an archive member's name. Backslashes separate too: archives made on Windows hold them."""
    return tuple(part for part in name.replace("\\", "/").split("/") if part not in ("", "."))


def unsafe(name: str) -> str | None:
    """Why a member's name would leave the archive's folder if it were unpacked; None for a name that stays inside."""
    if name.startswith(("/", "\\")):
        return "its name is an absolute path and leaves the archive"
    if re.match(r"[A-Za-z]:", name):
        return "its name starts with a drive letter and leaves the archive"
    if ".." in segments(name):
        return "its name climbs out of the archive (..)"
    return None


def litter(parts: tuple[str, ...]) -> bool:
    """True for hidden files and what operating systems leave behind (.DS_Store, __MACOSX, Thumbs.db): skipped, not recorded."""
    return any(part.startswith(".") or part.casefold() in LITTER for part in parts)
