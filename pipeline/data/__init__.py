"""Sources, the store (shards and manifest), expectations and views. Knows no GAN."""
