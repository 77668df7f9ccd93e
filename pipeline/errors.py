"""Errors that end a command, each with its exit code.

A message names the file or key at fault and the remedy. The command line prints it as one message on stderr.
"""

from typing import ClassVar


class GanlineError(Exception):
    """Base of all errors that the user can resolve. `exit_code` is the exit code of the process."""

    exit_code: ClassVar[int] = 2


class InputError(GanlineError):
    """Invalid parameters or input: a key, a file or an argument is wrong."""


class DataRejected(GanlineError):
    """A critical expectation failed; the pipeline stops before training."""

    exit_code = 3


class TrainingFailed(GanlineError):
    """Training diverged or collapsed, and no rollback helped."""

    exit_code = 4


class GateRefused(GanlineError):
    """The generator did not pass the gate; nothing is exported."""

    exit_code = 5
