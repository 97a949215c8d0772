"""Gateways as the tests need them: a process that is running, and what a test knows about it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import bionicpro_assets
from bionicpro_assets.load.clickhouse import ClickHouse

PASSWORD = "p@ss:wörd/1"


@dataclass(frozen=True)
class RunningGateway:
    """A gateway that listens.

    Attributes:
        port: Its port on 127.0.0.1.
        scheme: http or https.
    """

    port: int
    scheme: str = "http"

    def url(self, *, port: int | None = None, password: str = PASSWORD, profile: str = "", **options: object) -> str:
        """The setting's value: straight to the gateway, or to a proxy's port; as a user with a profile, `final=1;limit=2`."""
        query = "&".join(f"{name}={quote(str(value))}" for name, value in options.items())
        host = f"127.0.0.1:{port or self.port}"
        user = quote(f"etl;{profile}" if profile else "etl", safe="")
        return f"{self.scheme}://{user}:{quote(password, safe='')}@{host}/reports" + (f"?{query}" if query else "")

    def empty(self) -> None:
        """Every storage table but the record of the schema without rows, as after `bionicpro init clickhouse`."""
        with ClickHouse(self.url()) as clickhouse:
            _, tables = clickhouse.rows(
                "SELECT name FROM system.tables WHERE database = 'storage' AND engine LIKE '%MergeTree' AND name != 'schema_changes'"
            )
            for (name,) in tables:
                clickhouse.command(f"TRUNCATE TABLE storage.{name}")


@contextmanager
def running_gateway(folder: Path, *options: str, zone: str = "UTC", scheme: str = "http") -> Iterator[RunningGateway]:
    """A gateway process on the engine in `folder`, in a time zone; it ends with the `with`, or with this process."""
    command = [sys.executable, "-m", "bionicpro_assets_tests.gateway.server", "--path", str(folder)]
    command += ["--password", PASSWORD, "--until-stdin-ends", *options]
    project = Path(bionicpro_assets.__file__).parents[1]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=project, env={**os.environ, "TZ": zone}
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield RunningGateway(int(process.stdout.readline()), scheme)
        finally:
            process.stdin.close()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
