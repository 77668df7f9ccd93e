"""Match the files of two folders by name, for validation."""

from collections.abc import Sequence

import pandas as pd  # type: ignore[import-untyped]

KEY = ["split", "pair", "label"]


def find_partners(files: pd.DataFrame, classes: Sequence[str], facts: Sequence[str]) -> pd.DataFrame:
    """Find the partner of each row, and what is wrong with the pair.

    Args:
        files: The columns of the manifest.
        classes: Names of the two folders.
        facts: Columns that must be equal for partners.

    Returns:
        A row for each file. `partner`: index of the partner's row. `alone`: why it has no partner: no file of this name
        was read, or an earlier file in the same folder has the name. `unequal`: how the partners differ. Values that do
        not apply are null.
    """
    result = pd.DataFrame({"partner": pd.NA, "alone": None, "unequal": None}, index=files.index)
    result = result.astype({"partner": "Int64"})
    placed = files[files["pair"].notna()]
    first = placed.drop_duplicates(KEY).reset_index(names="partner")[[*KEY, "partner", "path", *facts]]
    other = first.assign(label=1 - first["label"])
    rows = placed[[*KEY, "path", *facts]].reset_index(names="row")
    pairs = rows.merge(other, on=KEY, how="left", suffixes=("", "_partner"))
    pairs = pairs.merge(first[[*KEY, "partner", "path"]], on=KEY, suffixes=("", "_first")).set_index("row")
    second = pairs["partner_first"] != pairs.index
    lonely = ~second & pairs["partner"].isna()
    result.loc[pairs.index, "partner"] = pairs["partner"].where(~second).astype("Int64")
    result.loc[pairs.index[lonely], "alone"] = [
        f"no readable file of this name in {classes[1 - label]!r}" for label in pairs["label"][lonely]
    ]
    result.loc[pairs.index[second], "alone"] = [f"{path} has this name already" for path in pairs["path_first"][second]]
    if facts:
        theirs = [f"{name}_partner" for name in facts]
        known = pairs[[*facts, *theirs]].notna().all(axis=1)
        unequal = known & ~second & (pairs[[*facts]].to_numpy() != pairs[theirs].to_numpy()).any(axis=1)
        result.loc[pairs.index[unequal], "unequal"] = [
            f"{describe(row, facts)}, its partner {row['path_partner']} {describe(row, theirs)}"
            for row in pairs[unequal].to_dict("records")
        ]
    return result


def describe(row: dict[str, object], names: Sequence[str]) -> str:
    """Format facts, such as "50 x 15"."""
    return " x ".join(f"{row[name]:.10g}" if isinstance(row[name], float) else str(row[name]) for name in names)


def pair_identities(files: pd.DataFrame, partner: pd.Series) -> pd.Series:
    """Return keys that are equal for copies: the values of a file and of its partner, on the same side.

    The key of a file without a partner is unique.
    """
    rows = zip(files["label"], files["pixels_sha256"], partner_values(files["pixels_sha256"], partner), strict=True)
    both = [
        f"{label} {own} {other}" if isinstance(own, str) and isinstance(other, str) else f"file {row}"
        for row, (label, own, other) in enumerate(rows)
    ]
    return pd.Series(both, index=files.index, dtype=object)


def partner_values(column: pd.Series, partner: pd.Series) -> pd.Series:
    """Return the value of a column for the partner of each row; None without a partner."""
    values = column.astype(object).to_numpy()
    return pd.Series([None if pd.isna(row) else values[row] for row in partner], index=column.index, dtype=object)
