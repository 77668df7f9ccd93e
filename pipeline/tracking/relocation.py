"""Correct the absolute paths in MLflow's SQLite store after its folder was moved or copied."""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

ARTIFACTS = "mlartifacts"
"""Folder of the artifacts, next to the database."""

TIMEOUT = 60.0
"""Seconds to wait while another process writes."""

COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
"""Tables and columns in which MLflow stores addresses of artifacts."""


def relocate_artifacts(database: Path) -> Path | None:
    """Let a store find its artifacts next to its database, also after both were moved or copied.

    Addresses of artifacts elsewhere, such as a bucket, stay as they are.

    Returns:
        The folder that the database was moved from; None if nothing had to be changed.
    """
    if not database.is_file():
        return None
    new = database.parent.resolve() / ARTIFACTS
    moved_from = None
    with closing(sqlite3.connect(database, timeout=TIMEOUT)) as connection, connection:
        tables = {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}
        if "experiments" not in tables:
            return None
        for (uri,) in connection.execute("select distinct artifact_location from experiments").fetchall():
            old = former_folder(uri, new)
            if old is None:
                continue
            for table, column in COLUMNS:
                if table in tables:
                    connection.execute(
                        f"update {table} set {column} = ? || substr({column}, ?) "
                        f"where {column} = ? or substr({column}, 1, ?) = ?",
                        (new.as_uri(), len(uri) + 1, uri, len(uri) + 1, f"{uri}/"),
                    )
            moved_from = old.parent
    return moved_from


def former_folder(uri: str | None, new: Path) -> Path | None:
    """Return the folder of the artifacts that `uri` names, if the store has left it for `new`."""
    parts = urlsplit(uri or "")
    old = Path(unquote(parts.path))
    if parts.scheme != "file" or old.name != ARTIFACTS or old == new:
        return None
    # Only the database was copied: the artifacts are still at their place.
    return old if new.is_dir() or not old.is_dir() else None
