"""The training loop: checkpoints, EMA, mixed precision, health checks and rollbacks."""
