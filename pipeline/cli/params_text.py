"""Write settings as the text of params.yaml: every key, with its description as the comment."""

import io
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo
from ruamel.yaml import YAML
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.representer import SafeRepresenter

from pipeline.gans.registry import VARIANTS
from pipeline.media.registry import MEDIA
from pipeline.params import Params
from pipeline.settings import Settings

COMMENT_COLUMN = 28
LINE_LENGTH = 120
INDENT = 2
AXES: dict[str, Iterable[object]] = {"data.medium": MEDIA, "model.variant": VARIANTS}
"""Registries whose names are the values of a key."""


class Representer(SafeRepresenter):
    """Writes numbers as a person does: 3 for 3.0, 0.00002 for 2e-05."""

    def represent_number(self, value: float) -> ScalarNode:
        """Return the node of a finite number."""
        if value.is_integer():
            return self.represent_int(int(value))
        return self.represent_scalar("tag:yaml.org,2002:float", format(Decimal(repr(value)), "f"))


Representer.add_representer(float, Representer.represent_number)


def format_params(params: Params, header: str = "", comments: Mapping[str, str] | None = None) -> str:
    """Return the complete text of a params.yaml.

    Args:
        params: The settings to write.
        header: Comment lines at the top of the file.
        comments: Comments by path of the key, such as "train.flips"; they replace the key's description.
    """
    sections = (
        "\n".join(format_field(name, info, getattr(params, name), "", comments or {}))
        for name, info in type(params).model_fields.items()
    )
    return header + "\n\n".join(sections) + "\n"


def format_field(name: str, info: FieldInfo, value: Any, path: str, comments: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines of one key and of the keys below it; none for a section without keys."""
    if isinstance(value, Settings) and not type(value).model_fields:
        return
    key = info.alias or name
    indent = " " * INDENT * path.count(".")
    path += key
    comment = comments.get(path) or describe(path, info, value)
    is_section = has_lines(value)
    entry = f"{key}:" if is_section else dump({key: plain(value)})
    line = f"{indent}{entry}".ljust(COMMENT_COLUMN - 2) + f"  # {comment}"
    if not comment:
        yield indent + entry
    elif len(line) <= LINE_LENGTH:
        yield line
    else:
        prefix = f"{indent}# "
        yield from textwrap.wrap(comment, LINE_LENGTH, initial_indent=prefix, subsequent_indent=prefix)
        yield indent + entry
    if is_section:
        fields = type(value).model_fields.items()
        # Sections last, so that every key stands close to the name of its section.
        for name, info in sorted(fields, key=lambda field: has_lines(getattr(value, field[0]))):
            yield from format_field(name, info, getattr(value, name), f"{path}.", comments)


def has_lines(value: object) -> bool:
    """Whether a value takes several lines."""
    return isinstance(value, Settings) and not value.one_line


def describe(path: str, info: FieldInfo, value: object) -> str:
    """Return the choices of a key and its description; that of a section defaults to its class's first line."""
    literals = get_args(info.annotation) if get_origin(info.annotation) is Literal else ()
    choices = AXES.get(path, literals)
    summary = (type(value).__doc__ or "").split("\n")[0].rstrip(".") if has_lines(value) else ""
    return "; ".join(filter(None, (" | ".join(map(str, choices)), info.description or summary)))


def plain(value: Any) -> Any:
    """Return a value as YAML's own types."""
    if isinstance(value, Settings):
        return value.model_dump(mode="json", by_alias=True)
    if isinstance(value, Mapping):
        return {key: plain(one) for key, one in value.items()}
    return list(value) if isinstance(value, tuple) else value


def dump(values: dict[str, Any]) -> str:
    """Return one entry of a mapping on one line."""
    yaml = YAML(typ="safe", pure=True)
    yaml.Representer = Representer
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.width = 10 * LINE_LENGTH
    yaml.default_flow_style = True
    stream = io.StringIO()
    yaml.dump(values, stream)
    return stream.getvalue().strip().removeprefix("{").removesuffix("}")
