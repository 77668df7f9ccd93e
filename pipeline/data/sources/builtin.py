"""A built-in source of a medium."""

from collections.abc import Callable, Iterator

from pipeline.data.sources.base import SourceFile, Unreadable, too_large
from pipeline.media.base import BuiltinSource, CaptionedSource
from pipeline.media.codec import BadItem


class Builtin:
    """The files of a medium's built-in source."""

    def __init__(self, source: BuiltinSource) -> None:
        self.source = source
        self.name = source.name

    def stream(self) -> Iterator[SourceFile]:
        """Yield the files in the medium's order."""
        for path, load in self.source.files():
            caption = self.source.caption(path) if isinstance(self.source, CaptionedSource) else None
            yield SourceFile(path, limit_size(load), caption=caption)


def limit_size(load: Callable[[], bytes]) -> Callable[[int], bytes]:
    """Return a loader that raises Unreadable for files above a limit and files that cannot be loaded."""

    def load_at_most(limit: int) -> bytes:
        try:
            data = load()
        except BadItem as error:
            raise Unreadable(str(error)) from None
        if len(data) > limit:
            raise too_large(limit)
        return data

    return load_at_most
