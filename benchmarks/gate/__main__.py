"""Check that the gate detects, names and stops every failure of a model, and nothing else.

Held-out real items take the place of what a model makes. Unbroken, they must raise no alarm. Broken in controlled ways,
at increasing strength, they must be rejected under the right name. The exit code is 1 if a target is missed.
"""

import sys
import time
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.gate.bank import Bank
from benchmarks.gate.captions import bank as captions
from benchmarks.gate.images import bank as images
from benchmarks.gate.music import bank as music
from benchmarks.gate.runner import add_options, run
from benchmarks.gate.sound import bank as sound
from benchmarks.gate.transformed import bank as transformed
from benchmarks.gate.video import bank as video
from benchmarks.gate.volume import bank as volume

BANKS: dict[str, tuple[Any, Callable[[Namespace], Bank[Any]]]] = {
    "images": (images, images.open_bank),
    "captions": (captions, captions.open_bank),
    "sound": (sound, sound.open_bank),
    "music": (music, music.open_bank),
    "video": (video, video.open_bank),
    "volume": (volume, volume.open_bank),
    "translate": (transformed, transformed.open_translate),
    "restore": (transformed, transformed.open_restore),
}
"""Module with options and examples, and what opens the bank."""


def parse_arguments() -> Namespace:
    """Parse the command line."""
    parser = ArgumentParser(
        prog="python -m benchmarks.gate", description=__doc__, formatter_class=RawDescriptionHelpFormatter
    )
    banks = parser.add_subparsers(dest="bank", required=True, metavar="|".join(BANKS), help="what is broken")
    for name, (module, _) in BANKS.items():
        bank = banks.add_parser(
            name, description=module.__doc__ + module.EXAMPLES, formatter_class=RawDescriptionHelpFormatter
        )
        add_options(bank)
        module.add_options(bank)
    options = parser.parse_args()
    source = getattr(options, "source", None)
    if source is not None and not Path(source).exists():
        parser.error(f"argument --source: {source}: no such file or folder")
    return options


def main() -> int:
    """Run a bank; return 1 if a target is missed."""
    options, began = parse_arguments(), time.monotonic()
    _, open_bank = BANKS[options.bank]
    results = run(open_bank(options), options)
    print(f"{time.monotonic() - began:.0f} s")
    return 0 if results.complete else 1


if __name__ == "__main__":
    sys.exit(main())
