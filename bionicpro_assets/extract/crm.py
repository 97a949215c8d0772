"""Extract of the CRM: who wears which prosthesis, with which chip."""

from bionicpro_assets.extract.postgres import Snapshot
from bionicpro_assets.sqlfiles import sql
from bionicpro_assets.transform.crm_history import CrmAnswer


def crm_answer(snapshot: Snapshot) -> CrmAnswer:
    """What the CRM says now: the rows of `crm.v_customer_prosthesis`, in one read.

    Raises:
        SourceError: The database can't be read.
    """
    return CrmAnswer(snapshot.read(sql("crm/queries/customer_prosthesis.sql")), snapshot.read_at)


def crm_state(snapshot: Snapshot) -> str:
    """The state of what the CRM says: another text when a row came, went, or was stamped.

    What leaves no stamp isn't seen: a model that gets another name, for one.

    Raises:
        SourceError: The database can't be read.
    """
    return str(snapshot.read(sql("crm/queries/state.sql")).item())
