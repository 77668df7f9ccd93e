"""The Prefect flows: retraining, watching for new data, and sweeps."""

import os

from pipeline.telemetry import switch_off_telemetry

switch_off_telemetry()
# Prefect reads this when it is imported. Its default of 20 s is too short for a busy machine.
os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")
