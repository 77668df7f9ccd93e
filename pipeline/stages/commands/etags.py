"""Record the ETags of a remote source, so that DVC notices a change."""

import json
from pathlib import Path

from pipeline import params
from pipeline.data.sources.remote import RemoteFiles, is_remote
from pipeline.errors import InputError
from pipeline.files import write_atomically
from pipeline.stages.paths import Paths


def run(root: Path) -> str:
    """Write the ETags of the files at `data.source` to data.watch, if they changed; return the result in words.

    In a folder the file is etags.json.

    Raises:
        InputError: The source is not remote, or cannot be reached.
    """
    settings = params.load(Paths(root).params).data
    if not is_remote(settings.source):
        raise InputError(
            f"data.source: {settings.source}: is not a remote address such as s3://bucket/folder; DVC notices changes "
            f"of {settings.watch} (data.watch)"
        )
    versions = RemoteFiles.of(settings.source).versions
    watch = root / settings.watch
    path = watch / "etags.json" if watch.is_dir() or not watch.suffix else watch
    content = (json.dumps(versions, indent=1, sort_keys=True) + "\n").encode()
    if path.is_file() and path.read_bytes() == content:
        return f"{len(versions)} files at {settings.source}, unchanged"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content)
    return f"{len(versions)} files at {settings.source}, changed; `dvc repro` ingests them"
