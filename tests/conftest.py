"""Fixtures that every room's tests share."""

import os
import signal
from pathlib import Path

import pytest

# A shell that runs this in the background ignores Ctrl-C, and every process the tests start would inherit that and not end on it.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """A folder with the real data sets (fashion-mnist.zip, cifar10.zip, noto-emoji.zip, kodak24.zip), where there is one."""
    folder = Path(os.environ.get("GANLINE_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("real data sets are absent: set GANLINE_TEST_DATA to the folder that holds them")
    return folder
