"""Configuration of Sphinx. `make docs` builds the site into docs/_build/html."""

import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from docs.generate.pages import write  # noqa: E402
from pipeline import __version__  # noqa: E402

project = "ganline"
author = "The ganline authors"
copyright = "The ganline authors, Apache-2.0"
version = release = __version__

extensions = ["myst_parser", "sphinx_copybutton", "sphinx_design"]
myst_enable_extensions = ["attrs_block", "colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "requirements.lock", "generate"]
nitpicky = True

html_theme = "furo"
html_title = f"ganline {version}"
html_static_path = ["_static"]
html_css_files = ["ganline.css"]
html_show_sphinx = False
html_show_search_summary = False  # excerpts are fetched, which browsers refuse for files
html_copy_source = False
copybutton_exclude = ".linenos, .gp, .go"
pygments_style, pygments_dark_style = "friendly", "github-dark"


def setup(app: Any) -> None:
    """Write the generated pages before Sphinx looks for sources."""
    app.connect("builder-inited", lambda _: write())
