"""model_card.md: what a person must know before using an exported generator."""

import json
from collections.abc import Mapping
from typing import Any

from pipeline.serving.graph_tensors import TENSORS, controls
from pipeline.serving.onnx.metadata import Metadata

USES = {
    "generate": "Synthetic images that resemble the training data: illustrations, tests, augmentation, study of the model itself.",
    "restore": "Making pictures of the training data's kind larger or cleaner for people to look at.",
    "translate": "Turning pictures of one side of the training data into such as those of the other: drafts, illustrations, augmentation.",
}
RISKS = {
    "generate": "Generated images may come close to training images; where those are confidential, inspect before publishing.",
    "restore": "It was taught one kind of degradation (see the settings above); what went wrong in another way it mends badly, or makes worse.",
    "translate": "Pictures of neither side of its training data it changes all the same; what they then show means nothing.",
}
INVENTED = {
    "generate": "what it shows never happened.",
    "restore": "details that the input does not hold are made up. Do not read plates, faces or findings from them.",
    "translate": "what the other side's pictures usually hold is made up, and what they never hold may be gone.",
}


def render(
    metadata: Metadata,
    signature: Mapping[str, Any],
    settings: Mapping[str, Any],
    evaluation: Mapping[str, Any],
    measured: Mapping[str, Any],
) -> str:
    """Markdown from what the model, its evaluation (metrics/evaluation.json) and its export (metrics/export.json) say.

    `settings` are the variant's own, as trained.
    """
    classes = ", ".join(metadata.classes) if metadata.classes else "none: the data has no labels"
    reasons = reasons_of(evaluation)
    verdict = f"**{metadata.verdict}**" + (
        ""
        if metadata.verdict == "pass"
        else f" ({'; '.join(reasons) or 'no reason recorded'}); exported because `export.allow_failed` is set"
    )
    numbers = {
        key: value
        for key, value in evaluation.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }
    return f"""# Model card: {metadata.variant} on {metadata.dataset_name}

{about(metadata)}, exported by ganline {metadata.version}.

## Verdict

{verdict}

## What it was trained on

| | |
|---|---|
| data | {metadata.dataset_name} |
| fingerprint of the images and labels | `{metadata.dataset_fingerprint}` |
| classes | {classes} |
| images shown in training | {metadata.images_seen:,} |

## How

| | |
|---|---|
| variant | {metadata.variant} |
| settings | `{json.dumps(settings)}` |
| code | git commit `{metadata.git_commit}` |
| MLflow run | `{metadata.mlflow_run}` |

## How good it is

Protocol: {metadata.protocol}. Numbers of different protocols must not be compared.

{table(numbers)}

## The file

{table({key: value for key, value in measured.items() if value is not None})}

{tensors("Input", signature["inputs"])}

{tensors("Output", signature["outputs"])}
{"".join(further(graph) for graph in signature.get("further", []))}
{sampling(metadata, signature) if metadata.task == "generate" else applying(metadata, signature)}
## Intended use

{USES[metadata.task]}

## Limits

- It knows nothing but its training data, and repeats that data's gaps and biases.
- {RISKS[metadata.task]}
- The numbers above are averages; a single image can be poor.
- It is not evidence: {INVENTED[metadata.task]}
"""


def about(metadata: Metadata) -> str:
    kind = "RGB" if metadata.item.channels == 3 else "gray"
    if metadata.task == "generate":
        return f"A generative adversarial network that makes {kind} images of {metadata.item.height} x {metadata.item.height} pixels"
    if metadata.task == "translate":
        sides = " to ".join(metadata.classes) if len(metadata.classes) == 2 else "side A to side B"
        return f"A network that translates {kind} images from {sides}, trained at {metadata.item.height} x {metadata.item.height} pixels"
    larger = f", {metadata.scale} times larger," if metadata.scale > 1 else ""
    return f"A network that restores {kind} images of any size{larger} from degraded ones"


def sampling(metadata: Metadata, signature: Mapping[str, Any]) -> str:
    side = metadata.item.height
    return f"""## How to sample

```
ganline sample -n 64 --seed 7 -o grid.png --model generator.onnx
```

{options(signature)}The same seed gives the same pictures, however many are asked for. Any other ONNX Runtime works as well:

```python
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("generator.onnx")
inputs = {{
{example(metadata, signature)}
}}
images = session.run(["images"], inputs)[0]  # [16, {metadata.item.channels}, {side}, {side}] in [-1, 1]
pixels = np.clip(np.floor(127.5 * images + 128), 0, 255).astype(np.uint8)
```
"""


def applying(metadata: Metadata, signature: Mapping[str, Any]) -> str:
    result = "restored" if metadata.task == "restore" else "translated"
    mode = "RGB" if metadata.item.channels == 3 else "L"
    to_four = ".transpose(2, 0, 1)[None]" if metadata.item.channels == 3 else "[None, None]"
    back = "[0].transpose(1, 2, 0)" if metadata.item.channels == 3 else "[0, 0]"
    styled = "z" in names(signature)
    least = metadata.multiple
    fitting = (
        f"pixels = pixels[: pixels.shape[0] // {least} * {least}, : pixels.shape[1] // {least} * {least}]  # sides are multiples of {least}\n"
        if least > 1
        else ""
    )
    style = (
        f"z = np.random.default_rng(7).standard_normal((1, {metadata.latent}), dtype=np.float32)\n" if styled else ""
    )
    beside = ', "z": z' if styled else ""
    inputs = f'{{"image": (pixels / 127.5 - 1){to_four}{beside}}}'
    styles = (
        "`--seed 7` draws a style, `--example picture.jpg` takes that of a picture of the other side. "
        if styled
        else ""
    )
    return f"""## How to use

```
ganline apply photo.jpg -o {result}.png --model generator.onnx
ganline apply folder/ -o {result}/ --model generator.onnx
```

{styles}Large pictures go through in overlapping tiles. Any other ONNX Runtime works as well:

```python
import numpy as np
import onnxruntime
from PIL import Image

session = onnxruntime.InferenceSession("generator.onnx")
pixels = np.asarray(Image.open("photo.jpg").convert("{mode}"), dtype=np.float32)
{fitting}{style}images = session.run(["images"], {inputs})[0]
Image.fromarray(np.clip(np.floor(127.5 * images + 128), 0, 255).astype(np.uint8){back}).save("{result}.png")
```
"""


def names(signature: Mapping[str, Any]) -> set[str]:
    return {tensor["name"] for tensor in signature["inputs"]}


def options(signature: Mapping[str, Any]) -> str:
    """Return sentences about the options of `ganline sample` that this graph takes."""
    return "".join(f"{control.usage} " for control in controls(tensor["name"] for tensor in signature["inputs"]))


def example(metadata: Metadata, signature: Mapping[str, Any]) -> str:
    """Return the lines of a dictionary with example inputs."""
    codes = {tensor["name"]: TENSORS[tensor["name"]].numpy for tensor in signature["inputs"]}
    return "\n".join(f'    "{name}": {code(metadata)},' for name, code in codes.items() if code is not None)


def reasons_of(evaluation: Mapping[str, Any]) -> list[str]:
    """Why the gate decided as it did; a list whichever way it was stored."""
    reasons = evaluation.get("reasons") or []
    return [reasons] if isinstance(reasons, str) else [str(reason) for reason in reasons]


def table(values: Mapping[str, Any]) -> str:
    rows = [f"| {key} | {f'{value:.6g}' if isinstance(value, float) else value} |" for key, value in values.items()]
    return "\n".join(["| measure | value |", "|---|---|", *rows])


def further(graph: Mapping[str, Any]) -> str:
    """A section on a graph that is delivered beside the generator."""
    return f"""
## Beside it: {graph["file"]}

{tensors("Input", graph["inputs"])}

{tensors("Output", graph["outputs"])}
"""


def tensors(title: str, described: list[Mapping[str, Any]]) -> str:
    rows = [
        f"| `{one['name']}` | {one['dtype']} | {one['shape']} | {one['range'] or 'unbounded'} | {one['meaning']} |"
        for one in described
    ]
    return "\n".join([f"| {title} | dtype | shape (-1: batch) | range | meaning |", "|---|---|---|---|---|", *rows])
