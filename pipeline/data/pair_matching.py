"""Which files of two folders belong together, and which have nobody: for validation, by the names that ingest recorded."""

import pandas as pd  # type: ignore[import-untyped]

KEY = ["split", "pair", "label"]


def partners(files: pd.DataFrame, classes: list[str]) -> pd.DataFrame:
    """For every row of `files` (the manifest's columns, and `reason`): `partner`, its position, null where there is none, and in words what is wrong.

    `alone`: it has no partner of its name, or another file of its folder had that name before it; `unequal`: their sizes differ. Null is nothing.
    """
    found = pd.DataFrame({"partner": pd.NA, "alone": None, "unequal": None}, index=files.index).astype(
        {"partner": "Int64"}
    )
    placed = files[files["pair"].notna()]
    first = placed.drop_duplicates(KEY).reset_index(names="partner")[[*KEY, "partner", "path", "width", "height"]]
    other = first.assign(label=1 - first["label"])
    joined = (
        placed[[*KEY, "path", "width", "height"]]
        .reset_index(names="row")
        .merge(other, on=KEY, how="left", suffixes=("", "_partner"))
    )
    joined = joined.merge(first[[*KEY, "partner", "path"]], on=KEY, suffixes=("", "_first")).set_index("row")
    second = joined["partner_first"] != joined.index
    lonely = ~second & joined["partner"].isna()
    unlike = ~second & ((joined["width"] != joined["width_partner"]) | (joined["height"] != joined["height_partner"]))
    unlike &= joined[["width", "width_partner"]].notna().all(axis=1)
    found.loc[joined.index, "partner"] = joined["partner"].where(~second).astype("Int64")
    found.loc[joined.index[lonely], "alone"] = [
        f"no readable file of this name in {classes[1 - label]!r}" for label in joined["label"][lonely]
    ]
    found.loc[joined.index[second], "alone"] = [
        f"{path} has this name already" for path in joined["path_first"][second]
    ]
    sizes = joined[unlike][["width", "height", "path_partner", "width_partner", "height_partner"]].itertuples(
        index=False
    )
    found.loc[joined.index[unlike], "unequal"] = [
        f"{w:.0f} x {h:.0f} pixels, its partner {path} {x:.0f} x {y:.0f}" for w, h, path, x, y in sizes
    ]
    return found


def identities(files: pd.DataFrame, partner: pd.Series) -> pd.Series:
    """What makes a file a copy of another: its pixels and its partner's, on the same side. Those without a partner are like nobody."""
    rows = zip(files["label"], files["pixels_sha256"], of_partners(files["pixels_sha256"], partner), strict=True)
    both = [
        f"{label} {own} {other}" if isinstance(own, str) and isinstance(other, str) else f"file {row}"
        for row, (label, own, other) in enumerate(rows)
    ]
    return pd.Series(both, index=files.index, dtype=object)


def of_partners(column: pd.Series, partner: pd.Series) -> pd.Series:
    """What a column says of each row's partner; None where there is none."""
    found = column.astype(object).to_numpy()
    return pd.Series([None if pd.isna(row) else found[row] for row in partner], index=column.index, dtype=object)
