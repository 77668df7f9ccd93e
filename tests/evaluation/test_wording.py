"""Formatting of lists of names and of percentages."""

from pipeline.evaluation.wording import join_names, percent


def test_join_names_lists_at_most_ten() -> None:
    assert [join_names(list("abc")[:n]) for n in (1, 2, 3)] == ["a", "a and b", "a, b and c"]
    assert join_names([str(n) for n in range(1000)]) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 990 more"


def test_percent_has_three_digits() -> None:
    assert [percent(x) for x in (1.0, 0.005, 0.12345)] == ["100 %", "0.5 %", "12.3 %"]
