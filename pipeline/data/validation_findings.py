"""Accept each item of the manifest, or set it aside with a reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]

from pipeline.arrays import Int64Array
from pipeline.data.pair_matching import find_partners, pair_identities, partner_values
from pipeline.media.base import Medium
from pipeline.media.validation import Defect, ValidationSettings

INDEX = [
    "id",
    "path",
    "part",
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
    "caption",
]
"""Columns of data/validated/index.parquet."""


@dataclass(frozen=True)
class Findings:
    """The result of the validation of each item.

    Attributes:
        files: One row for each item, and for each file that failed: the columns of the manifest without the digests,
            and `duplicate_of` (the first item of its split with the same values), `leaked_from` (for test items: the
            training item with the same values), `alone` (for pairs in folders: why there is no partner), and
            `reason` and `detail`, which are null for accepted items.
        classes: Names of the classes.
        medium: The medium of the items.
        pairs: `data.pairs`.
        defects: Defects that the medium found.
    """

    files: pd.DataFrame
    classes: Sequence[str]
    medium: Medium
    pairs: str
    defects: list[Defect]

    @property
    def items(self) -> pd.DataFrame:
        """Rows that could be decoded."""
        return select(self.files, self.files["error"].isna())

    @property
    def accepted(self) -> pd.DataFrame:
        """Rows without a reason to be set aside."""
        return select(self.files, self.files["reason"].isna())

    @property
    def rejected(self) -> pd.DataFrame:
        """Rows that are set aside."""
        return self.files[self.files["reason"].notna()]

    @property
    def reasons(self) -> list[str]:
        """Possible reasons to set an item aside; if several apply, the first counts."""
        return reasons(self.defects)

    def of_split(self, split: str, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of one split."""
        return frame[frame["split"] == split]

    def per_class(self) -> pd.DataFrame:
        """Return one row for each class.

        Columns are `class`, `train_images` and `test_images` (accepted), and `times_smaller` than the largest class,
        infinite for an empty one.
        """
        counts = {split: self.of_split(split, self.accepted)["class"].value_counts() for split in ("train", "test")}
        train = np.array([counts["train"].get(name, 0) for name in self.classes], dtype=np.int64)
        times = [float(train.max()) / count if count else float("inf") for count in train.tolist()]
        test = [int(counts["test"].get(name, 0)) for name in self.classes]
        return pd.DataFrame(
            {"class": list(self.classes), "train_images": train, "test_images": test, "times_smaller": times}
        )

    def numbers(self) -> dict[str, Any]:
        """Return the flat measurements of metrics/validation.json.

        Shares are of the files (errors), the decoded items, or the decoded test items (leakage).
        """
        files, items, accepted = self.files, self.items, self.accepted
        numbers: dict[str, Any] = {
            "images_total": len(files),
            "images_accepted": len(accepted),
            "images_quarantined": len(files) - len(accepted),
            **{f"quarantined_{reason}": int((files["reason"] == reason).sum()) for reason in self.reasons},
            "train_images": len(self.of_split("train", accepted)),
            "test_images": len(self.of_split("test", accepted)),
            "error_share": share(files["error"].notna()),
            "duplicate_share": share(items["duplicate_of"].notna()),
            "leakage_share": share(self.of_split("test", items)["leaked_from"].notna()),
            **{defect.share: share(defect.rows) for defect in self.defects},
            **self.medium.measurements(accepted, self.pairs),
            "classes": len(self.classes),
        }
        if self.pairs == "folders":
            numbers["unpaired_share"] = share(items["alone"].notna())
        if self.classes:
            train = self.per_class()["train_images"]
            smallest, largest = int(train.min()), int(train.max())
            numbers |= {
                "smallest_class_images": smallest,
                "largest_class_images": largest,
                "imbalance": largest / smallest if smallest else None,
            }
        return numbers


def select(frame: pd.DataFrame, rows: pd.Series) -> pd.DataFrame:
    """Return some rows of a frame; without a copy if these are all."""
    return frame if rows.all() else frame[rows]


def reasons(defects: Sequence[Defect]) -> list[str]:
    """Return the possible reasons to set items aside, in order of priority."""
    return ["undecodable", *(defect.reason for defect in defects), "unpaired", "unequal", "leaked", "duplicate"]


def share(flags: pd.Series) -> float:
    """Return the fraction of flags that are true; 0 if there are none."""
    return float(flags.mean()) if len(flags) else 0.0


def examine(
    manifest: pd.DataFrame,
    classes: Sequence[str],
    medium: Medium,
    settings: ValidationSettings,
    pairs: str = "none",
) -> Findings:
    """Accept or set aside each row of a manifest.

    For pairs in folders, a file is only accepted together with its partner. A pair is a copy if both files are.

    Args:
        manifest: The manifest of the store, in the order of the source.
        classes: Names of the classes.
        medium: The medium of the items.
        settings: Section `validate` of params.yaml.
        pairs: `data.pairs`.
    """
    good = manifest["error"].isna()
    defects = medium.defects(select(manifest, good), settings, pairs)
    partners = find_partners(manifest, classes, medium.partner_facts) if pairs == "folders" else None
    identity = manifest["pixels_sha256"] if partners is None else pair_identities(manifest, partners["partner"])
    files = manifest.drop(columns=["sha256", "pixels_sha256"], errors="ignore")
    files["alone"] = (
        None if partners is None else partners["alone"].where(partners["alone"].notna(), partners["unequal"])
    )
    find_copies(files, identity)
    del manifest, identity  # the digests are the largest part of a row
    files["reason"] = None
    files["detail"] = None
    set_aside(files, "undecodable", ~good, files["error"])
    for defect in defects:
        if defect.severity != "off":
            set_aside(files, defect.reason, defect.rows, defect.details)
    if partners is not None:
        set_aside(files, "unpaired", partners["alone"].notna(), files["alone"])
        if settings.max_unpaired_share.severity != "off":
            set_aside(files, "unequal", partners["unequal"].notna(), files["alone"])
    same = f"same values as {{}}{medium.noun} "
    for reason, column, bound, kind in (
        ("leaked", "leaked_from", settings.max_leakage_share, "training "),
        ("duplicate", "duplicate_of", settings.max_duplicate_share, ""),
    ):
        if bound.severity != "off":
            copies = files[column].notna()
            set_aside(files, reason, copies, same.format(kind) + files[column][copies].astype(object))
    if partners is not None:
        set_aside_partners(files, partners["partner"])
    return Findings(files, classes, medium, pairs, defects)


def find_copies(files: pd.DataFrame, identity: pd.Series) -> None:
    """Add the columns `duplicate_of` and `leaked_from`; `identity` is equal for copies."""
    codes, values = pd.factorize(identity)
    split = [(files["split"] == name).to_numpy() for name in ("train", "test")]
    decoded = files["error"].isna().to_numpy() & (codes >= 0)
    first = np.full((2, len(values)), -1, dtype=np.int64)  # the first row of each identity in each split
    origin = np.full(len(files), -1, dtype=np.int64)
    for number, members in enumerate(split):
        rows = np.flatnonzero(decoded & members)
        first[number, codes[rows[::-1]]] = rows[::-1]
        origin[rows] = first[number, codes[rows]]
    add_origins(files, "duplicate_of", np.flatnonzero((origin >= 0) & (origin != np.arange(len(files)))), origin)
    test = np.flatnonzero(decoded & split[1])
    origin[test] = first[0, codes[test]]
    add_origins(files, "leaked_from", test[origin[test] >= 0], origin)


def add_origins(files: pd.DataFrame, column: str, rows: Int64Array, origin: Int64Array) -> None:
    """Add a column with the paths of the rows that some rows are copies of, and null elsewhere."""
    paths = files["path"].iloc[origin[rows]]
    files[column] = paths.set_axis(files.index[rows]).reindex(files.index)


def set_aside(files: pd.DataFrame, reason: str, flags: pd.Series, details: pd.Series) -> None:
    """Set flagged rows aside, unless they already have a reason; `details` has a text for each of them."""
    rows = flags.reindex(files.index, fill_value=False).astype(bool) & files["reason"].isna()
    if rows.any():
        files.loc[rows, "reason"] = reason
        files.loc[rows, "detail"] = details.reindex(files.index[rows])


def set_aside_partners(files: pd.DataFrame, partner: pd.Series) -> None:
    """Set aside items whose partner was set aside."""
    paths, why = partner_values(files["path"], partner), partner_values(files["reason"], partner)
    rows = files["reason"].isna() & why.notna()
    files.loc[rows, "reason"] = "unpaired"
    files.loc[rows, "detail"] = [
        f"its partner {path} was set aside: {reason}" for path, reason in zip(paths[rows], why[rows], strict=True)
    ]
