"""Extract of the CRM: who wears which prosthesis, with which chip."""

import polars as pl

from bionicpro_assets.extract.postgres import Snapshot
from bionicpro_assets.sqlfiles import sql
from bionicpro_assets.transform.crm_history import CrmAnswer

CUSTOMER_PROSTHESIS_ROWS = "crm/queries/customer_prosthesis.sql"


def crm_answer(snapshot: Snapshot) -> CrmAnswer:
    """What the CRM says now: the rows of `crm.v_customer_prosthesis` that can be kept, in one read.

    Of a chip that a row names which is left out, no other row is taken either: whose it is can't be told.

    Raises:
        SourceError: The database can't be read.
    """
    rows = snapshot.read(sql(CUSTOMER_PROSTHESIS_ROWS))
    odd = rows.filter(pl.col("left_out").is_not_null())
    rows = rows.filter(pl.col("left_out").is_null()).drop("left_out", "emptied")
    if not odd.is_empty():
        rows = rows.join(odd.select("chip_id"), on="chip_id", how="anti")
    return CrmAnswer(rows, snapshot.read_at)


def crm_state(snapshot: Snapshot) -> str:
    """The state of what the CRM says: another text when a row came, went, or was stamped.

    What leaves no stamp isn't seen: a model that gets another name, for one.

    Raises:
        SourceError: The database can't be read.
    """
    return str(snapshot.read(sql("crm/queries/state.sql")).item())
