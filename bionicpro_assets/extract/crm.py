"""Extract of the CRM: who wears which prosthesis, with which chip."""

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from bionicpro_assets.extract.contract import CUSTOMER_PROSTHESIS
from bionicpro_assets.extract.postgres import PostgresSource
from bionicpro_assets.frames import HOUR_DTYPE, HourlyFrame
from bionicpro_assets.sqlfiles import sql


def extract_crm(source: PostgresSource, hours: Sequence[datetime]) -> HourlyFrame:
    """What the CRM says now, as the answer for each of `hours`.

    The rows are those of `crm.v_customer_prosthesis`, once per hour, with `hour_start` in front.

    Raises:
        SourceError: The database can't be read, or the view isn't what the data contract says.
    """
    with source.snapshot() as snapshot:
        CUSTOMER_PROSTHESIS.check(snapshot)
        now = snapshot.read(sql("crm/queries/customer_prosthesis.sql"))
    rows = pl.DataFrame({"hour_start": list(hours)}, schema={"hour_start": HOUR_DTYPE}).join(now, how="cross")
    return HourlyFrame(rows, dict.fromkeys(hours, snapshot.read_at))
