"""Check names inside a source: unsafe paths, and names that are not valid UTF-8."""

import re


def make_printable(name: str) -> str:
    """Replace bytes that are not UTF-8 by \\xNN, so that the name can be recorded anywhere."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def split_name(name: str) -> tuple[str, ...]:
    """Split the name of an archive member at slashes, and at backslashes as in archives from Windows."""
    return tuple(part for part in name.replace("\\", "/").split("/") if part not in ("", "."))


def explain_unsafe(name: str) -> str | None:
    """Return why a name is outside the archive's folder; None for a safe name."""
    if name.startswith(("/", "\\")):
        return "its name is an absolute path, outside the archive"
    if re.match(r"[A-Za-z]:", name):
        return "its name starts with a drive letter, outside the archive"
    if ".." in split_name(name):
        return "its name points outside the archive (..)"
    return None
