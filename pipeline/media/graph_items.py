"""Items in the tensors of an ONNX graph, and the code that reads them there without ganline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from pipeline.media import scale

if TYPE_CHECKING:
    import onnx

    from pipeline.arrays import Float32Array, Items
    from pipeline.items import ItemSpec


class GraphItems:
    """The part of a medium that concerns ONNX graphs.

    Attributes:
        input: Name of the tensor that holds an item to transform; see `input_name`.
        output: Name of the tensor that holds generated items; see `output_name`.
    """

    input: ClassVar[str] = "item"
    output: ClassVar[str] = "items"

    def input_name(self, spec: ItemSpec) -> str:
        """Return the name of the ONNX graphs' tensor that holds an item of this spec to transform."""
        return self.input

    def output_name(self, spec: ItemSpec) -> str:
        """Return the name of the ONNX graphs' tensor that holds generated items of this spec."""
        return self.output

    def to_network(self, items: Items, spec: ItemSpec) -> Float32Array:
        """Return stored items [n, H, W, C] as an ONNX graph takes them, float32 [n, C', H, W]."""
        return scale.to_network(items, spec)

    def from_network(self, values: Float32Array, spec: ItemSpec) -> Items:
        """Return an ONNX graph's output [n, C', H, W] as items [n, H, W, C]; the same rounding as `Tensors`."""
        return scale.from_network(values, spec)

    def further_outputs(self, spec: ItemSpec) -> Mapping[str, str]:
        """Return the outputs that exported generators have besides `output`, with their meaning; none by default."""
        return {}

    def extend_graph(self, model: onnx.ModelProto, spec: ItemSpec) -> None:
        """Add the further outputs to a graph, computed from its output `output_name`."""
        assert not self.further_outputs(spec), "a medium with further outputs adds them"

    def compute_outputs(self, values: Float32Array, spec: ItemSpec) -> Mapping[str, Float32Array]:
        """Return the further outputs for values [n, C', H, W] of `output_name`, for the parity check."""
        return {}

    def rounding(self, spec: ItemSpec) -> str:
        """Return how `from_network` rounds, as a protocol states it, such as "floor(127.5x+128)"."""
        return scale.describe_rounding(spec)

    def code_to_items(self, spec: ItemSpec, name: str) -> str:
        """Return numpy code that rounds the array `name` as `from_network` does; the axes stay [n, C, H, W]."""
        return scale.code_to_items(spec, name)

    def apply_code(self, spec: ItemSpec, result: str, *, multiple: int, latent: int, labelled: bool = False) -> str:
        """Return Python code that applies `generator.onnx` to a file without ganline; empty if there is no short way.

        Args:
            result: Name of the output file, without its suffix.
            multiple: Height and width must be multiples of it; at most 1 if they are free or fixed.
            latent: Length of the style z that the graph takes; 0 if it takes none.
            labelled: The graph takes a class.
        """
        return ""
