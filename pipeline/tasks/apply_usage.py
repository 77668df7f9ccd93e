"""The model card's usage section for tasks that transform an image."""

from collections.abc import Mapping
from typing import Any

from pipeline.serving.onnx.metadata import Metadata


def apply_usage(metadata: Metadata, signature: Mapping[str, Any], result: str) -> str:
    """Return how to apply the model, as Markdown; `result` names the output files."""
    rgb = metadata.item.channels == 3
    mode, back = ("RGB", "[0].transpose(1, 2, 0)") if rgb else ("L", "[0, 0]")
    to_batch = ".transpose(2, 0, 1)[None]" if rgb else "[None, None]"
    side = metadata.multiple
    crop = (
        f"pixels = pixels[: pixels.shape[0] // {side} * {side}, : pixels.shape[1] // {side} * {side}]"
        f"  # height and width must be multiples of {side}\n"
        if side > 1
        else ""
    )
    options = style = feed = ""
    if any(tensor["name"] == "z" for tensor in signature["inputs"]):
        options = "`--seed 7` draws a style, `--example picture.jpg` takes the style of an image of the other domain. "
        style = f"z = np.random.default_rng(7).standard_normal((1, {metadata.latent}), dtype=np.float32)\n"
        feed = ', "z": z'
    return f"""## How to use

```
ganline apply photo.jpg -o {result}.png --model generator.onnx
ganline apply folder/ -o {result}/ --model generator.onnx
```

{options}Large images are processed in overlapping tiles. Any ONNX Runtime works as well:

```python
import numpy as np
import onnxruntime
from PIL import Image

session = onnxruntime.InferenceSession("generator.onnx")
pixels = np.asarray(Image.open("photo.jpg").convert("{mode}"), dtype=np.float32)
{crop}{style}images = session.run(["images"], {{"image": (pixels / 127.5 - 1){to_batch}{feed}}})[0]
pixels = np.clip(np.floor(127.5 * images + 128), 0, 255).astype(np.uint8)
Image.fromarray(pixels{back}).save("{result}.png")
```
"""
