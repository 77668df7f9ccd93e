"""Write the reference pages of the documentation from the code. Called by docs/conf.py at every build."""
