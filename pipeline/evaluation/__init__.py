"""Features, metrics, the report, the gate. Sees samples and features, never a network's class."""
