"""The Markdown page of a run."""

from flows.artifacts import format_checks, format_headline, render_markdown
from flows.stages import StageFailed, StageResult


def test_stages_and_metrics_become_tables() -> None:
    text = render_markdown(
        [StageResult("train", "Ran", 12.34), StageResult("export", "Unchanged", 1.0)],
        None,
        {"metrics/e.json": {"fid": 12.3456789, "reasons": ["a", "b"], "none": []}},
    )
    assert "| `train` | Ran | 12.3 s |\n| `export` | Unchanged | 1.0 s |" in text
    table = "| metric | value |\n| --- | --- |\n| `fid` | 12.3457 |\n| `reasons` | a; b |\n| `none` | none |"
    assert f"### metrics/e.json\n\n{table}" in text
    assert "stopped" not in text


def test_the_failure_comes_first() -> None:
    failure = StageFailed("export", 5, "fid 90 is above 50\n```")
    text = render_markdown([StageResult("ingest", "Ran", 1.0)], failure, {"m.json": {"fid": 90}})
    assert text.startswith(
        "**`export` stopped the run: the gate refused (exit 5)**\n\n```\nfid 90 is above 50\n'''\n```"
    )
    assert "| `export` | Failed | the gate refused (exit 5) |" in text
    assert "Metrics of `export` and of later stages are from an earlier run." in text


def test_values_cannot_break_a_table() -> None:
    assert "| `a` | x\\|y z |" in render_markdown([], None, {"m": {"a": "x|y\nz"}})


VERDICT = {
    "model": "digits",
    "version": 4,
    "champion": 3,
    "outcome": "not promoted",
    "reasons": ["fid is worse | by far"],
    "checks": [
        {"name": "gate", "state": "pass", "value": "pass", "champion": None, "bound": "pass"},
        {"name": "fid", "state": "fail", "value": 1.23456789, "reason": "x"},
    ],
}


def test_the_promotion_comes_first_in_one_line() -> None:
    assert format_headline(VERDICT) == "digits version 4 is not promoted: version 3 stays champion"
    assert format_headline(VERDICT | {"champion": None}) == "digits version 4 is not promoted"
    held = VERDICT | {"outcome": "held"}
    assert format_headline(held) == "digits version 4 is held: needs approval: version 3 stays champion"
    promoted = VERDICT | {"outcome": "promoted"}
    assert format_headline(promoted) == "digits version 4 is promoted: champion instead of version 3"
    assert format_headline(promoted | {"champion": None}) == "digits version 4 is promoted: the first champion"
    assert format_headline(VERDICT | {"outcome": "champion"}) == "digits version 4 is the champion"
    text = render_markdown([], None, {}, VERDICT)
    assert text.startswith(
        "**digits version 4 is not promoted: version 3 stays champion**\n\n- fid is worse | by far\n"
    )


def test_checks_are_rows_of_text() -> None:
    gate, fid = format_checks(VERDICT)
    assert gate == {"name": "gate", "state": "pass", "value": "pass", "champion": "", "bound": "pass", "reason": ""}
    assert (fid["value"], fid["reason"]) == ("1.23457", "x")
