"""Settings of tracking."""

from pydantic import Field

from pipeline.settings import Settings


class TrackingSettings(Settings):
    """Names in MLflow. The address is MLFLOW_TRACKING_URI; the default is mlflow.db next to params.yaml."""

    experiment: str = Field("ganline", min_length=1, description="MLflow experiment of all runs")
    model: str = Field(
        "ganline-digits",
        min_length=1,
        pattern=r"^[^/:@'\"]+$",
        description="name of the registered model in MLflow, without slashes, colons, @ and quotes",
    )
