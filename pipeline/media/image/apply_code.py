"""Code on the model card that reads an image, transforms it with an exported graph, and writes the result."""

from collections.abc import Sequence


def apply_code(
    example: str, to_pixels: str, result: str, *, rgb: bool, multiple: int, latent: int, classes: Sequence[str]
) -> str:
    """Return code with NumPy, ONNX Runtime and Pillow.

    Args:
        example: File to read.
        to_pixels: Expression that turns `images` into pixels.
        result: Name of the file to write, without suffix.
        rgb: The images have three channels.
        multiple: Height and width are cropped to multiples of it, if it is above 1.
        latent: Length of the style z; 0 without.
        classes: Classes that the graph takes as labels; empty without.
    """
    mode, back = ("RGB", "[0].transpose(1, 2, 0)") if rgb else ("L", "[0, 0]")
    batch = "pixels.transpose(2, 0, 1)[None]" if rgb else "pixels[None, None]"
    crop = (
        f"height, width = (side // {multiple} * {multiple} for side in pixels.shape[:2])\n"
        f"pixels = pixels[:height, :width]  # multiples of {multiple}\n"
        if multiple > 1
        else ""
    )
    style, feed = "", ""
    if latent:
        style = f"z = np.random.default_rng(7).standard_normal((1, {latent}), dtype=np.float32)\n"
        feed = ', "z": z'
    if classes:
        style += f"label = np.array([0])  # {', '.join(classes)}\n"
        feed += ', "label": label'
    return f"""import numpy as np
import onnxruntime
from PIL import Image

session = onnxruntime.InferenceSession("generator.onnx")
pixels = np.asarray(Image.open("{example}").convert("{mode}"), dtype=np.float32) / 127.5 - 1
{crop}{style}images = session.run(["images"], {{"image": {batch}{feed}}})[0]
pixels = {to_pixels}
Image.fromarray(pixels{back}).save("{result}.png")
"""
