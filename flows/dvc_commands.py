"""Run DVC in a clone, and ask for its default remote."""

import sys
from pathlib import Path

from flows.process import child_environment, run_command
from flows.stages import ProjectError


def default_remote(folder: Path) -> str | None:
    """Return the name of a project's default DVC remote; None if it has none. Raise ProjectError."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(folder)) as repo:
            name: str | None = repo.config["core"].get("remote")
            return name
    except DvcException as error:
        raise ProjectError(f"{folder}: DVC cannot read the project: {error}") from None


def run_dvc(folder: Path, *arguments: str) -> None:
    """Run one DVC command. Raise ProjectError with DVC's message."""
    done = run_command([sys.executable, "-m", "dvc", *arguments], folder, child_environment())
    if done.returncode != 0:
        raise ProjectError(f"{folder}: dvc {arguments[0]} failed: {' '.join(done.stderr.split())[-500:]}")
