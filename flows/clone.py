"""Give scheduled runs their own clone of the project, so that they never touch a person's checkout.

The clone shares the checkout's DVC cache and pushes dvc.lock to the branch ganline/retrain. A clone of an address pulls
its data from the DVC remote, and pushes its results there. Clones stay between runs, and their `.ganline` with them, so
training resumes after a cancelled or killed run.
"""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from flows.dvc_commands import default_remote, run_dvc
from flows.process import run_command
from flows.stages import ProjectError
from pipeline import params
from pipeline.errors import InputError
from pipeline.files import exclusive_lock
from pipeline.tracking.mlflow_store import address

BRANCH = "ganline/retrain"
RESULTS = ("dvc.lock", "metrics")
IDENTITY = ("-c", "user.name=ganline", "-c", "user.email=ganline@localhost", "-c", "commit.gpgsign=false")


class CloneBusy(ProjectError):
    """Another run is using the clone."""


@dataclass(frozen=True)
class Workspace:
    """The folder that a run works in.

    Attributes:
        root: The project.
        settings: Variables for the environment of its stages.
        repository: The clone; None if the run works in a person's checkout.
        has_remote: Whether data and results are exchanged with a DVC remote.
    """

    root: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    repository: Path | None = None
    has_remote: bool = False


def clone_path(source: str, member: str | None = None) -> Path:
    """Return the folder for the clone of a source, or of one member of a sweep over it.

    The folder is in GANLINE_CLONES, else in the user's state folder (~/.local/state/ganline/clones on Linux).
    """
    from platformdirs import user_state_path

    name = source.rstrip("/").rpartition("/")[2].removesuffix(".git") or "project"
    home = Path(os.environ.get("GANLINE_CLONES") or user_state_path("ganline") / "clones")
    return home / "-".join(filter(None, [name, hashlib.sha256(source.encode()).hexdigest()[:8], member]))


@contextlib.contextmanager
def open_workspace(
    root: Path | str, own_clone: bool, branch: str | None = None, member: str | None = None
) -> Iterator[Workspace]:
    """Prepare the folder that a run works in, and lock it until the context ends.

    Args:
        root: The project: a folder, or with `own_clone` any address that git accepts.
        own_clone: Work in a clone of `root`.
        branch: Branch to clone; defaults to the one that the source has checked out.
        member: Name of a sweep's member, which gets a clone of its own.

    Raises:
        CloneBusy: Another run is using the clone.
        ProjectError: The source cannot be cloned, or its DVC remote cannot be read.
    """
    if not own_clone:
        yield Workspace(Path(root).resolve())
        return
    local = resolve_local_source(root)
    source = str(local or root)
    folder = clone_path(source, member)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(exclusive_lock(folder.with_name(f"{folder.name}.lock"), "retraining"))
        except InputError as error:
            raise CloneBusy(str(error)) from None
        update_clone(source, folder, branch)
        settings = {"PYTHONPATH": os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])}
        if local is not None:
            share_data(local, folder)
        has_remote = local is None and default_remote(folder) is not None
        if has_remote:
            # Forced, because a killed run may have left other outputs than those of dvc.lock.
            run_dvc(folder, "pull", "--quiet", "--force", "--allow-missing")
        if local is not None or os.environ.get("MLFLOW_TRACKING_URI"):
            # Absolute, because a relative path would name a store in the clone.
            settings["MLFLOW_TRACKING_URI"] = address(local or Path.cwd())
        yield Workspace(folder, settings, folder, has_remote)


def resolve_local_source(root: Path | str) -> Path | None:
    """Return the folder that `root` names; None if it is an address.

    Raises:
        ProjectError: The folder is not the root of a git repository with a commit.
    """
    if isinstance(root, str) and ("://" in root or (":" in root and not Path(root).exists())):
        return None
    folder = Path(root).resolve()
    try:
        top = run_git(folder, "rev-parse", "--show-toplevel")
        run_git(folder, "rev-parse", "--verify", "--quiet", "HEAD")
    except ProjectError:
        raise ProjectError(
            f"{folder}: a run with own_clone needs a git repository with a commit. "
            "Commit the project, or set own_clone to false."
        ) from None
    if Path(top).resolve() != folder:
        raise ProjectError(
            f"{folder}: is not the root of its git repository. Set root to {top}, or set own_clone to false."
        )
    return folder


def update_clone(source: str, folder: Path, branch: str | None) -> None:
    """Check out the newest commit of `branch` in the clone, with the results of the last run on top."""
    if not (folder / ".git").is_dir():
        shutil.rmtree(folder, ignore_errors=True)  # an earlier clone was interrupted
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = folder.with_name(f"{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        run_git(folder.parent, "clone", "--quiet", "--no-checkout", source, str(part))
        part.rename(folder)
    # Only one run uses the clone, so an existing lock file was left by a run that was killed.
    for lock in (folder / ".git").glob("*.lock"):
        lock.unlink()
    run_git(folder, "fetch", "--quiet", "--prune", "origin")
    run_git(folder, "remote", "set-head", "origin", "--auto")
    start = f"origin/{branch}" if branch else "origin/HEAD"
    if branch is None and run_git(folder, "rev-parse", "--abbrev-ref", "origin/HEAD") == f"origin/{BRANCH}":
        raise ProjectError(
            f"{source}: has {BRANCH} checked out, which is reserved for scheduled runs. "
            "Check out another branch, or set `branch`."
        )
    run_git(folder, "checkout", "--quiet", "--force", "-B", BRANCH, start)
    ours = f"origin/{BRANCH}"
    if git_succeeds(folder, "rev-parse", "--verify", "--quiet", ours) and not git_succeeds(
        folder, "merge-base", "--is-ancestor", ours, start
    ):
        # Code and parameters come from `start`, results from the last run; the history keeps both.
        run_git(folder, *IDENTITY, "merge", "--quiet", "--strategy", "ours", "--no-edit", ours)
        if paths := [name for name in RESULTS if git_succeeds(folder, "cat-file", "-e", f"{ours}:{name}")]:
            run_git(folder, "checkout", "--quiet", ours, "--", *paths)


def share_data(source: Path, folder: Path) -> None:
    """Give the clone the source's DVC cache and the untracked inputs that params.yaml names."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(source)) as repo:
            cache = repo.cache.local_cache_dir
        with Repo(str(folder)) as repo:
            same = repo.cache.local_cache_dir == cache
    except DvcException as error:
        raise ProjectError(f"{source}: DVC cannot read the project: {error}") from None
    if not same:
        run_dvc(folder, "cache", "dir", "--local", cache)
    for name in list_inputs(folder):
        mirror(source, folder, name)


def list_inputs(folder: Path) -> list[str]:
    """Return the relative paths in params.yaml that git may not track; none if the file cannot be read."""
    try:
        settings = params.load(folder / "params.yaml")
    except InputError:
        return []  # the first stage reports why
    names = (settings.data.watch, settings.data.source, settings.evaluate.features)
    return list(
        dict.fromkeys(
            name for name in names if not Path(name).is_absolute() and ":" not in name and ".." not in Path(name).parts
        )
    )


def mirror(source: Path, folder: Path, name: str) -> None:
    """Make `folder`/name equal to `source`/name, except for files that git tracks.

    Files are hard links, or copies if the folders are on different disks.
    """
    tracked = set(run_git(folder, "ls-files", "-z", "--", name).split("\0"))
    paths = (
        [path for path in (source / name).rglob("*") if path.is_file() and not path.is_symlink()]
        if (source / name).is_dir()
        else [source / name]
    )
    wanted = {str(path.relative_to(source)) for path in paths if path.is_file()} - tracked
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


def push_results(work: Workspace, message: str) -> str | None:
    """Commit dvc.lock and the metrics, and push them to BRANCH of the source; push the results to the DVC remote first.

    Returns:
        The commit; None if nothing changed or the run has no clone.

    Raises:
        ProjectError: The source or the DVC remote rejects the push.
    """
    folder = work.repository
    if folder is None:
        return None
    if paths := [name for name in RESULTS if (folder / name).exists()]:
        run_git(folder, "add", "--all", "--", *paths)
    if not git_succeeds(folder, "diff", "--cached", "--quiet"):
        run_git(folder, *IDENTITY, "commit", "--quiet", "--message", message)
    if git_succeeds(folder, "rev-parse", "--verify", "--quiet", f"origin/{BRANCH}") and git_succeeds(
        folder, "diff", "--quiet", f"origin/{BRANCH}", "HEAD"
    ):
        return None
    if work.has_remote:
        run_dvc(folder, "push", "--quiet")
    run_git(folder, "push", "--quiet", "origin", f"HEAD:refs/heads/{BRANCH}")
    return run_git(folder, "rev-parse", "HEAD")


def run_git(folder: Path, *arguments: str) -> str:
    """Run one git command and return its output. Raise ProjectError with git's message."""
    try:
        done = run_command(["git", *arguments], folder, git_environment())
    except FileNotFoundError:
        raise ProjectError("git is not installed. Install it, or set own_clone to false.") from None
    if done.returncode != 0:
        verb = next((word for word in arguments if not word.startswith("-") and "=" not in word), "")
        raise ProjectError(f"{folder}: git {verb} failed: {' '.join(done.stderr.split())[-500:]}")
    return done.stdout.strip()


def git_succeeds(folder: Path, *arguments: str) -> bool:
    """Return whether a git command exits with 0."""
    return run_command(["git", *arguments], folder, git_environment()).returncode == 0


def git_environment() -> dict[str, str]:
    """Return an environment in which git never prompts and ignores the variables that it sets for hooks."""
    hooks = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"}
    return {name: value for name, value in os.environ.items() if name not in hooks} | {"GIT_TERMINAL_PROMPT": "0"}
