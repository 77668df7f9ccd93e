"""The command line: help, version and errors."""

import errno
import re
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from pipeline import __version__
from pipeline.cli import app as command_line
from pipeline.cli.app import app
from pipeline.errors import DataRejected


def commands(group: Any, prefix: str = "ganline") -> dict[str, Any]:
    """Return every command by its full name."""
    named: dict[str, Any] = {}
    for name, command in group.commands.items():
        below = commands(command, f"{prefix} {name}") if hasattr(command, "commands") else {f"{prefix} {name}": command}
        named |= below
    return named


COMMANDS = commands(typer.main.get_command(app))


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_every_command_has_examples(name: str) -> None:
    result = CliRunner().invoke(app, [*name.split()[1:], "--help"], terminal_width=200)
    assert result.exit_code == 0
    assert len([line for line in result.output.splitlines() if name in line and "Usage:" not in line]) >= 1
    assert re.search(rf"`[^`]*{name}", COMMANDS[name].help)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_explained(name: str) -> None:
    assert [parameter.name for parameter in COMMANDS[name].params if not parameter.help] == []


def test_version() -> None:
    assert CliRunner().invoke(app, ["--version"]).output == f"ganline {__version__}\n"


def test_presets_are_listed_and_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "presets").mkdir()
    (tmp_path / "presets/mine.yaml").write_text("# For:  my data.\n# Cost: nothing.\ntrain:\n  seed: 3\n")
    (tmp_path / "params.yaml").write_text("# edited\n")
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, ["preset", "list"]).output == "mine\n    my data.\n    Cost: nothing.\n"
    output = CliRunner().invoke(app, ["preset", "use", "mine"]).output
    assert output == (
        "params.yaml is now the preset mine. The previous file is now params.yaml.bak. Run it with `dvc repro`.\n"
    )
    assert "seed: 3" in (tmp_path / "params.yaml").read_text()


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (DataRejected("too few images"), 3, "ganline: too few images\n"),
        (
            OSError(errno.ENOSPC, "No space left on device", "/data/x"),
            2,
            "ganline: /data/x: No space left on device; make room on its disk and run the command again\n",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "/data/x"),
            2,
            "ganline: /data/x: Permission denied; give this user write access to it and run the command again\n",
        ),
        (
            OSError(errno.EROFS, "Read-only file system", "/data/x"),
            2,
            "ganline: /data/x: Read-only file system; give this user write access to it and run the command again\n",
        ),
        (OSError("torn"), 2, "ganline: torn; check this path and run the command again\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_errors_become_messages_and_exit_codes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, code: int, message: str
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(command_line, "app", fail)
    with pytest.raises(SystemExit) as end:
        command_line.main()
    assert end.value.code == code
    assert capsys.readouterr().err == message
