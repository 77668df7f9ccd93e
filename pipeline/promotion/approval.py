"""Approve a model that is held: tags of its version record who approved which checks, and when."""

import getpass
import json
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

APPROVED, BY, AT = "ganline.approved", "ganline.approved_by", "ganline.approved_at"
PROMOTED, HELD, NOT_PROMOTED = "promoted", "held", "not promoted"


def held_checks(verdict: Mapping[str, Any]) -> list[str]:
    """Return the checks that need an approval, "name: value". Another value needs another approval."""
    return [label(check) for check in verdict["checks"] if check["state"] == "held"]


def label(check: Mapping[str, Any]) -> str:
    """Return the text by which a check is approved."""
    return f"{check['name']}: {check['value']}"


def approval_tags(tags: Mapping[str, str], checks: list[str], who: str) -> dict[str, str]:
    """Return the tags of a version after `who` has approved `checks`; empty if they were approved before."""
    before = approved_checks(tags)
    if set(checks) <= set(before):
        return {}
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return {APPROVED: json.dumps(list(dict.fromkeys([*before, *checks]))), BY: who, AT: now}


def approved_checks(tags: Mapping[str, str]) -> list[str]:
    """Return the approved checks in the tags of a version."""
    try:
        values = json.loads(tags.get(APPROVED, "[]"))
    except ValueError:
        return []
    return [str(value) for value in values] if isinstance(values, list) else []


def settle(verdict: Mapping[str, Any], tags: Mapping[str, str]) -> dict[str, Any]:
    """Return the verdict with its approved checks, and the outcome and the reasons that follow from all checks."""
    approved = set(approved_checks(tags))
    checks = [
        check | {"state": "approved"} if check["state"] == "held" and label(check) in approved else check
        for check in verdict["checks"]
    ]
    reasons = [check["reason"] for check in checks if check["state"] in ("fail", "held")]
    states = {check["state"] for check in checks}
    outcome = NOT_PROMOTED if "fail" in states else HELD if "held" in states else PROMOTED
    signed = {"approved_by": tags.get(BY), "approved_at": tags.get(AT)} if "approved" in states else {}
    return (
        {"outcome": outcome, "reasons": reasons}
        | {name: value for name, value in verdict.items() if name not in ("outcome", "reasons")}
        | signed
        | {"checks": checks}
    )


def find_user(root: Path) -> str:
    """Return who runs the command: the identity of git, or else the name of the user's account."""
    name, email = (read_git(root, key) for key in ("user.name", "user.email"))
    if name or email:
        return f"{name} <{email}>" if name and email else name or email
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container without an account for this user
        return "unknown"


def read_git(root: Path, key: str) -> str:
    """Return a setting of git; empty if it is not set, or if git is not installed."""
    try:
        done = subprocess.run(["git", "-C", str(root), "config", key], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
