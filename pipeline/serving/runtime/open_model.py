"""Open an exported graph as what it is: a generator, a transformation, or a predictor of frames."""

from pathlib import Path

from pipeline.serving.runtime.frame_prediction import FramePredictor
from pipeline.serving.runtime.generator import Generator, Graph
from pipeline.serving.runtime.image_to_image import ImageToImage


def open_transform(source: Path | Graph) -> ImageToImage:
    """Return a graph that takes items. Raises InputError for any other."""
    graph = source if isinstance(source, Graph) else Graph(source)
    return FramePredictor(graph) if graph.metadata.past else ImageToImage(graph)


def open_model(graph: Graph) -> Generator | ImageToImage:
    """Return what the graph is by its inputs. Raises InputError if it is none of these."""
    return open_transform(graph) if graph.item_input in graph.inputs else Generator(graph)
