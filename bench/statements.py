"""How many statements this process sends to ClickHouse, counted where clickhouse-connect hands out its clients.

Each call of a method that sends one counts once, also where that method calls another (a query that turns out to be
a command). The convenience methods of the client (`query_arrow`, `insert` and so on) are made of these. What the driver
asks by itself when it connects isn't counted, the version and the settings; connections are counted instead.
"""

import threading
from collections.abc import Callable
from functools import wraps
from typing import Any

import clickhouse_connect

SENDING = (
    "query", "query_column_block_stream", "query_row_block_stream", "query_rows_stream", "query_np", "query_np_stream",
    "query_df", "query_df_stream", "command", "raw_query", "raw_stream", "raw_insert", "data_insert",
)  # fmt: skip


class Statements:
    """The count, from `install` on."""

    def __init__(self) -> None:
        self.sent = 0
        self.connections = 0
        self._lock = threading.Lock()
        self._within = threading.local()

    def install(self) -> None:
        """Count in every client made from now on; before anything imports `get_client` by name."""
        made = clickhouse_connect.get_client

        @wraps(made)
        def get_client(*arguments: Any, **named: Any) -> Any:
            client = made(*arguments, **named)
            with self._lock:
                self.connections += 1
            for name in SENDING:
                setattr(client, name, self._counted(getattr(client, name)))
            return client

        clickhouse_connect.get_client = get_client

    def _counted(self, send: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(send)
        def counted(*arguments: Any, **named: Any) -> Any:
            if getattr(self._within, "one", False):
                return send(*arguments, **named)
            with self._lock:
                self.sent += 1
            self._within.one = True
            try:
                return send(*arguments, **named)
            finally:
                self._within.one = False

        return counted
