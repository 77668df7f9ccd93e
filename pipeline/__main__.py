"""`python -m pipeline` runs `ganline` if the command is not on the PATH."""

from pipeline.cli.app import main

main()
