"""Evaluate samples: features, measures, gate and report. Independent of the variants."""
