"""README stays a short entrance."""

from tests.docs.test_links import ROOT

LARGEST = 10_000


def test_readme_is_short() -> None:
    assert (ROOT / "README.md").stat().st_size < LARGEST
