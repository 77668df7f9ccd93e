"""Reasons of a verdict as lines."""

from pipeline.reasons import format_reason, name_causes


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
