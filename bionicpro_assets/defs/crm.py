"""The CRM: its real tables, and their extract."""

import dagster as dg

from bionicpro_assets.defs import keys
from bionicpro_assets.defs.hourly import Hourly, clear_failure, hours_of
from bionicpro_assets.defs.metadata import add_rows_per_hour, column_lineage
from bionicpro_assets.defs.resources import PostgresResource
from bionicpro_assets.extract.crm import extract_crm
from bionicpro_assets.frames import HourlyFrame
from bionicpro_assets.hours import partition_key

GROUP = "crm"
OWNERS = ["team:crm"]

LINEAGE = {
    "customer_id": [(keys.CUSTOMERS, "customer_id")],
    "user_id": [(keys.CUSTOMERS, "external_id")],
    "first_name": [(keys.CUSTOMERS, "first_name")],
    "last_name": [(keys.CUSTOMERS, "last_name")],
    "middle_name": [(keys.CUSTOMERS, "middle_name")],
    "customer_full_name": [(keys.CUSTOMERS, n) for n in ("last_name", "first_name", "middle_name")],
    "email": [(keys.CUSTOMERS, "email")],
    "phone": [(keys.CUSTOMERS, "phone")],
    "region": [(keys.CUSTOMERS, "region")],
    "branch": [(keys.CUSTOMERS, "branch")],
    "prosthesis_id": [(keys.PROSTHESES, "prosthesis_id")],
    "prosthesis_serial": [(keys.PROSTHESES, "serial_number")],
    "chip_id": [(keys.PROSTHESES, "chip_id")],
    "prosthesis_status": [(keys.PROSTHESES, "status")],
    "firmware_version": [(keys.PROSTHESES, "firmware_version")],
    "model_code": [(keys.PROSTHESIS_MODELS, "model_code")],
    "prosthesis_model": [(keys.PROSTHESIS_MODELS, "model_name")],
    "prosthesis_category": [(keys.PROSTHESIS_MODELS, "category")],
    "sold_date": [(keys.PROSTHESES, "sold_date")],
    "warranty_end_date": [(keys.PROSTHESES, "warranty_end_date")],
    "customer_updated_at": [(keys.CUSTOMERS, "updated_at")],
    "prosthesis_updated_at": [(keys.PROSTHESES, "updated_at")],
    "last_updated_at": [(keys.CUSTOMERS, "updated_at"), (keys.PROSTHESES, "updated_at")],
}


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


def crm_extract(hourly: Hourly) -> dg.AssetsDefinition:
    """The extract of the CRM."""

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
        context: dg.AssetExecutionContext, bionicpro_crm_db: dg.ResourceParam[PostgresResource]
    ) -> HourlyFrame:
        """Who wears which prosthesis, and which chip it carries: the CRM's answer, kept for every hour.

        One row per customer, prosthesis and hour, as the CRM told it when the hour was loaded. The reports find
        the wearer of a chip here. Holds names, e-mail addresses and telephone numbers.

        Stands for the Airflow task `extract_crm_data`.
        """
        with clear_failure():
            frame = extract_crm(bionicpro_crm_db.source, hours_of(context))
        add_rows_per_hour(context, {partition_key(h): n for h, n in frame.rows_per_hour().items()})
        return frame

    return crm_customer_prosthesis
