"""The page on the `ganline` command, from its typer application."""

import inspect
from pathlib import Path
from typing import Any

import typer

from docs.generate.parameters import in_yaml, number, type_of


def command_names(group: Any, prefix: str = "") -> dict[str, Any]:
    """Return every command below a group by its full name."""
    found: dict[str, Any] = {}
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            found |= command_names(command, f"{prefix}{name} ")
        else:
            found[f"{prefix}{name}"] = command
    return found


def page() -> str:
    """Return the page as Markdown."""
    from pipeline.cli.app import app

    lines = [
        "# The `ganline` command",
        "",
        "Run every command from the root of a project or from any folder below it. {doc}`/reference/exit-codes` lists",
        "the exit codes. `ganline COMMAND --help` prints the same text as this page.",
        "",
    ]
    for name, command in command_names(typer.main.get_command(app)).items():
        lines += [
            f"(command-{name.replace(' ', '-')})=",
            f"## ganline {name}",
            "",
            f"```{{program}} ganline {name}",
            "```",
        ]
        lines += ["", "```text", usage(name, command), "```", "", *help_text(command.help or "")]
        for parameter in command.params:
            lines += option(parameter)
    return "\n".join(lines)


def help_text(text: str) -> list[str]:
    """Return the lines of a command's help; paragraphs that begin with a command become a list of examples."""
    paragraphs = [" ".join(paragraph.split()) for paragraph in inspect.cleandoc(text).split("\n\n")]
    prose = [paragraph for paragraph in paragraphs if not paragraph.startswith("`")]
    examples = [f"- {paragraph}" for paragraph in paragraphs if paragraph.startswith("`")]
    lines = [line for paragraph in prose for line in (paragraph, "")]
    return [*lines, *(["Examples:", "", *examples, ""] if examples else [])]


def usage(name: str, command: Any) -> str:
    """Return the usage line."""
    arguments = [argument for argument in command.params if argument.param_type_name == "argument"]
    parts = [display(argument) for argument in arguments]
    options = " [OPTIONS]" if len(arguments) < len(command.params) else ""
    return " ".join([f"ganline {name}{options}", *parts])


def display(parameter: Any) -> str:
    """Return how usage shows a positional argument."""
    text = parameter.metavar or parameter.name.upper()
    return text if parameter.required else f"[{text}]"


def option(parameter: Any) -> list[str]:
    """Return the lines of one option or argument."""
    if parameter.param_type_name == "argument":
        name = parameter.metavar or parameter.name.upper()
    else:
        value = "" if parameter.is_flag else f" {placeholder(parameter.type_descriptor.annotation)}"
        name = ", ".join(f"{text}{value}" for text in (*parameter.opts, *parameter.secondary_opts))
    details = []
    if choices := choices_of(parameter.type_descriptor.annotation):
        details.append(f"One of {choices}.")
    if parameter.min is not None or parameter.max is not None:
        details.append(f"Range: {interval(parameter.min, parameter.max)}.")
    if parameter.show_default and parameter.default is not None and not parameter.is_flag:
        details.append(f"Default: `{in_yaml(parameter.default)}`.")
    text = " ".join([parameter.help or "", *details]).strip()
    return [f"```{{option}} {name}", text, "```", ""]


def placeholder(annotation: Any) -> str:
    """Return the name of an option's value: its type."""
    words = {int: "INTEGER", float: "NUMBER", str: "TEXT", Path: "PATH"}
    return words.get(annotation, "VALUE")


def choices_of(annotation: Any) -> str:
    """Return the values of a Literal, empty for any other type."""
    text = type_of(annotation)
    return text.replace(" | ", ", ") if text.startswith("`") else ""


def interval(least: float | None, most: float | None) -> str:
    """Return a range in words."""
    if most is None:
        return f"at least {number(least)}"
    return f"at most {number(most)}" if least is None else f"{number(least)} to {number(most)}"
