"""Zip and tar archives, read in place: nothing is unpacked to disk."""

import functools
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from pipeline.data.sources.base import SourceFile, Unreadable, read_at_most, refuse, too_large
from pipeline.data.sources.names import explain_unsafe, make_printable, split_name
from pipeline.errors import InputError
from pipeline.files import is_litter

Parts = tuple[str, ...]

TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
DANGLING = "a hard link to a file that does not precede it in the archive"
# Everything that the readers of the standard library raise for damaged or hostile members.
ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    OSError,
    EOFError,
    ValueError,
    NotImplementedError,
    RuntimeError,
)
TAR_ERRORS = (tarfile.TarError, zlib.error, lzma.LZMAError, OSError, EOFError, ValueError)


class Zip:
    """A zip archive, in the order of its directory. Two members with the same name are two files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = make_printable(path.name)

    def stream(self) -> Iterator[SourceFile]:
        """Yield the members. Raise InputError for a broken archive."""
        try:
            archive = zipfile.ZipFile(self.path)
        except ZIP_ERRORS as error:
            raise InputError(
                f"data.source: {self.path}: not a zip archive, or cut off ({error}); create or download it again"
            ) from None
        with archive:
            for member in archive.infolist():
                name = member.filename
                if problem := explain_unsafe(name):
                    yield refuse(make_printable(name), problem)
                elif not is_folder(member) and not is_litter(parts := split_name(name)):
                    path = make_printable("/".join(parts))
                    if stat.S_ISLNK(member.external_attr >> 16):
                        yield refuse(path, "a link; links in archives are not followed")
                    elif member.flag_bits & 1:
                        yield refuse(path, "encrypted; create the archive without a password")
                    else:
                        yield SourceFile(path, functools.partial(load_zipped, archive, member))


def is_folder(member: zipfile.ZipInfo) -> bool:
    """Return whether a member is a folder, also in archives from Windows, whose names may end in a backslash."""
    return member.filename.endswith(("/", "\\"))


def load_zipped(archive: zipfile.ZipFile, member: zipfile.ZipInfo, limit: int) -> bytes:
    """Return the bytes of a member and verify its checksum. Raise Unreadable."""
    if member.file_size > limit:
        raise too_large(limit)
    try:
        with archive.open(member) as file:
            data = read_at_most(file, limit)
    except ZIP_ERRORS as error:
        raise Unreadable(f"damaged in the archive: {str(error) or type(error).__name__}") from None
    if len(data) != member.file_size:
        raise Unreadable(f"damaged in the archive: {len(data)} bytes instead of {member.file_size}")
    return data


class StrictHeader(tarfile.TarInfo):
    """A header that raises if it is damaged; the standard reader would treat it as the end of the archive."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> "StrictHeader":
        try:
            return super().fromtarfile(tarfile_)
        except (tarfile.InvalidHeaderError, tarfile.TruncatedHeaderError) as error:  # type: ignore[attr-defined]
            raise tarfile.ReadError(str(error)) from None


class Tar:
    """A tar archive, optionally compressed, in the order of its members.

    A compressed archive is decompressed twice in memory, piece by piece: for the names and for the bytes. A hard link,
    which tar writes for a file with a second name, has the content of that file. The first pass finds out which files
    have links; only their places are kept in memory.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = make_printable(path.name)
        self.linked: set[Parts] = set()

    def stream(self) -> Iterator[SourceFile]:
        """Yield the members. Raise InputError for a broken archive."""
        count = 0
        targets: dict[Parts, tarfile.TarInfo] = {}
        try:
            with tarfile.open(self.path, "r:*", tarinfo=StrictHeader) as archive:
                while (member := archive.next()) is not None:
                    # tarfile keeps all headers that it has read; memory must not grow with the archive.
                    archive.members.clear()  # type: ignore[attr-defined]
                    count += 1
                    if member.isfile() and (name := split_name(member.name)) in self.linked:
                        targets[name] = member
                    elif member.islnk():
                        self.linked.add(split_name(member.linkname))
                    file = self.source_file(archive, member, targets)
                    if file is not None:
                        yield file
        except TAR_ERRORS as error:
            raise InputError(
                f"data.source: {self.path}: not a tar archive, or damaged after {count} members ({error}); "
                "create or download it again"
            ) from None

    def source_file(
        self, archive: tarfile.TarFile, member: tarfile.TarInfo, targets: dict[Parts, tarfile.TarInfo]
    ) -> SourceFile | None:
        """Return a member as a file; None for folders and files that operating systems create."""
        path, problem = describe_member(member)
        if path is None:
            return None
        if problem is not None:
            return refuse(path, problem)
        if member.islnk():
            return SourceFile(path, functools.partial(load_linked, archive, targets, split_name(member.linkname)))
        return SourceFile(path, functools.partial(load_tarred, archive, member))


def describe_member(member: tarfile.TarInfo) -> tuple[str | None, str | None]:
    """Return the printable path of a member of a tar, and why it must not be read, or None.

    The path of folders and of files that operating systems create is None.
    """
    if problem := explain_unsafe(member.name):
        return make_printable(member.name), problem
    parts = split_name(member.name)
    if member.isdir() or is_litter(parts):
        return None, None
    path = make_printable("/".join(parts))
    if member.issym():
        return path, "a link; links in archives are not followed"
    return path, None if member.isfile() or member.islnk() else "not a regular file (a pipe or a device)"


def load_linked(archive: tarfile.TarFile, targets: dict[Parts, tarfile.TarInfo], name: Parts, limit: int) -> bytes:
    """Return the bytes of the file to which a hard link refers. Raise Unreadable."""
    if name not in targets:
        raise Unreadable(DANGLING)
    return load_tarred(archive, targets[name], limit)


def load_tarred(archive: tarfile.TarFile, member: tarfile.TarInfo, limit: int) -> bytes:
    """Return the bytes of one member. Raise Unreadable."""
    if member.size > limit:
        raise too_large(limit)
    try:
        file = archive.extractfile(member)
        if file is None:
            raise Unreadable("has no content of its own")
        with file:
            return file.read()
    except TAR_ERRORS as error:
        raise Unreadable(f"damaged in the archive: {error}") from None
