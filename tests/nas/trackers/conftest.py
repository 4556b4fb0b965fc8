import shutil

import pytest
from mlflow import MlflowClient


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """MLflow's database without any runs, which takes seconds to make."""
    file = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    MlflowClient(f"sqlite:///{file}").search_experiments()
    return file


@pytest.fixture(autouse=True)
def local(monkeypatch, tmp_path, database):
    """Trackers write into the test's directory."""
    shutil.copy(database, tmp_path / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
