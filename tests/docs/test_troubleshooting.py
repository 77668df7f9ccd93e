"""Hand-written pages agree with the code: error messages, environment variables, exit codes."""

import ast
import re
from collections.abc import Iterator

import pytest

from pipeline import errors
from tests.docs.test_links import ROOT, tracked

TERM = re.compile(r"^(\S.*)\n: ", re.MULTILINE)
OTHERS = ("(DVC)", "(ONNX Runtime)", "dvc: command not found")
"""Marks of messages that another program prints."""


def messages() -> Iterator[str]:
    """Yield the strings in the code; `{}` stands for a value in an f-string."""
    for path in tracked("pipeline/*.py", "flows/*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
            elif isinstance(node, ast.JoinedStr):
                yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)


def entries() -> list[str]:
    text = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    return [term for term in TERM.findall(text) if "`" in term and not any(mark in term for mark in OTHERS)]


@pytest.fixture(scope="module")
def printed() -> str:
    return "\n".join(messages())


@pytest.mark.parametrize("entry", entries())
def test_an_error_message_of_the_troubleshooting_page_exists(entry: str, printed: str) -> None:
    for message in re.findall(r"`([^`]+)`", entry):
        assert message in printed, f"no message contains {message!r}"


def test_environment_variables_are_documented() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in tracked("pipeline/*.py", "flows/*.py", "tests/*.py"))
    page = (ROOT / "docs" / "reference" / "environment.md").read_text(encoding="utf-8")
    used = set(re.findall(r"[\"'](GANLINE_[A-Z_]+)[\"']", code))
    assert used == set(re.findall(r"\bGANLINE_[A-Z_]+", page))
    assert {"MLFLOW_TRACKING_URI", "PREFECT_API_URL"} <= set(re.findall(r"\b[A-Z_]{5,}\b", page))


def test_exit_codes_are_documented() -> None:
    page = (ROOT / "docs" / "reference" / "exit-codes.md").read_text(encoding="utf-8")
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.GanlineError)]
    assert {kind.exit_code for kind in kinds} | {0, 130} == set(
        map(int, re.findall(r"^\| (\d+) \|", page, re.MULTILINE))
    )
