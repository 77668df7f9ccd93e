"""Environment variables that disable the telemetry of all libraries in use."""

import os

OFF = {
    "DO_NOT_TRACK": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DVC_NO_ANALYTICS": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "ORT_DISABLE_TELEMETRY": "1",
}


def switch_off_telemetry() -> None:
    """Set the variables that are not set yet. Call before importing any library; child processes inherit them."""
    for name, value in OFF.items():
        os.environ.setdefault(name, value)
