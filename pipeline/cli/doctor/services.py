"""Checks of the services: MLflow, Prefect and Dask."""

import os
import socket
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pipeline.cli.doctor.finding import Finding

NETWORK_SECONDS = 5.0


def check_mlflow(root: Path) -> Iterator[Finding]:
    """Check that MLflow's store answers or its database can be written."""
    from pipeline.tracking.mlflow_store import address, hide_credentials

    uri, name = address(root), "mlflow"
    parts = urlsplit(uri)
    remedy = "start the server, or correct or unset MLFLOW_TRACKING_URI"
    if parts.scheme in {"http", "https"}:
        yield server_finding(name, uri.rstrip("/") + "/health", hide_credentials(uri), remedy)
    elif parts.scheme == "sqlite":
        yield database_finding(Path(unquote(uri.removeprefix("sqlite:///"))))
    elif parts.hostname and parts.port:
        try:
            socket.create_connection((parts.hostname, parts.port), NETWORK_SECONDS).close()
        except OSError as error:
            yield Finding("fail", name, f"{hide_credentials(uri)}: {error}", remedy)
        else:
            yield Finding("ok", name, f"{hide_credentials(uri)} accepts connections")
    else:
        yield Finding("warn", name, f"{hide_credentials(uri)}: cannot be checked from here")


def database_finding(path: Path) -> Finding:
    """Check that an SQLite database can be written or created."""
    remedy = "correct the file's permissions, move it away to start with an empty one, or set MLFLOW_TRACKING_URI"
    if not path.exists():
        if path.parent.is_dir() and os.access(path.parent, os.W_OK):
            return Finding("ok", "mlflow", f"{path} (created by the first run)")
        return Finding("fail", "mlflow", f"{path} cannot be created", remedy)
    try:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True, timeout=NETWORK_SECONDS)
        try:
            connection.execute("begin immediate")
            connection.execute("select count(*) from sqlite_master")
            connection.rollback()
        finally:
            connection.close()
    except sqlite3.Error as error:
        return Finding("fail", "mlflow", f"{path}: {error}", remedy)
    return Finding("ok", "mlflow", str(path))


def check_prefect(_root: Path) -> Iterator[Finding]:
    """Check that Prefect's server answers, if one is configured."""
    address = os.environ.get("PREFECT_API_URL")
    if address:
        remedy = "start it (`make schedule`), or correct or unset PREFECT_API_URL"
        yield server_finding("prefect", address.rstrip("/") + "/health", address, remedy)
    else:
        yield Finding("ok", "prefect", "PREFECT_API_URL is not set: each flow starts its own server")


def check_dask(_root: Path) -> Iterator[Finding]:
    """Check that the Dask scheduler accepts connections, if one is configured."""
    address = os.environ.get("GANLINE_SCHEDULER")
    if address:
        remedy = "start it (`dask scheduler`), or correct or unset GANLINE_SCHEDULER"
        parts = urlsplit(address)
        try:
            socket.create_connection((parts.hostname or "", parts.port or 0), NETWORK_SECONDS).close()
        except (OSError, ValueError) as error:
            yield Finding("fail", "dask", f"{address}: {error}", remedy)
        else:
            yield Finding("ok", "dask", f"{address} accepts connections")


def server_finding(name: str, url: str, address: str, remedy: str) -> Finding:
    """Check that an HTTP server answers; a request for credentials is an answer."""
    try:
        with urllib.request.urlopen(url, timeout=NETWORK_SECONDS) as answer:
            answer.read(1024)
    except urllib.error.HTTPError as error:
        if error.code not in {401, 403}:
            return Finding("fail", name, f"{address} answers {error.code}", remedy)
        return Finding("warn", name, f"{address} requires credentials ({error.code})")
    except (OSError, ValueError) as error:
        return Finding("fail", name, f"{address}: {getattr(error, 'reason', error)}", remedy)
    return Finding("ok", name, f"{address} answers")
