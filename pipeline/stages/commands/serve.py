"""`ganline serve`: serve an exported or registered generator over HTTP. Not a DVC stage."""

import re
from pathlib import Path

from pipeline.errors import InputError
from pipeline.serving.http.model_source import FileSource, Source
from pipeline.serving.settings import ServeSettings
from pipeline.stages.commands.registry_source import RegistrySource
from pipeline.stages.paths import Paths
from pipeline.tracking.model_address import SCHEME

ORIGIN = re.compile(r"\*|https?://[^/\s]+")


def run(root: Path, model: str | None, settings: ServeSettings) -> None:
    """Serve a model until SIGTERM or Ctrl-C.

    Args:
        model: A file, models:/NAME@ALIAS or models:/NAME/VERSION; None for exported/generator.onnx.

    Raises:
        InputError: The model does not exist or cannot be served, the address cannot be bound, or options contradict
            each other.
    """
    if settings.drain_seconds >= settings.grace_seconds:
        raise InputError(
            f"--drain-seconds {settings.drain_seconds:g} leaves nothing of --grace-seconds {settings.grace_seconds:g} "
            "for running requests. Raise --grace-seconds, and the time after which the process is killed."
        )
    from pipeline.serving.http.inference_service import InferenceService
    from pipeline.serving.http.json_log import log_to_stderr
    from pipeline.serving.http.uvicorn_server import run_server

    for origin in settings.cors_origin:
        if not ORIGIN.fullmatch(origin):
            raise InputError(
                f"--cors-origin {origin!r}: an origin is scheme, host and port without a path, such as "
                "https://app.example.com, or * for all."
            )
    source: Source = (
        RegistrySource(root, model)
        if model and model.startswith(SCHEME)
        else FileSource(Path(model) if model else Paths(root).generator)
    )
    log_to_stderr()
    run_server(InferenceService(source, settings))


def read_token(path: Path) -> str:
    """Return the token in a file. Raises InputError if there is none."""
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: the token cannot be read ({reason}). Write it to this file, on one line.") from None
    if not token or any(not ("!" <= character <= "~") for character in token):
        raise InputError(
            f"{path}: a token is one line of printable ASCII without spaces, such as `openssl rand -hex 32` prints."
        )
    return token
