"""For all tests: no setting of the machine they run on reaches them."""

import os

import pytest


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch, tmp_path):
    """No settings in the environment, and no .env in the working directory."""
    for name in list(os.environ):
        if name.startswith(("BIONICPRO_", "ETL_", "DAGSTER_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
