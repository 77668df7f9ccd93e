"""Groups of files that stay on one side of the split, such as all recordings of a speaker."""

import re
from dataclasses import dataclass, field

from pipeline.errors import InputError
from pipeline.media.settings import DataSettings

QUOTED = 3
LISTED = 20


@dataclass
class Groups:
    """Names the group of each file, and remembers on which sides of the split it is.

    Attributes:
        rule: `data.group`.
        held_out: `data.held_out`.
        sides: Splits of each group so far.
    """

    rule: str
    held_out: tuple[str, ...] | None = None
    sides: dict[str, set[str]] = field(default_factory=dict)

    def name(self, path: str) -> str | None:
        """Return the name of the group of a file; None if every file is a group of its own, or if it has no name."""
        if self.rule == DataSettings.FILE:
            return None
        if self.rule == DataSettings.FOLDER:
            return path.rpartition("/")[0]
        match = re.search(self.rule, path)
        return None if match is None else next((part for part in match.groups() if part is not None), match[0])

    def error(self, path: str) -> str | None:
        """Return why a file cannot be used: its group is not known. None if it can."""
        if self.rule in (DataSettings.FILE, DataSettings.FOLDER) or self.name(path):
            return None
        return f"data.group {self.rule!r} finds no name in its path"

    def side(self, path: str) -> str | None:
        """Return the split of a file that `data.held_out` decides; None if it decides nothing."""
        if self.held_out is None:
            return None
        return "test" if self.name(path) in self.held_out else "train"

    def require_held_out(self) -> None:
        """Raise InputError if no file belongs to a group that is held out."""
        missing = sorted(set(self.held_out or ()) - set(self.sides))
        if missing:
            names = sorted(self.sides)
            known = ", ".join(names[:LISTED]) + (", ..." if len(names) > LISTED else "")
            raise InputError(
                f"data.held_out: no file belongs to {', '.join(map(repr, missing))}; the groups that data.group "
                f"{self.rule!r} finds are {known or 'none'}"
            )

    def record(self, path: str, split: str | None) -> None:
        """Remember the side of a file."""
        name = self.name(path)
        if name is not None and split is not None:
            self.sides.setdefault(name, set()).add(split)

    def describe_straddling(self) -> str:
        """Return which groups are on both sides, because the source has its own split; empty if none is."""
        both = sorted(name for name, sides in self.sides.items() if len(sides) > 1)
        if not both:
            return ""
        names = ", ".join(map(repr, both[:QUOTED])) + (", ..." if len(both) > QUOTED else "")
        return (
            f"{len(both)} of {len(self.sides)} groups (data.group) are in both splits of the source ({names}): "
            "measures of memorisation and quality are then too good. Remove the split folders, or move the files"
        )
