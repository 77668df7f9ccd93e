"""What runs on a schedule."""

import os

from pipeline.telemetry import switch_off_telemetry

switch_off_telemetry()
# Prefect's ephemeral server needs 10 s on an idle machine, and this one may be busy. Read when Prefect is imported.
os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")
