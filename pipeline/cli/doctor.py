"""`ganline doctor`: what this machine and checkout would run the line with, and the way out of each trouble."""

import importlib.metadata
import os
import shutil
import socket
import sqlite3
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from pipeline.errors import InputError
from pipeline.stages.paths import Paths
from pipeline.telemetry import OFF

Level = Literal["ok", "warn", "fail"]

CHECK_SECONDS = 60.0
NETWORK_SECONDS = 5.0
DISK_FAIL, DISK_WARN = 1, 5  # GB free
LISTED = 8

MEANS_OFF = {"true": {"1", "true", "yes"}, "1": {"1", "true", "yes"}, "false": {"0", "false", "no"}}
"""For each value that ganline sets a switch to, the values that say the same."""


@dataclass(frozen=True)
class Finding:
    """One line: what was checked, what was found, and what to do about it (empty when ok)."""

    level: Level
    check: str
    found: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.level:<5} {self.check}: {self.found}" + (f"; {self.remedy}" if self.remedy else "")


Check = Callable[[Path], Iterator[Finding]]


def examine(root: Path, checks: tuple[Check, ...] | None = None, seconds: float = CHECK_SECONDS) -> Iterator[Finding]:
    """Runs every check on the project in `root`, each for at most `seconds`; a check that hangs or breaks is itself a finding."""
    for check in CHECKS if checks is None else checks:
        found: list[Finding] = []
        thread = threading.Thread(target=collect, args=(check, root, found), daemon=True)
        thread.start()
        thread.join(seconds)
        yield from list(found)
        if thread.is_alive():
            yield Finding("fail", check.__name__, f"no answer in {seconds:.0f} s", "a driver or server hangs")


def collect(check: Check, root: Path, found: list[Finding]) -> None:
    try:
        found.extend(check(root))
    except Exception as error:  # noqa: BLE001 - a doctor that crashes helps nobody
        found.append(Finding("fail", check.__name__, f"{type(error).__name__}: {error}"))


def python(_root: Path) -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.prefix == sys.base_prefix:
        yield Finding(
            "warn", "python", f"{version}, outside a virtual environment", "use `make setup` and .venv/bin/ganline"
        )
    else:
        yield Finding("ok", "python", f"{version} in {sys.prefix}")


def packages(root: Path) -> Iterator[Finding]:
    from packaging.requirements import InvalidRequirement, Requirement

    lock = Paths(root).lock
    install = f"uv pip install -r {lock.name}"
    try:
        lines = [line.strip() for line in lock.read_text(encoding="utf-8").splitlines()]
        wanted = [Requirement(line) for line in lines if line and not line.startswith(("#", "--"))]
    except (OSError, UnicodeDecodeError, InvalidRequirement) as error:
        yield Finding("warn", "packages", f"{lock}: cannot be read ({error})", "take it from the project's repository")
        return
    missing, different, count = [], [], 0
    for requirement in wanted:
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        count += 1
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(requirement.name)
        else:
            if not requirement.specifier.contains(version, prereleases=True):
                different.append(f"{requirement.name} {version} (lock: {requirement.specifier})")
    if missing:
        yield Finding("fail", "packages", f"missing: {some(missing)}", install)
    if different:
        yield Finding("warn", "packages", f"not the tested version: {some(different)}", install)
    if not (missing or different):
        yield Finding("ok", "packages", f"all {count} at the versions of {lock.name}")


def some(names: list[str]) -> str:
    return ", ".join(names[:LISTED]) + (f" and {len(names) - LISTED} more" if len(names) > LISTED else "")


def onnxruntime_packages(_root: Path) -> Iterator[Finding]:
    installed = {(distribution.metadata["Name"] or "").lower() for distribution in importlib.metadata.distributions()}
    both = sorted(name for name in installed if name in {"onnxruntime", "onnxruntime-gpu"})
    if len(both) == 2:
        remedy = "pip uninstall -y onnxruntime onnxruntime-gpu, then uv pip install -r requirements.lock"
        yield Finding("fail", "onnxruntime", "onnxruntime and onnxruntime-gpu overwrite each other's files", remedy)


def cuda(_root: Path) -> Iterator[Finding]:
    import torch

    from pipeline.serving.runtime.session import gpus

    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            device = torch.cuda.get_device_properties(number)
            bf16 = "bfloat16" if device.major >= 8 else "no bfloat16"
            yield Finding(
                "ok",
                "cuda",
                f"{number}: {device.name}, {device.total_memory / 2**30:.0f} GiB, {bf16} (torch {torch.__version__})",
            )
    elif gpus() > 0:
        remedy = f"update the NVIDIA driver to one for CUDA {torch.version.cuda}, or install the torch of the lock"
        yield Finding(
            "warn", "cuda", f"the driver shows {gpus()} GPU(s) but torch {torch.__version__} cannot use them", remedy
        )
    else:
        yield Finding(
            "ok", "cuda", f"no GPU; training runs on {torch.get_num_threads()} CPU threads (torch {torch.__version__})"
        )


def onnxruntime_provider(_root: Path) -> Iterator[Finding]:
    """Runs a real session: the list of available providers names CUDA even where there is no GPU."""
    import numpy as np
    from onnx import TensorProto, helper

    from pipeline.serving.runtime.session import CPU, gpus, open_session

    shape = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "doctor", shape[:1], shape[1:])
    session = open_session(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10).SerializeToString(),
        "doctor",
    )
    (answer,) = session.run(None, {"x": np.array([-1, 2], np.float32)})
    provider = session.get_providers()[0]
    if answer.tolist() != [0, 2]:
        yield Finding(
            "fail",
            "onnxruntime",
            f"{provider} computes Relu(-1, 2) = {answer.tolist()}",
            "uv pip install -r requirements.lock",
        )
    elif provider == CPU and gpus() > 0:
        yield Finding(
            "warn",
            "onnxruntime",
            "runs on the CPU although there is a GPU",
            "its CUDA libraries come with the torch of requirements.lock",
        )
    else:
        yield Finding("ok", "onnxruntime", f"runs on {provider}")


def telemetry(_root: Path) -> Iterator[Finding]:
    on = [
        f"{name}={os.environ.get(name, '')}"
        for name, value in OFF.items()
        if os.environ.get(name, "").lower() not in MEANS_OFF[value]
    ]
    if on:
        yield Finding("warn", "telemetry", f"not switched off: {', '.join(on)}", "unset them: ganline sets them itself")
    else:
        yield Finding("ok", "telemetry", f"off ({', '.join(OFF)})")


def disk(root: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(root).free / 1e9
    level: Level = "fail" if free < DISK_FAIL else "warn" if free < DISK_WARN else "ok"
    yield Finding(
        level,
        "disk",
        f"{free:.1f} GB free in {root}",
        "" if level == "ok" else "`dvc gc --workspace` removes results no longer in use",
    )


def git(root: Path) -> Iterator[Finding]:
    if shutil.which("git") is None:
        yield Finding("warn", "git", "not installed", "the line runs, but `dvc metrics diff` and experiments need it")
    elif not any((folder / ".git").exists() for folder in (root, *root.parents)):
        yield Finding(
            "warn", "git", f"{root} is in no git repository", "the line runs, but results have no history: `git init`"
        )
    else:
        yield Finding("ok", "git", "here")


def dvc(root: Path) -> Iterator[Finding]:
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.scm import SCMError

    try:
        repo = Repo(str(root))
    except (DvcException, SCMError) as error:
        yield Finding(
            "fail",
            "dvc",
            str(error).splitlines()[0],
            "run in the project's root; without git: `dvc config --local core.no_scm true`",
        )
        return
    with repo:
        core, remotes = repo.config["core"], repo.config["remote"]
        if core.get("analytics", True) or core.get("check_update", True):
            yield Finding(
                "warn",
                "dvc",
                "analytics or the update check is on",
                "dvc config core.analytics false; dvc config core.check_update false",
            )
        cache = Path(repo.cache.local.path)
        existing = next(folder for folder in (cache, *cache.parents) if folder.exists())
        if os.access(existing, os.W_OK):
            yield Finding("ok", "dvc", f"cache {cache}")
        else:
            yield Finding(
                "fail",
                "dvc",
                f"cache {cache} cannot be written",
                "mend its permissions, or `dvc cache dir --local FOLDER`",
            )
        name = core.get("remote")
        if not name:
            yield Finding(
                "ok", "dvc remote", "none: results stay on this machine (`dvc remote add -d NAME URL` shares them)"
            )
            return
        url = str(remotes.get(name, {}).get("url", ""))
        if not url:
            yield Finding(
                "fail", "dvc remote", f"{name} is the default but is not configured", f"dvc remote add {name} URL"
            )
        elif "://" in url:
            yield Finding("ok", "dvc remote", f"{name} configured ({urlsplit(url).scheme}); not contacted")
        elif Path(url).is_dir():
            yield Finding("ok", "dvc remote", f"{name} at {url}")
        else:
            yield Finding(
                "warn", "dvc remote", f"{name}: {url} does not exist", "mount it or create it before `dvc push`"
            )


def mlflow(root: Path) -> Iterator[Finding]:
    from pipeline.tracking.mlflow_store import address, redacted

    uri, name = address(root), "mlflow"
    parts = urlsplit(uri)
    remedy = "start the server, or correct or unset MLFLOW_TRACKING_URI"
    if parts.scheme in {"http", "https"}:
        yield answering(name, uri.rstrip("/") + "/health", redacted(uri), remedy)
    elif parts.scheme == "sqlite":
        yield writable_database(Path(unquote(uri.removeprefix("sqlite:///"))))
    elif parts.hostname and parts.port:
        try:
            socket.create_connection((parts.hostname, parts.port), NETWORK_SECONDS).close()
        except OSError as error:
            yield Finding("fail", name, f"{redacted(uri)}: {error}", remedy)
        else:
            yield Finding("ok", name, f"{redacted(uri)} accepts connections")
    else:
        yield Finding("warn", name, f"{redacted(uri)}: cannot be checked from here")


def writable_database(path: Path) -> Finding:
    """A database that can be written, or a folder in which one can be made."""
    remedy = "mend the file's permissions, move it away to start afresh, or set MLFLOW_TRACKING_URI"
    if not path.exists():
        there = path.parent.is_dir() and os.access(path.parent, os.W_OK)
        return (
            Finding("ok", "mlflow", f"{path} (made by the first run)")
            if there
            else Finding("fail", "mlflow", f"{path} cannot be made", remedy)
        )
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


def prefect(_root: Path) -> Iterator[Finding]:
    address = os.environ.get("PREFECT_API_URL")
    if address:
        yield answering(
            "prefect",
            address.rstrip("/") + "/health",
            address,
            "start it (`make schedule`), or correct or unset PREFECT_API_URL",
        )
    else:
        yield Finding("ok", "prefect", "PREFECT_API_URL is not set: a flow starts a server of its own")


def answering(name: str, url: str, shown: str, remedy: str) -> Finding:
    """Whether an HTTP server answers; one that wants credentials does."""
    try:
        with urllib.request.urlopen(url, timeout=NETWORK_SECONDS) as answer:
            answer.read(1024)
    except urllib.error.HTTPError as error:
        if error.code not in {401, 403}:
            return Finding("fail", name, f"{shown} answers {error.code}", remedy)
        return Finding("warn", name, f"{shown} wants credentials ({error.code})")
    except (OSError, ValueError) as error:
        return Finding("fail", name, f"{shown}: {getattr(error, 'reason', error)}", remedy)
    return Finding("ok", name, f"{shown} answers")


def parameters(root: Path) -> Iterator[Finding]:
    from pipeline import params

    try:
        loaded = params.load(Paths(root).params)
    except InputError as error:
        for line in str(error).splitlines():
            yield Finding("fail", "params", line)
    else:
        layout = loaded.data.layout()
        yield Finding(
            "ok",
            "params",
            f"{loaded.model.variant} on {loaded.data.source} at {layout.height}x{layout.width}",
        )


CHECKS: tuple[Check, ...] = (
    python,
    packages,
    onnxruntime_packages,
    cuda,
    onnxruntime_provider,
    telemetry,
    disk,
    git,
    dvc,
    mlflow,
    prefect,
    parameters,
)
