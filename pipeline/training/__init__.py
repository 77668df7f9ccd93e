"""The loop, checkpoints, EMA, precision."""
