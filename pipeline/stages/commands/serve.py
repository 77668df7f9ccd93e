"""Serve the exported generator, or a registered one, over HTTP. Outside the graph: started by hand, or by whatever keeps services running."""

from pathlib import Path

from pipeline.errors import InputError
from pipeline.serving.http.model_source import File, Source
from pipeline.serving.settings import ServeSettings
from pipeline.stages.commands.registry_source import SCHEME, Registered
from pipeline.stages.paths import Paths


def run(root: Path, model: str | None, settings: ServeSettings) -> None:
    """Serves `model`, a file or models:/NAME@ALIAS or models:/NAME/VERSION, by default exported/generator.onnx, until SIGTERM or Ctrl-C.

    Raises InputError when there is no such model, it cannot be served, or the address cannot be bound.
    """
    from pipeline.serving.http.prometheus_metrics import log_to_stderr
    from pipeline.serving.http.server import serve
    from pipeline.serving.http.service import Service

    source: Source = (
        Registered(root, model)
        if model and model.startswith(SCHEME)
        else File(Path(model) if model else Paths(root).generator)
    )
    log_to_stderr()
    serve(Service(source, settings))


def token_of(path: Path) -> str:
    """The token in a file. Raises InputError when there is none."""
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: the token cannot be read ({getattr(error, 'strerror', None) or error}); write it there, on one line"
        ) from None
    if not token or any(not ("!" <= character <= "~") for character in token):
        raise InputError(
            f"{path}: a token is printable ASCII without spaces, on one line, such as `openssl rand -hex 32` makes"
        )
    return token
