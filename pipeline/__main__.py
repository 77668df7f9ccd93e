"""`python -m pipeline` is `ganline`, for where the command is not on the PATH."""

from pipeline.cli.app import main

main()
