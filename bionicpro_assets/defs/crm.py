"""The CRM: its real tables, and their extract."""

import dagster as dg
from pydantic import Field

from bionicpro_assets.defs import keys
from bionicpro_assets.defs.hourly import Hourly, clear_failure, hours_of
from bionicpro_assets.defs.io_manager import ClickHouseIOManager
from bionicpro_assets.defs.metadata import column_lineage
from bionicpro_assets.defs.resources import PostgresResource
from bionicpro_assets.defs.verdicts import contract_told
from bionicpro_assets.frames import HourlyLoad
from bionicpro_assets.quality.source_claims import crm_contract
from bionicpro_assets.runs import reads_afresh
from bionicpro_assets.steps.crm import crm_load

GROUP = "crm"
OWNERS = ["team:crm"]

LINEAGE = {
    "customer_id": [(keys.CUSTOMERS, "customer_id")],
    "user_id": [(keys.CUSTOMERS, "external_id")],
    "customer_full_name": [(keys.CUSTOMERS, n) for n in ("last_name", "first_name", "middle_name")],
    "email": [(keys.CUSTOMERS, "email")],
    "region": [(keys.CUSTOMERS, "region")],
    "branch": [(keys.CUSTOMERS, "branch")],
    "prosthesis_id": [(keys.PROSTHESES, "prosthesis_id")],
    "prosthesis_serial": [(keys.PROSTHESES, "serial_number")],
    "chip_id": [(keys.PROSTHESES, "chip_id")],
    "prosthesis_status": [(keys.PROSTHESES, "status")],
    "prosthesis_model": [(keys.PROSTHESIS_MODELS, "model_name")],
    "prosthesis_category": [(keys.PROSTHESIS_MODELS, "category")],
    "customer_updated_at": [(keys.CUSTOMERS, "updated_at")],
    "prosthesis_updated_at": [(keys.PROSTHESES, "updated_at")],
    "ownership": [(keys.PROSTHESES, "customer_id"), (keys.PROSTHESES, "chip_id"), (keys.PROSTHESES, "updated_at")],
    "worn_since": [(keys.PROSTHESES, "updated_at")],
}


class CrmExtractConfig(dg.Config):
    """What an operator can ask of a load."""

    wearers_as_of_now: bool = Field(
        False,
        description="Give these hours the wearers that the CRM names now, whatever it said before. For correcting a "
        "mistake in the CRM; the hours keep it until it is stated again.",
    )
    chips: list[str] = Field(
        [], description="With wearers_as_of_now: the chips it is about. None: all that the CRM names."
    )


def crm_sources() -> list[dg.AssetSpec]:
    """The CRM's tables. The platform reads them and never writes to them."""

    def table(key: dg.AssetKey, description: str) -> dg.AssetSpec:
        return dg.AssetSpec(
            key,
            description=description,
            group_name=GROUP,
            owners=OWNERS,
            kinds={"postgres", "table"},
            metadata={"dagster/table_name": f"crm_db.{keys.table_name(key)}"},
        )

    return [
        table(keys.CUSTOMERS, "Customers of BionicPRO, one row per person: name, contact, region and branch."),
        table(
            keys.PROSTHESES,
            "Prostheses, one row per unit: serial number, model, who bought it, which chip it carries, and its "
            "status (manufactured, sold, active, maintenance, retired).",
        ),
        table(keys.PROSTHESIS_MODELS, "Models of prostheses: code, name and category (arm, leg, hand, finger)."),
    ]


def crm_extract(hourly: Hourly, chunk_rows: int) -> dg.AssetsDefinition:
    """The extract of the CRM, made `chunk_rows` rows at a time."""

    @hourly.asset(
        key=keys.CRM_EXTRACT,
        deps=[keys.CUSTOMERS, keys.PROSTHESES, keys.PROSTHESIS_MODELS],
        io_manager_key=keys.CLICKHOUSE_IO_MANAGER,
        freshness_policy=hourly.freshness,
        group_name=GROUP,
        owners=OWNERS,
        kinds={"postgres", "clickhouse"},
        tags={"airflow_task": "extract_crm_data"},
        metadata=column_lineage(LINEAGE),
    )
    def crm_customer_prosthesis(
        context: dg.AssetExecutionContext,
        config: CrmExtractConfig,
        bionicpro_crm_db: dg.ResourceParam[PostgresResource],
        clickhouse_io_manager: dg.ResourceParam[ClickHouseIOManager],
    ) -> HourlyLoad:
        """Who wore which prosthesis, and which chip it carried, in every hour.

        One row per prosthesis and hour. The CRM tells only today's wearer of a chip; so every hour keeps what is known
        of it, and an hour that is loaded again stays with the person who wore the prosthesis in it. The column
        `ownership` says how sure that is: `named`, the CRM named this person in the hour; `assumed`, it didn't, and its
        nearest answer was taken; `stated`, an operator decided it; `ended` and `contested`, nobody can be named;
        `overruled`, what else is known of an hour that was decided otherwise or in which the chip moved, and is kept as
        memory only. Names, e-mail addresses and the like are as the CRM has them now. The reports find the wearer of a
        chip here.

        Stands for the Airflow task `extract_crm_data`.
        """
        with clear_failure():
            load = crm_load(
                bionicpro_crm_db.source,
                clickhouse_io_manager.client,
                hours_of(context),
                chunk_rows=chunk_rows,
                as_of_now=config.wearers_as_of_now,
                chips=config.chips,
                afresh=reads_afresh(context.run.tags),
            )
        return contract_told(context, crm_contract(), load)

    return crm_customer_prosthesis
