"""GAN variants (one folder each), and the objectives, penalties, augmentations and networks that they share."""
