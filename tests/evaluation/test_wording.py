"""Formatting of lists of names and of percentages."""

from pipeline.evaluation.wording import format_reason, join_names, name_causes, percent


def test_join_names_lists_at_most_ten() -> None:
    assert [join_names(list("abc")[:n]) for n in (1, 2, 3)] == ["a", "a and b", "a, b and c"]
    assert join_names([str(n) for n in range(1000)]) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 990 more"


def test_percent_has_three_digits() -> None:
    assert [percent(x) for x in (1.0, 0.005, 0.12345)] == ["100 %", "0.5 %", "12.3 %"]


def test_a_reason_is_shown_on_lines_of_its_parts() -> None:
    text = (
        "wrong contrast: contrast 0.267 (bound >= 0.75 and <= 1.33, real images 0.999); also failed: recall 0 (bound "
        ">= 0.5, real images 1) and 3 more. Train longer; if it stays, look at data.background. Then try r1"
    )
    assert format_reason(text).splitlines() == [
        "wrong contrast",
        "  evidence: contrast 0.267 (bound >= 0.75 and <= 1.33, real images 0.999)",
        "  also failed: recall 0 (bound >= 0.5, real images 1) and 3 more",
        "  try: Train longer; if it stays, look at data.background. Then try r1",
    ]
    assert format_reason("mode collapse (b to a): recall 0.1").splitlines() == [
        "mode collapse (b to a)",
        "  evidence: recall 0.1",
    ]
    assert format_reason("2 of 10 modes are missing") == "2 of 10 modes are missing"
    assert name_causes([text, "low diversity: recall 0. Train", text]) == "wrong contrast; low diversity"
