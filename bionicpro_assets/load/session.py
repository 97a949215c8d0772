"""What every session on ClickHouse is set to, whatever a user, a profile or the server's configuration says.

Each of these changes what is read or written without an error. The limits of a profile on rows, time and memory stay:
past them a statement fails, because no overflow mode is `break`.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bionicpro_assets.errors import ClickHouseError

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

SETTING = "BIONICPRO_CLICKHOUSE_URL"

# Values in the words of `system.settings`. A server that is too old to know a setting doesn't do what it is about.
READING: Mapping[str, str] = {
    # Which rows there are.
    "final": "0",
    "limit": "0",
    "offset": "0",
    "additional_table_filters": "{}",
    "additional_result_filter": "",
    "apply_deleted_mask": "1",
    "apply_patch_parts": "1",
    "ignore_cold_parts_seconds": "0",
    "use_query_cache": "0",
    "skip_unavailable_shards": "0",
    "max_skip_unavailable_shards_num": "0",
    "max_skip_unavailable_shards_ratio": "0",
    "distributed_group_by_no_merge": "0",
    "partial_result_on_first_cancel": "0",
    "extremes": "0",
    "implicit_transaction": "0",
    "force_index_by_date": "0",
    "force_primary_key": "0",
    "force_optimize_projection": "0",
    "force_optimize_projection_name": "",
    # Past a limit there is an error, never a part of the answer.
    "read_overflow_mode": "throw",
    "read_overflow_mode_leaf": "throw",
    "group_by_overflow_mode": "throw",
    "sort_overflow_mode": "throw",
    "result_overflow_mode": "throw",
    "timeout_overflow_mode": "throw",
    "timeout_overflow_mode_leaf": "throw",
    "set_overflow_mode": "throw",
    "join_overflow_mode": "throw",
    "transfer_overflow_mode": "throw",
    "distinct_overflow_mode": "throw",
    # What an expression means.
    "dialect": "clickhouse",
    "compatibility": "",
    "enable_analyzer": "1",
    "prefer_column_name_to_alias": "0",
    "enable_positional_arguments": "1",
    "join_use_nulls": "0",
    "join_default_strictness": "ALL",
    "any_join_distinct_right_table_keys": "0",
    "transform_null_in": "0",
    "group_by_use_nulls": "0",
    "aggregate_functions_null_for_empty": "0",
    "cast_keep_nullable": "0",
    "least_greatest_legacy_null_behavior": "0",
    "count_distinct_implementation": "uniqExact",
    "optimize_trivial_approximate_count_query": "0",
    "union_default_mode": "",
    "intersect_default_mode": "ALL",
    "except_default_mode": "ALL",
    "date_time_overflow_behavior": "ignore",
    "enable_extended_results_for_datetime_functions": "0",
    "use_legacy_to_time": "0",
    # How values are written.
    "date_time_output_format": "simple",
    "output_format_float_precision": "0",
    "output_format_decimal_trailing_zeros": "0",
    "output_format_arrow_low_cardinality_as_dictionary": "0",
    "output_format_arrow_string_as_string": "1",
    "output_format_arrow_date_as_uint16": "0",
    "format_csv_delimiter": ",",
}
WRITING: Mapping[str, str] = {
    "session_timezone": "",
    # The rows are there when the call returns; on by default since 26.x.
    "async_insert": "0",
    "wait_for_async_insert": "1",
    # A commit is one block, and one block is all there or not at all.
    "max_insert_block_size": "1048449",
    "max_insert_block_size_rows": "1048449",
    "max_insert_block_size_bytes": "0",
    "min_insert_block_size_rows": "1048449",
    "use_strict_insert_block_limits": "0",
    "insert_deduplication_token": "",
    "insert_shard_id": "0",
    # A column that is missing or null where it can't be is an error, never a default.
    "input_format_null_as_default": "0",
    "input_format_arrow_allow_missing_columns": "0",
    "input_format_arrow_case_insensitive_column_matching": "0",
    "input_format_skip_unknown_fields": "0",
    "input_format_defaults_for_omitted_fields": "1",
    "insert_null_as_default": "0",
    "date_time_input_format": "basic",
    # Tables are made as they are written down.
    "data_type_default_nullable": "0",
    "create_if_not_exists": "0",
    "flatten_nested": "1",
    "default_table_engine": "MergeTree",
    # A sweep is over when it is over.
    "lightweight_deletes_sync": "2",
    "mutations_sync": "1",
    "materialized_views_ignore_errors": "0",
}


def pin(client: "Client", place: str, *, only_reads: bool, more: Mapping[str, Any], all_of_them: bool) -> None:
    """Set a session to what it must be.

    Args:
        client: The driver's, connected.
        place: The server, for messages.
        only_reads: Whether nothing is written in it.
        more: What this session is set to beside that.
        all_of_them: Whether to set also what is so already: a server behind the same name may be another one.

    Raises:
        ClickHouseError: A profile has fixed a setting at another value.
    """
    known = client.server_settings
    # A profile may have cut the list of settings short; then the server is to say which it doesn't know.
    complete = len(known) >= len(READING) and "max_result_rows" in known
    # Who can't change a setting can't write either, and learns it where something is to be written.
    only_reads |= "readonly" in known and known["readonly"].value == "1"
    fixed: list[str] = []
    for name, value in {**READING, **({} if only_reads else WRITING), **more}.items():
        text = str(value)
        found = known.get(name)
        if found is None and complete:
            continue
        if found is not None and found.readonly:
            if found.value != text:
                fixed.append(f"{name} = {found.value or repr('')} (it must be {text or repr('')})")
        elif all_of_them or found is None or found.value != text:
            client.set_client_setting(name, text)
    if fixed:
        raise ClickHouseError(
            f"{place}: the profile of the user in {SETTING} fixes settings that change what is "
            f"{'read' if only_reads else 'read or written'}: {', '.join(fixed)}. Take them out of the profile and its "
            "constraints, or set readonly to 2 in it."
        )
