"""The git commit that an exported model names."""

import hashlib
import subprocess
from pathlib import Path

from pipeline.code_digest import code_digest, defining_modules
from pipeline.files import write_atomically

CODE = ("pipeline", "params.yaml", "dvc.yaml", "requirements.lock")
"""What makes a commit "-dirty": code and settings. A run always rewrites its metrics and dvc.lock."""


def exported_commit(root: Path, weights: Path, folder: Path, *code: object) -> str:
    """Return the commit at which a model was first exported by this code.

    Code that was only reworded since then exports the same file. It names the same commit, so the model is not
    registered as a new version.

    Args:
        root: The checkout.
        weights: The file of the model's weights.
        folder: Where the commits are kept.
        code: Functions and objects whose code decides the exported file.
    """
    digest = hashlib.sha256(f"{weights_digest(weights)} {code_digest(*defining_modules(*code))}".encode())
    path = folder / f"{digest.hexdigest()[:24]}.txt"
    if path.is_file():
        return path.read_text(encoding="utf-8")
    commit = git_commit(root)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(path, commit.encode())
    return commit


def weights_digest(path: Path) -> str:
    """Return the sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def git_commit(root: Path) -> str:
    """Return the commit of the checkout, with "-dirty" if code or settings differ from it; "unknown" outside git."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(root), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("-dirty" if git("status", "--porcelain", "--", *CODE) else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
