"""Approvals of held models and the outcome that follows from them."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from pipeline.promotion.approval import AT, BY, approval_tags, find_user, held_checks, settle

GATE = {"name": "gate", "state": "pass", "value": "pass"}
UNTESTED = {"name": "untested", "state": "held", "value": "memorisation", "reason": "held for approval: why"}
BROKEN = {"name": "lineage", "state": "fail", "value": "broken", "reason": "its lineage is broken"}


def verdict(*checks: dict[str, Any]) -> dict[str, Any]:
    return {"champion": 3, "checks": [GATE, *checks]}


def test_the_outcome_follows_from_the_checks() -> None:
    assert settle(verdict(), {})["outcome"] == "promoted"
    held = settle(verdict(UNTESTED), {})
    assert (held["outcome"], held["reasons"]) == ("held", ["held for approval: why"])
    both = settle(verdict(UNTESTED, BROKEN), {})
    assert (both["outcome"], both["reasons"]) == ("not promoted", ["held for approval: why", "its lineage is broken"])


def test_an_approval_counts_for_what_was_approved() -> None:
    tags = approval_tags({}, held_checks(verdict(UNTESTED)), "Ada <ada@example.org>")
    assert tags[BY] == "Ada <ada@example.org>"
    assert tags[AT].endswith("+00:00")
    approved = settle(settle(verdict(UNTESTED), {}), tags)
    assert (approved["outcome"], approved["reasons"]) == ("promoted", [])
    assert (approved["approved_by"], approved["checks"][1]["state"]) == (tags[BY], "approved")
    assert settle(approved, tags) == approved
    assert settle(verdict(UNTESTED, BROKEN), tags)["reasons"] == ["its lineage is broken"]
    other = UNTESTED | {"value": "memorisation, fidelity"}
    assert settle(verdict(other), tags)["outcome"] == "held", "the approval was for memorisation alone"
    assert approval_tags(tags, held_checks(verdict(UNTESTED)), "Bob") == {}, "the first approval stays"
    more = approval_tags(tags, held_checks(verdict(other)), "Bob")
    assert settle(verdict(UNTESTED), more)["outcome"] == settle(verdict(other), more)["outcome"] == "promoted"


def test_the_user_is_that_of_git_or_of_the_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "none"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("LOGNAME", "grace")
    assert find_user(tmp_path) == "grace"
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    for key, value in (("name", "Ada"), ("email", "ada@example.org")):
        subprocess.run(["git", "-C", str(tmp_path), "config", f"user.{key}", value], check=True)
    assert find_user(tmp_path) == "Ada <ada@example.org>"
    monkeypatch.setenv("PATH", "")
    assert find_user(tmp_path) == "grace"
