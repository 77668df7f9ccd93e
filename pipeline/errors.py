"""What can go wrong, and the exit code that says which kind it was.

Every message names the file or key at fault and the way out; the command line prints it on one
stderr line and exits with the class's code.
"""

from typing import ClassVar


class GanlineError(Exception):
    """Base of every error that is the user's to mend. `exit_code` is what the process returns."""

    exit_code: ClassVar[int] = 2


class InputError(GanlineError):
    """Bad parameters or input: a key, a file or an argument is wrong."""


class DataRejected(GanlineError):
    """The data broke a critical expectation; the line stops before training."""

    exit_code = 3


class TrainingFailed(GanlineError):
    """Training diverged or collapsed beyond repair."""

    exit_code = 4


class GateRefused(GanlineError):
    """The generator did not pass the gate; nothing is exported."""

    exit_code = 5
