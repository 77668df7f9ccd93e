"""`ganline doctor`: check what this machine and this checkout need to run the pipeline."""
