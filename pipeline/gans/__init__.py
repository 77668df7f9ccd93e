"""The science: one file a variant; objectives, penalties and layers beside them."""
