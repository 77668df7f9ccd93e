"""Check that the gate detects, names and stops every failure of a generator of music, and nothing else.

    python -m benchmarks.music                          the chord grammar, some minutes on two cores
    python -m benchmarks.music --source chorales.zip    MIDI files of four parts, with a test split
    python -m benchmarks.music --only voices --draws 0  failures whose name contains a word

Held-out real pieces replace the samples of a generator. Uncorrupted, they must raise no alarm. Broken in controlled
ways, they must be rejected under the right name. The exit code is 1 if a target is missed.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.gate.__main__ import EvaluatorFactory, collect_false_alarms, evaluate_failure
from benchmarks.gate.data import Data, Images
from benchmarks.gate.results import Outcome, Results
from benchmarks.music.failures import FAILURES
from pipeline.data.store import DatasetInfo, ItemSet, open_split
from pipeline.items import ItemSpec

PARAMS = {
    "grammar": "data: {medium: music, pitches: [41, 79]}\n",
    "files": "data: {medium: music, source: SOURCE, pitches: [33, 88], key: C, hop: 2}\n",
}
REST = "model: {variant: vanilla}\ntrain: {flips: false}\n"


def pieces(split: ItemSet, item: ItemSpec) -> Images:
    """Return a split in memory."""
    found = Images(split.images(), split.labels, split.fingerprint)
    found.item = item
    return found


def load(source: Path | None, cache: Path) -> Data:
    """Ingest and validate a source; a second run reads it from the cache. Without one, the chord grammar."""
    from pipeline.stages import ingest, validate

    name = "chord-grammar" if source is None else source.stem
    root = (cache / f"music-{name}").resolve()
    dataset, validated = root / "data/dataset", root / "data/validated"
    if not (validated / "index.parquet").is_file():
        root.mkdir(parents=True, exist_ok=True)
        text = PARAMS["grammar"] if source is None else PARAMS["files"].replace("SOURCE", str(source.resolve()))
        (root / "params.yaml").write_text(text + REST)
        ingest.run(root)
        validate.run(root)
    item = DatasetInfo.read(dataset).item
    train, test = (pieces(open_split(dataset, validated, split), item) for split in ("train", "test"))
    if source is not None:
        return Data(name, train, test, item)
    # The built-in source has a small test split: a third of the training pieces joins it.
    more = np.arange(len(train)) % 3 == 0
    array, labels = np.concatenate([test.array, train.array[more]]), np.concatenate([test.labels, train.labels[more]])
    rest, kept = Images(array, labels, "grammar rest"), Images(train.array[~more], train.labels[~more], "grammar train")
    for part in (rest, kept):
        part.item = item
    return Data(name, kept, rest, item)


def main() -> int:
    """Run the benchmark; return 1 if a target is missed."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.music", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--source", type=Path, help="MIDI files with a test split; default: the chord grammar")
    parser.add_argument("--features", default="auto", help="the setting evaluate.features")
    parser.add_argument("--samples", type=int, default=2500, help="pieces per evaluation, at most")
    parser.add_argument("--only", default="", help="run only the failures whose name contains this text")
    parser.add_argument("--weakest", action="store_true", help="of each failure only the strengths that decide")
    parser.add_argument("--draws", type=int, default=20, help="splits in which real pieces must raise no alarm")
    parser.add_argument(
        "--cache", type=Path, default=Path(".ganline/benchmarks"), help="cache of datasets and features"
    )
    parser.add_argument("--out", type=Path, help="folder for the tables; without it the result is only printed")
    options = parser.parse_args()
    began, data = time.monotonic(), load(options.source, options.cache)
    labelled = bool(data.item.classes)
    factory = EvaluatorFactory(data, options)
    test, fresh = data.split(0, options.samples)
    evaluator = factory.build(test)
    chosen = [one for one in FAILURES if (labelled or not one.needs_labels) and options.only in one.key]
    outcomes: list[Outcome] = []
    for failure in chosen:
        strengths = failure.decisive(labelled) if options.weakest else failure.strengths
        outcomes += evaluate_failure(evaluator, fresh, failure, labelled, strengths)
    results = Results(outcomes, collect_false_alarms(factory, options.draws, options.samples))
    head = (
        f"{len(fresh.images):,} fresh pieces compared with {len(test):,}; {len(data.train):,} training pieces "
        f"{'with' if labelled else 'without'} labels; features: {evaluator.extractor.spec.name}. "
        f"{len(chosen)} failures in {len(outcomes)} sets; {time.monotonic() - began:.0f} s."
    )
    parts = {"Verdicts": results.matrix(), "Failed tests": results.failed_tests()}
    page = "\n".join(
        [head, "", *results.summary(), *(f"\n# {title}\n\n" + "\n".join(lines) for title, lines in parts.items()), ""]
    )
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / f"{data.name}.md").write_text(page, encoding="utf-8")
    print(page)
    return 0 if results.complete else 1


if __name__ == "__main__":
    sys.exit(main())
