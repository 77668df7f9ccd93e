"""Translations between two styles of digits (`cyclegan`, `drit`) against the truth: which style they show, which digit.

The classifiers are those of `styled_digits`. Random styles are drawn for models that take `z`, and there the mean
difference between two styles of a digit is reported, too.
"""

import argparse
from pathlib import Path

import numpy as np

from benchmarks.translation.styled_digits import STYLES, Drawings, train_judges, translate
from pipeline.serving.runtime.generator import Graph


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("generator", type=Path, nargs="?", default=Path("exported/generator.onnx"))
    parser.add_argument("--seed", type=int, default=0, help="of the styles")
    arguments = parser.parse_args()
    forward = Graph(arguments.generator)
    names = tuple(forward.metadata.classes)
    if len(names) != 2 or not set(names) <= set(STYLES):
        raise SystemExit(f"{arguments.generator}: its classes are {names}, not two of {STYLES}")
    backward = Graph(arguments.generator.with_name("reverse.onnx"))
    test, judges = Drawings(test=True), train_judges(Drawings(test=False))
    print("| from | to | style as asked | digit kept | digit read in real targets | two styles differ (levels) |")
    print("|---|---|---|---|---|---|")
    for graph, source, target in ((forward, *names), (backward, *names[::-1])):
        number, chosen = STYLES.index(target), test.styles == STYLES.index(source)
        images, digits = test.array[chosen], test.digits[chosen]
        translated = translate(graph, images, None, None, arguments.seed)
        style, kept = judges.shares(translated, np.full(len(images), number), digits)
        real = test.styles == number
        readable = judges.shares(test.array[real], test.styles[real], test.digits[real])[1]
        shown = ""
        if graph.metadata.latent:
            other = translate(graph, images, None, None, arguments.seed + 1)
            shown = f"{np.abs(translated.astype(np.int64) - other).mean():.1f}"
        print(f"| {source} | {target} | {style:.1%} | {kept:.1%} | {readable:.1%} | {shown} |")


if __name__ == "__main__":
    main()
