"""Extract of the CRM: who wears which prosthesis, with which chip."""

from bionicpro_assets.extract.contract import CUSTOMER_PROSTHESIS
from bionicpro_assets.extract.postgres import PostgresSource
from bionicpro_assets.sqlfiles import sql
from bionicpro_assets.transform.crm_history import CrmAnswer


def extract_crm(source: PostgresSource) -> CrmAnswer:
    """What the CRM says now: the rows of `crm.v_customer_prosthesis`, in one read.

    Raises:
        SourceError: The database can't be read, or the view isn't what the data contract says.
    """
    with source.snapshot() as snapshot:
        CUSTOMER_PROSTHESIS.check(snapshot)
        return CrmAnswer(snapshot.read(sql("crm/queries/customer_prosthesis.sql")), snapshot.read_at)
