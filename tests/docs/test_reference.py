"""The generated reference is complete: every parameter, command, option and endpoint of the code has an entry."""

import re
import types
import typing
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from pydantic import BaseModel

from docs.generate import http
from docs.generate.pages import pages
from pipeline.cli.app import app
from pipeline.gans.registry import VARIANTS
from pipeline.media.registry import MEDIA
from pipeline.params import Params, params_class_for
from pipeline.settings import Settings
from pipeline.tasks.registry import TASKS

CONFVAL = re.compile(r"^```\{confval\} (\S+)$", re.MULTILINE)
ENTRY = r"^```\{confval\} (\S+)\n(?::[^\n]*\n)*\n(.*?)```$"
OF_A_TASK = ("evaluate.gate.", "promote.limits.", "promote.floors.")


@pytest.fixture(scope="module")
def built() -> dict[str, str]:
    """Return the generated pages of the reference by their path below docs/reference/generated/."""
    reference = "reference/generated/"
    return {name.removeprefix(reference): str(text) for name, text in pages().items() if name.startswith(reference)}


def documented(built: dict[str, str], *names: str) -> set[str]:
    return {key for name in names for key in CONFVAL.findall(built[f"parameters/{name}.md"])}


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Yield every key of a settings class that holds a value, as a path from the top of params.yaml."""
    for name, field in model.model_fields.items():
        key = f"{prefix}{field.alias or name}"
        sections = [kind for kind in unpack(field.annotation) if issubclass(kind, Settings) and not kind.one_line]
        if sections:
            yield from keys(sections[0], f"{key}.")
        else:
            yield key


def unpack(annotation: Any) -> list[type]:
    """Return the classes in an annotation and, of a union, in its members."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType, typing.Annotated):
        return [kind for argument in typing.get_args(annotation) for kind in unpack(argument)]
    return [annotation] if isinstance(annotation, type) else []


def params_of(medium: str, variant: str) -> type[Params]:
    return params_class_for({"data": {"medium": medium}, "model": {"variant": variant}})


def bounds_of(task: str, section: str) -> set[str]:
    """Return the keys of one section that depend on the task, for all media together."""
    variant = next(name for name, variant in VARIANTS.items() if variant.settings.task == task)
    found = {key for medium in MEDIA for key in keys(params_of(medium, variant)) if key.startswith(OF_A_TASK)}
    return {key for key in found if key.startswith(section)}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("medium", MEDIA)
def test_every_parameter_is_documented_and_no_other(built: dict[str, str], medium: str, variant: str) -> None:
    names = ["train", "evaluate", "export", "promote", "tune", "tracking"]
    names += [f"data-{medium}", f"validate-{medium}", f"model-{variant}"]
    assert documented(built, *names) == {
        key for key in keys(params_of(medium, variant)) if not key.startswith(OF_A_TASK)
    }


@pytest.mark.parametrize("task", TASKS)
def test_every_bound_of_a_task_is_documented_and_no_other(built: dict[str, str], task: str) -> None:
    assert documented(built, f"gate-{task}") == bounds_of(task, "evaluate.")
    if wanted := bounds_of(task, "promote."):
        assert documented(built, f"promotion-{task}") == wanted


def test_every_parameter_and_section_has_a_description(built: dict[str, str]) -> None:
    pages = {name: text for name, text in built.items() if name.startswith("parameters/")}
    entries = [
        (match[1], match[2]) for text in pages.values() for match in re.finditer(ENTRY, text, re.MULTILINE | re.DOTALL)
    ]
    assert len(entries) == sum(text.count("```{confval}") for text in pages.values())
    assert sorted({key for key, description in entries if len(description.split()) < 2}) == []
    parts = [part for text in pages.values() for part in re.split(r"^#+ ", text, flags=re.MULTILINE)[1:]]
    assert [part.splitlines()[0] for part in parts if not part.partition("\n\n")[2].partition("```")[0].strip()] == []


def test_no_entry_is_empty(built: dict[str, str]) -> None:
    assert [name for name, text in built.items() if re.search(r"^: *$", text, re.MULTILINE)] == []


def test_every_axis_has_its_page(built: dict[str, str]) -> None:
    wanted = {f"{section}-{name}" for section in ("data", "validate") for name in MEDIA} | {
        f"model-{name}" for name in VARIANTS
    }
    wanted |= {f"gate-{name}" for name in TASKS} | {
        f"promotion-{name}" for name in TASKS if bounds_of(name, "promote.")
    }
    found = {re.sub(r"^parameters/|\.md$", "", path) for path in built if path.startswith("parameters/")}
    assert wanted == {name for name in found if "-" in name}


def test_a_range_is_shown_wherever_a_value_outside_it_is_refused(built: dict[str, str]) -> None:
    train = built["parameters/train.md"]
    assert "{confval} train.batch_size\n:type: integer, at least 2, at most 65,536" in train
    assert "{confval} train.beta2\n:type: number | {start, end}, at least 0, at most 0.999999" in train
    assert "`auto` | `float32` | `bfloat16`" in train


@pytest.mark.parametrize("task", TASKS)
def test_every_measure_is_documented_and_no_other(built: dict[str, str], task: str) -> None:
    wanted = {measure.name for medium in MEDIA.values() for measure in TASKS[task].measures(medium)}
    page = built.get(f"measures/{task}.md", "").partition("## Failure modes")[0]
    assert wanted == set(re.findall(r"^`([^`]+)`\n: ", page, re.MULTILINE))


def leaves(command: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    if hasattr(command, "commands"):
        for name, inner in command.commands.items():
            yield from leaves(inner, f"{prefix} {name}")
    else:
        yield prefix, command


def test_every_command_and_option_is_documented_and_no_other(built: dict[str, str]) -> None:
    sections = re.split(r"^## ", built["commands.md"], flags=re.MULTILINE)[1:]
    found = {
        section.split("\n", 1)[0]: {
            name.split(" ")[0].rstrip(",")
            for line in re.findall(r"^```\{option\} (.+)$", section, re.MULTILINE)
            for name in line.split(", ")
        }
        for section in sections
    }
    wanted = {
        name: {
            option
            for parameter in command.params
            for option in (
                [*parameter.opts, *parameter.secondary_opts]
                if parameter.param_type_name == "option"
                else [parameter.metavar or parameter.name.upper()]
            )
        }
        for name, command in leaves(typer.main.get_command(app), "ganline")
    }
    assert found == wanted


def test_every_endpoint_and_metric_is_documented_and_no_other(built: dict[str, str]) -> None:
    found = set(re.findall(r"^## `([A-Z]+) (\S+)`$", built["http.md"], re.MULTILINE))
    assert found == set(http.endpoints())
    assert {"/image.png", "/apply", "/metrics", "/v2/models/{model}/infer"} <= {path for _, path in found}
    assert "ganline_requests_total" in built["http.md"]
