"""No telemetry, ever: the variables that switch it off in every library used."""

import os

OFF = {
    "DO_NOT_TRACK": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DVC_NO_ANALYTICS": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


def switch_off() -> None:
    """Call before any library is imported; children inherit it. A value that is already set is the user's own."""
    for name, value in OFF.items():
        os.environ.setdefault(name, value)
