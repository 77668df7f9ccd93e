"""What is wrong with which file: every item of the manifest accepted, or set aside for one reason."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]

from pipeline.data.pair_matching import identities, of_partners, partners
from pipeline.data.settings import ValidateSettings
from pipeline.media.image.settings import Pairing

REASONS = ("undecodable", "too_small", "near_constant", "unpaired", "unequal", "leaked", "duplicate")
"""Why an item is set aside; where several apply the first counts."""

WIDE = ("halves", "outline")
"""Pairs whose partners lie side by side in one row."""

INDEX = [
    "id",
    "path",
    "class",
    "label",
    "split",
    "shard",
    "row",
    "stored_height",
    "stored_width",
    "sha256",
    "pixels_sha256",
    "pair",
]


@dataclass(frozen=True)
class Findings:
    """The manifest's rows with verdicts.

    `files` has a row for every file, with `side` (pixels of the shorter side), `duplicate_of` (the first image of the same pixels in its split),
    `leaked_from` (for a test image: the training image of the same pixels), `alone` (in folders of pairs: why it has no partner of its size), and
    `reason`/`detail`, null for an accepted image.
    """

    files: pd.DataFrame
    classes: list[str]
    pairs: Pairing = "none"

    @property
    def images(self) -> pd.DataFrame:
        """What could be decoded."""
        return self.files[self.files["error"].isna()]

    @property
    def accepted(self) -> pd.DataFrame:
        return self.files[self.files["reason"].isna()]

    @property
    def rejected(self) -> pd.DataFrame:
        return self.files[self.files["reason"].notna()]

    def of_split(self, split: str, frame: pd.DataFrame) -> pd.DataFrame:
        return frame[frame["split"] == split]

    def per_class(self) -> pd.DataFrame:
        """One row a class: `class`, `train_images` and `test_images` accepted, and `times_smaller` than the largest (infinite for an empty one)."""
        counts = {split: self.of_split(split, self.accepted)["class"].value_counts() for split in ("train", "test")}
        train = np.array([counts["train"].get(name, 0) for name in self.classes], dtype=np.int64)
        times = [float(train.max()) / count if count else float("inf") for count in train.tolist()]
        test = [int(counts["test"].get(name, 0)) for name in self.classes]
        return pd.DataFrame({"class": self.classes, "train_images": train, "test_images": test, "times_smaller": times})

    def numbers(self) -> dict[str, Any]:
        """Flat measurements for metrics/validation.json. Shares are of the files (errors), the decoded images, or the decoded test images (leakage)."""
        files, images, accepted = self.files, self.images, self.accepted
        test = self.of_split("test", images)
        mean = float(accepted["mean"].mean()) if len(accepted) else None
        square = float((accepted["std"] ** 2 + accepted["mean"] ** 2).mean()) if len(accepted) else None
        found: dict[str, Any] = {
            "images_total": len(files),
            "images_accepted": len(accepted),
            "images_quarantined": len(files) - len(accepted),
            **{f"quarantined_{reason}": int((files["reason"] == reason).sum()) for reason in REASONS},
            "train_images": len(self.of_split("train", accepted)),
            "test_images": len(self.of_split("test", accepted)),
            "error_share": share(files["error"].notna()),
            "duplicate_share": share(images["duplicate_of"].notna()),
            "leakage_share": share(test["leaked_from"].notna()),
            "constant_share": share(images["constant"]),
            "small_share": share(images["small"]),
            "pixel_mean": mean,
            # Of two pictures side by side only the flatter one's spread is known.
            "pixel_std": None
            if mean is None or square is None or self.pairs in WIDE
            else max(0.0, square - mean * mean) ** 0.5,
            "classes": len(self.classes),
        }
        if self.pairs == "folders":
            found["unpaired_share"] = share(images["alone"].notna())
        if self.classes:
            train = self.per_class()["train_images"]
            smallest, largest = int(train.min()), int(train.max())
            found |= {
                "smallest_class_images": smallest,
                "largest_class_images": largest,
                "imbalance": largest / smallest if smallest else None,
            }
        return found


def share(flags: pd.Series) -> float:
    return float(flags.mean()) if len(flags) else 0.0


def examine(
    manifest: pd.DataFrame, classes: list[str], settings: ValidateSettings, pairs: Pairing = "none"
) -> Findings:
    """Judges every row of a manifest. `manifest` has the columns of `pipeline.data.writer.MANIFEST`, in the source's order; `pairs` is data.pairs.

    Of pairs in folders no file is accepted without its partner, and only both together are a copy.
    """
    files = manifest.copy()
    good = files["error"].isna()
    width = files["width"] / 2 if pairs == "halves" else files["width"]
    files["side"] = pd.concat([width, files["height"]], axis=1).min(axis=1).where(good)
    files["small"] = good & (files["side"] < settings.min_side.limit)
    files["constant"] = good & (files["std"] < settings.constant_std)
    mates = partners(files, classes) if pairs == "folders" else None
    files["identity"] = files["pixels_sha256"] if mates is None else identities(files, mates["partner"])
    files["alone"] = None if mates is None else mates["alone"].where(mates["alone"].notna(), mates["unequal"])
    images = files[good]
    first = images.groupby(["split", "identity"])["path"].transform("first")
    copies = images.duplicated(["split", "identity"])
    files["duplicate_of"] = first[copies].reindex(files.index)
    train = images[images["split"] == "train"].drop_duplicates("identity").set_index("identity")["path"]
    test = images[images["split"] == "test"]
    files["leaked_from"] = test["identity"].map(train).reindex(files.index)

    files["reason"] = None
    files["detail"] = None
    flags = {
        "undecodable": ~good,
        "too_small": files["small"] & (settings.min_side.severity != "off"),
        "near_constant": files["constant"] & (settings.max_constant_share.severity != "off"),
        "leaked": files["leaked_from"].notna() & (settings.max_leakage_share.severity != "off"),
        "duplicate": files["duplicate_of"].notna() & (settings.max_duplicate_share.severity != "off"),
    }
    if mates is not None:
        flags |= {
            "unpaired": mates["alone"].notna(),
            "unequal": mates["unequal"].notna() & (settings.max_unpaired_share.severity != "off"),
        }
    for reason in [each for each in REASONS if each in flags]:
        rows = flags[reason] & files["reason"].isna()
        files.loc[rows, "reason"] = reason
        files.loc[rows, "detail"] = [detail(reason, row) for row in files[rows].to_dict("records")]
    if mates is not None:
        widow(files, mates["partner"])
    return Findings(files, classes, pairs)


def widow(files: pd.DataFrame, partner: pd.Series) -> None:
    """Sets aside whose partner was set aside."""
    paths, why = of_partners(files["path"], partner), of_partners(files["reason"], partner)
    rows = files["reason"].isna() & why.notna()
    files.loc[rows, "reason"] = "unpaired"
    files.loc[rows, "detail"] = [
        f"its partner {path} was set aside: {reason}" for path, reason in zip(paths[rows], why[rows], strict=True)
    ]


def detail(reason: str, row: dict[str, Any]) -> str:
    """What a person needs to know beside the reason."""
    match reason:
        case "too_small":
            return f"{row['width']:.0f} x {row['height']:.0f} pixels"
        case "near_constant":
            return f"standard deviation {row['std']:.4f}"
        case "unpaired" | "unequal":
            return str(row["alone"])
        case "leaked":
            return f"same pixels as training image {row['leaked_from']}"
        case "duplicate":
            return f"same pixels as {row['duplicate_of']}"
    return str(row["error"])
