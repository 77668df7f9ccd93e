"""A study of hyperparameters: ranges, budget, storage, and the page that shows it. Knows no stage."""
