"""The model card's usage section for tasks that transform an item."""

import shlex
from collections.abc import Mapping
from typing import Any

from pipeline.media.base import Medium
from pipeline.media.registry import find_medium
from pipeline.serving.onnx.metadata import Metadata


def apply_command(medium: Medium, result: str) -> str:
    """Return a command line that transforms one file; `result` names the output file, without its suffix."""
    return f"ganline apply {medium.example_file} -o {result}{next(iter(medium.formats))}"


def apply_usage(metadata: Metadata, signature: Mapping[str, Any], result: str, *, examples: bool = True) -> str:
    """Return how to apply the model, as Markdown.

    Args:
        result: Name of the output files.
        examples: A style can be that of an example; otherwise only a seed draws it.
    """
    medium = find_medium(metadata.item.medium)
    inputs = [tensor["name"] for tensor in signature["inputs"]]
    styled, classes = "z" in inputs, metadata.classes if "label" in inputs else []
    label = f" --label {shlex.quote(classes[0])}" if classes else ""
    options = f"`--label` names the class to translate to: {', '.join(classes)}, or `all`. " if classes else ""
    if styled and examples:
        options += (
            f"`--seed 7` draws a style, `--example {medium.example_file}` takes the style of an item of the "
            f"{'class' if classes else 'other domain'}. "
        )
    elif styled:
        options += "`--seed 7` draws another result. "
    code = medium.apply_code(
        metadata.item,
        result,
        multiple=metadata.multiple,
        latent=metadata.latent if styled else 0,
        labelled=bool(classes),
    )
    without = f"Any ONNX Runtime works as well:\n\n```python\n{code}```\n" if code else ""
    return f"""## How to use

```
{apply_command(medium, result)}{label} --model generator.onnx
ganline apply folder/ -o {result}/{label} --model generator.onnx
```

{options}{medium.restoration.windows} {without}"""
