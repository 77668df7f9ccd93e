"""A source that a medium brings along."""

from collections.abc import Callable, Iterator

from pipeline.data.sources.base import SourceFile, Unreadable, too_large
from pipeline.media.base import BadItem, BuiltinSource


class Builtin:
    """The files of a medium's built-in source."""

    def __init__(self, source: BuiltinSource) -> None:
        self.source = source
        self.name = source.name

    def stream(self) -> Iterator[SourceFile]:
        """Yield the files in the medium's order."""
        for path, load in self.source.files():
            yield SourceFile(path, limited(load))


def limited(load: Callable[[], bytes]) -> Callable[[int], bytes]:
    """Return a loader that refuses files over a limit, and files that cannot be had."""

    def load_at_most(limit: int) -> bytes:
        try:
            data = load()
        except BadItem as error:
            raise Unreadable(str(error)) from None
        if len(data) > limit:
            raise too_large(limit)
        return data

    return load_at_most
