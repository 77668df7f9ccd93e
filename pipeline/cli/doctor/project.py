"""Checks of the checkout: disk, git, DVC and params.yaml."""

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipeline.cli.doctor.finding import Finding, Level
from pipeline.errors import InputError
from pipeline.stages.paths import Paths

FAIL_GIGABYTES, WARN_GIGABYTES = 1, 5  # free disk space


def check_disk(root: Path) -> Iterator[Finding]:
    """Check the free disk space."""
    free = shutil.disk_usage(root).free / 1e9
    level: Level = "fail" if free < FAIL_GIGABYTES else "warn" if free < WARN_GIGABYTES else "ok"
    remedy = "" if level == "ok" else "`dvc gc --workspace` removes unused results"
    yield Finding(level, "disk", f"{free:.1f} GB free in {root}", remedy)


def check_git(root: Path) -> Iterator[Finding]:
    """Check that git is installed and the project is in a repository."""
    if shutil.which("git") is None:
        remedy = "the pipeline runs without it; `dvc metrics diff` and experiments do not"
        yield Finding("warn", "git", "not installed", remedy)
    elif not any((folder / ".git").exists() for folder in (root, *root.parents)):
        remedy = "the pipeline runs, but results have no history: run `git init`"
        yield Finding("warn", "git", f"{root} is not in a git repository", remedy)
    else:
        yield Finding("ok", "git", "the project is in a repository")


def check_dvc(root: Path) -> Iterator[Finding]:
    """Check DVC's configuration, cache and default remote."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.scm import SCMError

    try:
        repo = Repo(str(root))
    except (DvcException, SCMError) as error:
        remedy = "run in the project's root; without git: `dvc config --local core.no_scm true`"
        yield Finding("fail", "dvc", str(error).splitlines()[0], remedy)
        return
    with repo:
        core = repo.config["core"]
        if core.get("analytics", True) or core.get("check_update", True):
            remedy = "dvc config core.analytics false; dvc config core.check_update false"
            yield Finding("warn", "dvc", "analytics or the update check is on", remedy)
        yield cache_finding(Path(repo.cache.local.path))
        yield remote_finding(core.get("remote"), repo.config["remote"])


def cache_finding(cache: Path) -> Finding:
    """Check that DVC's cache can be written."""
    existing = next(folder for folder in (cache, *cache.parents) if folder.exists())
    if os.access(existing, os.W_OK):
        return Finding("ok", "dvc", f"cache {cache}")
    remedy = "correct its permissions, or set another with `dvc cache dir --local FOLDER`"
    return Finding("fail", "dvc", f"cache {cache} cannot be written", remedy)


def remote_finding(name: str | None, remotes: Mapping[str, Any]) -> Finding:
    """Check that DVC's default remote is configured and, if it is a folder, exists."""
    if not name:
        return Finding("ok", "dvc remote", "none: results stay local (`dvc remote add -d NAME URL` shares them)")
    url = str(remotes.get(name, {}).get("url", ""))
    if not url:
        return Finding("fail", "dvc remote", f"{name} is the default but not configured", f"dvc remote add {name} URL")
    if "://" in url:
        return Finding("ok", "dvc remote", f"{name} configured ({urlsplit(url).scheme}); not contacted")
    if Path(url).is_dir():
        return Finding("ok", "dvc remote", f"{name} at {url}")
    return Finding("warn", "dvc remote", f"{name}: {url} does not exist", "mount or create it before `dvc push`")


def check_params(root: Path) -> Iterator[Finding]:
    """Check params.yaml."""
    from pipeline import params

    try:
        loaded = params.load(Paths(root).params)
    except InputError as error:
        for line in str(error).splitlines():
            yield Finding("fail", "params", line)
    else:
        layout = loaded.data.layout()
        summary = f"{loaded.model.variant} on {loaded.data.source} at {layout.height}x{layout.width}"
        yield Finding("ok", "params", summary)
