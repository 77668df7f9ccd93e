"""A clone for the runs of a schedule: they never touch a person's checkout, share its DVC cache, and push dvc.lock to a branch of their own.

The clone stays between runs, and with it `.ganline`: a training that was cancelled, killed or cut off goes on where it was.
"""

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from flows.process import environment
from flows.stages import ProjectError
from pipeline import params
from pipeline.errors import InputError
from pipeline.files import exclusive_lock

BRANCH = "ganline/retrain"
RESULTS = ("dvc.lock", "metrics")
IDENTITY = ("-c", "user.name=ganline", "-c", "user.email=ganline@localhost", "-c", "commit.gpgsign=false")


class Busy(ProjectError):
    """Another run is at work in this clone."""


@dataclass(frozen=True)
class Workspace:
    """Where a run works: `root`, the project; `settings`, what its stages' environment needs; `repository`, the clone, None for a person's own checkout."""

    root: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    repository: Path | None = None


def place(source: str, member: str | None = None) -> Path:
    """The clone of a source, or of a member of a sweep over it: below GANLINE_CLONES, else the user's state folder (~/.local/state/ganline/clones on Linux)."""
    from platformdirs import user_state_path

    name = source.rstrip("/").rpartition("/")[2].removesuffix(".git") or "project"
    home = Path(os.environ.get("GANLINE_CLONES") or user_state_path("ganline") / "clones")
    return home / "-".join(filter(None, [name, hashlib.sha256(source.encode()).hexdigest()[:8], member]))


@contextlib.contextmanager
def workspace(
    root: Path | str, own_clone: bool, branch: str | None = None, member: str | None = None
) -> Iterator[Workspace]:
    """The folder that a run works in, held for this run alone.

    With `own_clone` that is a clone of the repository at `root` (a folder or any address git takes), at the newest commit of `branch` (default: what the
    source has checked out); every `member` of a sweep has one to itself. Raises Busy, or ProjectError for a source that cannot be cloned.
    """
    if not own_clone:
        yield Workspace(Path(root).resolve())
        return
    local = local_source(root)
    source = str(local or root)
    folder = place(source, member)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(exclusive_lock(folder.with_name(f"{folder.name}.lock"), "retraining"))
        except InputError as error:
            raise Busy(str(error)) from None
        refresh(source, folder, branch)
        settings = {"PYTHONPATH": os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])}
        if local is not None:
            share(local, folder)
            if not os.environ.get("MLFLOW_TRACKING_URI"):
                settings["MLFLOW_TRACKING_URI"] = f"sqlite:///{local / 'mlflow.db'}"
        yield Workspace(folder, settings, folder)


def local_source(root: Path | str) -> Path | None:
    """The folder that `root` names; None for a repository's address. Raises ProjectError for a folder that is not the root of a repository."""
    if isinstance(root, str) and ("://" in root or (":" in root and not Path(root).exists())):
        return None
    folder = Path(root).resolve()
    try:
        top = git(folder, "rev-parse", "--show-toplevel")
        git(folder, "rev-parse", "--verify", "--quiet", "HEAD")
    except ProjectError:
        raise ProjectError(
            f"{folder}: a run in a clone of its own needs a git repository with a commit there; commit the project, or set own_clone to false"
        ) from None
    if Path(top).resolve() != folder:
        raise ProjectError(f"{folder}: is not the root of its repository, {top}; give that, or set own_clone to false")
    return folder


def refresh(source: str, folder: Path, branch: str | None) -> None:
    """Brings the clone to the newest commit of `branch`, with the results of the last run on top."""
    if not (folder / ".git").is_dir():
        shutil.rmtree(folder, ignore_errors=True)  # cut off while it was made
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = folder.with_name(f"{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        git(folder.parent, "clone", "--quiet", "--no-checkout", source, str(part))
        part.rename(folder)
    # Nobody else works here: a lock that is left belongs to a run that was killed.
    for lock in (folder / ".git").glob("*.lock"):
        lock.unlink()
    git(folder, "fetch", "--quiet", "--prune", "origin")
    git(folder, "remote", "set-head", "origin", "--auto")
    start = f"origin/{branch}" if branch else "origin/HEAD"
    if branch is None and git(folder, "rev-parse", "--abbrev-ref", "origin/HEAD") == f"origin/{BRANCH}":
        raise ProjectError(
            f"{source}: has {BRANCH} checked out, which belongs to the scheduled runs; check out another, or name one in `branch`"
        )
    git(folder, "checkout", "--quiet", "--force", "-B", BRANCH, start)
    ours = f"origin/{BRANCH}"
    if succeeds(folder, "rev-parse", "--verify", "--quiet", ours) and not succeeds(
        folder, "merge-base", "--is-ancestor", ours, start
    ):
        # Code and parameters are the branch's; results, and the history of both, are kept.
        git(folder, *IDENTITY, "merge", "--quiet", "--strategy", "ours", "--no-edit", ours)
        if there := [name for name in RESULTS if succeeds(folder, "cat-file", "-e", f"{ours}:{name}")]:
            git(folder, "checkout", "--quiet", ours, "--", *there)


def share(source: Path, folder: Path) -> None:
    """The source's DVC cache, and what lies beside its code untracked: the data, and networks that judge."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(source)) as repo:
            cache = repo.cache.local_cache_dir
        with Repo(str(folder)) as repo:
            shared = repo.cache.local_cache_dir == cache
    except DvcException as error:
        raise ProjectError(f"{source}: DVC cannot read the project: {error}") from None
    if not shared:
        done = subprocess.run(
            [sys.executable, "-m", "dvc", "cache", "dir", "--local", cache],
            cwd=folder,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise ProjectError(f"{folder}: DVC's cache cannot be shared: {done.stderr.strip()}")
    for name in inputs(folder):
        mirror(source, folder, name)


def inputs(folder: Path) -> list[str]:
    """Paths that params.yaml names, relative to the project, that git may not carry. None of them where it cannot be read: the first stage says why."""
    try:
        found = params.load(folder / "params.yaml")
    except InputError:
        return []
    named = (found.data.watch, found.data.source, found.evaluate.features)
    return list(
        dict.fromkeys(
            name for name in named if not Path(name).is_absolute() and ":" not in name and ".." not in Path(name).parts
        )
    )


def mirror(source: Path, folder: Path, name: str) -> None:
    """`folder`/name as it is under `source`: by hard links, which cost no room, or copies on another disk. What git tracks is git's."""
    tracked = set(git(folder, "ls-files", "-z", "--", name).split("\0"))
    there = (
        [path for path in (source / name).rglob("*") if path.is_file() and not path.is_symlink()]
        if (source / name).is_dir()
        else [source / name]
    )
    wanted = {str(path.relative_to(source)) for path in there if path.is_file()} - tracked
    for path in [*(folder / name).rglob("*"), folder / name]:
        if path.is_file() and str(path.relative_to(folder)) not in wanted | tracked:
            path.unlink()
    for each in wanted:
        old, new = source / each, folder / each
        if new.exists() and (
            new.samefile(old)
            or (new.stat().st_size, new.stat().st_mtime_ns) == (old.stat().st_size, old.stat().st_mtime_ns)
        ):
            continue
        new.parent.mkdir(parents=True, exist_ok=True)
        new.unlink(missing_ok=True)
        try:
            os.link(old, new)
        except OSError:
            shutil.copy2(old, new)


def deliver(work: Workspace, message: str) -> str | None:
    """Commits dvc.lock and the metrics and pushes them to BRANCH of the source; returns the commit, None where nothing is new.

    Raises ProjectError when the source does not take them.
    """
    folder = work.repository
    if folder is None:
        return None
    if there := [name for name in RESULTS if (folder / name).exists()]:
        git(folder, "add", "--all", "--", *there)
    if not succeeds(folder, "diff", "--cached", "--quiet"):
        git(folder, *IDENTITY, "commit", "--quiet", "--message", message)
    if succeeds(folder, "rev-parse", "--verify", "--quiet", f"origin/{BRANCH}") and succeeds(
        folder, "diff", "--quiet", f"origin/{BRANCH}", "HEAD"
    ):
        return None
    git(folder, "push", "--quiet", "origin", f"HEAD:refs/heads/{BRANCH}")
    return git(folder, "rev-parse", "HEAD")


def git(folder: Path, *arguments: str) -> str:
    """One git command's output. Raises ProjectError with git's own words."""
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            env=quiet(),
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError:
        raise ProjectError(
            "git: not installed; a run in a clone of its own needs it, or set own_clone to false"
        ) from None
    if done.returncode != 0:
        verb = next((word for word in arguments if not word.startswith("-") and "=" not in word), "")
        raise ProjectError(f"{folder}: git {verb} failed: {' '.join(done.stderr.split())[-500:]}")
    return done.stdout.strip()


def succeeds(folder: Path, *arguments: str) -> bool:
    return (
        subprocess.run(
            ["git", *arguments], cwd=folder, env=quiet(), capture_output=True, check=False, stdin=subprocess.DEVNULL
        ).returncode
        == 0
    )


def quiet() -> dict[str, str]:
    """Never asks for a password, and is not led elsewhere by the variables that git sets for its hooks."""
    return {
        name: value for name, value in os.environ.items() if name not in {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"}
    } | {"GIT_TERMINAL_PROMPT": "0"}
