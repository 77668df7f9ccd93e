"""The markdown a run leaves."""

from flows.artifacts import checks, headline, markdown
from flows.stages import Outcome, StageFailed


def test_stages_and_metrics_become_tables() -> None:
    text = markdown(
        [Outcome("train", "Ran", 12.34), Outcome("export", "Unchanged", 1.0)],
        None,
        {"metrics/e.json": {"fid": 12.3456789, "reasons": ["a", "b"], "none": []}},
    )
    assert "| `train` | Ran | 12.3 s |\n| `export` | Unchanged | 1.0 s |" in text
    assert (
        "### metrics/e.json\n\n| metric | value |\n| --- | --- |\n| `fid` | 12.3457 |\n| `reasons` | a; b |\n| `none` | none |"
        in text
    )
    assert "stopped" not in text


def test_a_failure_comes_first_in_words() -> None:
    text = markdown(
        [Outcome("ingest", "Ran", 1.0)], StageFailed("export", 5, "fid 90 is above 50\n```"), {"m.json": {"fid": 90}}
    )
    assert text.startswith(
        "**`export` stopped the run: the gate refused (exit 5)**\n\n```\nfid 90 is above 50\n'''\n```"
    )
    assert "| `export` | Failed | the gate refused (exit 5) |" in text
    assert "those of an earlier run" in text


def test_values_cannot_break_a_table() -> None:
    assert "| `a` | x\\|y z |" in markdown([], None, {"m": {"a": "x|y\nz"}})


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


def test_a_promotion_is_told_first_and_in_one_line() -> None:
    assert headline(VERDICT) == "digits version 4 is not promoted: version 3 stays champion"
    assert headline(VERDICT | {"champion": None}) == "digits version 4 is not promoted"
    assert headline(VERDICT | {"outcome": "promoted"}) == "digits version 4 is promoted: champion instead of version 3"
    assert (
        headline(VERDICT | {"outcome": "promoted", "champion": None})
        == "digits version 4 is promoted: the first champion"
    )
    assert headline(VERDICT | {"outcome": "champion"}) == "digits version 4 is the champion"
    text = markdown([], None, {}, VERDICT)
    assert text.startswith(
        "**digits version 4 is not promoted: version 3 stays champion**\n\n- fid is worse | by far\n"
    )


def test_checks_are_rows_of_text() -> None:
    gate, fid = checks(VERDICT)
    assert gate == {"name": "gate", "state": "pass", "value": "pass", "champion": "", "bound": "pass", "reason": ""}
    assert (fid["value"], fid["reason"]) == ("1.23457", "x")
