"""The shell blocks of README and documentation: their commands exist, and every block that can run here does."""

import itertools
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer

from pipeline.cli.app import app
from tests.docs.test_links import ROOT, tracked

BLOCK = re.compile(r"(?:<!-- skip: (?P<reason>[^>]+) -->\n)?^```sh\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
FRESH = ("README.md", "docs/index.md", "docs/tutorials/your-data.md")
"""Pages that begin with a fresh checkout. The others begin after the tutorial of the first run."""
FIRST_RUN = "docs/tutorials/first-run.md"


@dataclass(frozen=True)
class Block:
    """A shell block; `reason` says why it cannot run in a test."""

    code: str
    reason: str = ""


def blocks(page: str) -> list[Block]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return [Block(match["code"], match["reason"] or "") for match in BLOCK.finditer(text)]


def pages() -> list[str]:
    names = [str(path.relative_to(ROOT)) for path in tracked("README.md", "docs/*.md")]
    return [name for name in names if "generated" not in name and blocks(name)]


def runnable(page: str) -> str:
    return "\n".join(block.code for block in blocks(page) if not block.reason)


def lines(code: str) -> Iterator[list[str]]:
    """Yield the commands of a block as words, without comments and without the text of here-documents."""
    code = re.sub(r"<<'(\w+)'\n.*?^\1$", "", code, flags=re.MULTILINE | re.DOTALL)
    for line in code.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        for separator, words in itertools.groupby(lexer, lambda word: set(word) <= set(";&|()<>")):
            command = [word for word in words if not separator]
            while command and re.match(r"\w+=", command[0]):
                command = command[1:]
            if command:
                yield command


def find_command(words: list[str]) -> tuple[Any, list[str]]:
    command: Any = typer.main.get_command(app)
    while words and hasattr(command, "commands"):
        assert words[0] in command.commands, f"ganline {words[0]}: no such command"
        command, words = command.commands[words[0]], words[1:]
    return command, words


@pytest.mark.parametrize("page", pages())
def test_commands_and_options_exist(page: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for block in blocks(page):
        assert subprocess.run(["bash", "-n"], input=block.code, text=True, check=False).returncode == 0, block.code
        for words in lines(block.code):
            if words[0] == "make":
                assert {word for word in words[1:] if "=" not in word} <= targets, words
            elif words[0] == "ganline":
                command, rest = find_command(words[1:])
                known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
                used = {word.partition("=")[0] for word in rest if re.match(r"--?[a-z]", word)}
                assert used <= known, f"{' '.join(words)}: no such option: {used - known}"


def test_a_skipped_block_says_why() -> None:
    unmarked = [page for page in pages() for block in blocks(page) if block.reason and len(block.reason) < 10]
    assert not unmarked


@dataclass(frozen=True)
class Project:
    """A checkout to run blocks in."""

    folder: Path
    environment: dict[str, str]

    def run(self, page: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        code = runnable(page).replace("8000", port)
        script = f"set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n{code}"
        done = subprocess.run(
            ["bash", "-x", "-c", script],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{page}: exit code {done.returncode}\n{done.stdout[-5000:]}"


def create(folder: Path, cache: Path) -> Project:
    """Copy the project's files into a repository of their own, with the environment that runs the tests."""
    for path in tracked():
        target = folder / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "activate").touch()
    (folder / ".venv" / ".installed").write_text(str(folder))
    dropped = {"MLFLOW_TRACKING_URI", "PREFECT_API_URL", "MAKEFLAGS", "MAKELEVEL"}
    environment = {name: value for name, value in os.environ.items() if name not in dropped} | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(folder),
        "OMP_NUM_THREADS": "1",
        "GANLINE_CLONES": str(folder.parent / "clones"),
        "PREFECT_HOME": str(folder.parent / "prefect"),
        **{f"GIT_{role}_{key}": "tests@localhost" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")},
    }
    project = Project(folder, environment)
    for command in (
        ["git", "init", "--quiet", "--initial-branch", "main"],
        ["git", "add", "--all"],
        ["git", "commit", "--quiet", "--message", "checkout"],
        ["dvc", "cache", "dir", "--local", str(cache)],
    ):
        subprocess.run(command, cwd=folder, env=environment, check=True)
    return project


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DVC cache that all projects share, so that `make run` computes once and is restored from then on."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Project:
    """A project after the tutorial of the first run."""
    project = create(tmp_path_factory.mktemp("finished") / "project", cache)
    project.run(FIRST_RUN)
    return project


def test_the_texts_that_sed_replaces_exist() -> None:
    """`sed` does not fail if it finds nothing. The file is that of the checkout, or of a preset."""
    found = [
        (page, match[1])
        for page in pages()
        for block in blocks(page)
        for match in re.finditer(r"'s\|([^|]+)\|[^|]*\|g?'", block.code)
        if "params.yaml" in block.code
    ]
    assert found
    files = [ROOT / "params.yaml", *(ROOT / "presets").glob("*.yaml")]
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    assert [(page, pattern) for page, pattern in found if pattern not in text] == []


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("page", [page for page in pages() if runnable(page)])
def test_blocks_run_in_order(page: str, finished: Project, tmp_path: Path, cache: Path) -> None:
    if page == FIRST_RUN:
        return  # ran in the fixture
    project = create(tmp_path / "project", cache) if page in FRESH else finished
    project.run(page)
