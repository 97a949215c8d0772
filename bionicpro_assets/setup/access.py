"""Who may do what in ClickHouse: roles, the views' definer, and users with one of the roles."""

import hashlib
import re
import secrets
from collections.abc import Sequence
from typing import Literal

from bionicpro_assets.errors import ClickHouseError
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.load.cluster import EVERYWHERE
from bionicpro_assets.setup.cluster import JOURNAL, SHARDED_BY, for_cluster
from bionicpro_assets.sqlfiles import scripts, sql

Role = Literal["etl", "report_reader", "metrics", "shards"]
MIN_PASSWORD_LENGTH = 12


def apply_clickhouse_roles(clickhouse: ClickHouse) -> list[str]:
    """Apply `sql/clickhouse/roles/`, then let the views in `reports` read the storage in place of their readers.

    Safe to repeat, and to be repeated after `apply_clickhouse_schema`, which makes the views anew. Users keep their
    roles. Returns what was applied.

    Raises:
        ClickHouseError: The user may not manage access, or the server has nowhere to keep users.
    """
    applied = []
    for name, statement in scripts("clickhouse/roles"):
        _apply(clickhouse, statement)
        applied.append(name)
    for name, statement in scripts("clickhouse/cluster_roles") if clickhouse.cluster else ():
        _apply(clickhouse, statement)
        applied.append(name)
    _, found = clickhouse.rows(sql("clickhouse/queries/report_views.sql"))
    views = [f"reports.{view}" for (view,) in found]
    if clickhouse.cluster:
        views += [f"{table}{EVERYWHERE}" for table in (*SHARDED_BY, JOURNAL)]
    for view in views:
        _apply(clickhouse, definer_statement(view))
    return applied + views


def definer_statement(view: str) -> str:
    """Makes a view read with the rights of `bionicpro_views`, whoever asks."""
    return f"ALTER TABLE {view} MODIFY SQL SECURITY DEFINER DEFINER = bionicpro_views"


def put_user(clickhouse: ClickHouse, name: str, role: Role, password: str, only_user: str | None = None) -> None:
    """Make a user with one of the platform's roles, or give the user this password and this role.

    Only a salted hash of the password is sent. With `only_user`, of the views in `reports` the user sees the rows of
    that `user_id` and no others; it stays so until the row policies are dropped, also when this is called without it.

    Raises:
        ClickHouseError: The name or the password can't be used, or the user may not manage access. Or `only_user` is
            asked of a role that reads more than reports.
    """
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,62}", name):
        raise ClickHouseError(f"{name!r} can't be a user's name: letters, digits and underscores, no digit first.")
    if len(password) < MIN_PASSWORD_LENGTH:
        raise ClickHouseError(f"The password of {name} is shorter than {MIN_PASSWORD_LENGTH} characters.")
    if only_user is not None and role != "report_reader":
        raise ClickHouseError(f"Only report_reader can be held to one user's rows: {role} reads below the views.")
    policies = []
    if only_user is not None:
        _, views = clickhouse.rows(sql("clickhouse/queries/report_views_by_user.sql"))
        policies = policy_statements(name, only_user, [view for (view,) in views])
    first, *others = user_statements(name, role, password)
    # Before the role: the user never sees more, not for a moment.
    for statement in (first, *policies, *others):
        _apply(clickhouse, statement)


def policy_statements(name: str, user_id: str, views: Sequence[str]) -> list[str]:
    """The SQL that holds a user to the rows of one `user_id`, in the views of `reports` that have this column.

    Of all other views it sees nothing, also of those that a later version brings. Others aren't concerned, as
    docker/clickhouse/config.xml lets them read without a policy.
    """
    escaped = user_id.replace("\\", "\\\\").replace("'", "\\'")
    nothing = f"CREATE ROW POLICY OR REPLACE {name}_nothing_else ON reports.* FOR SELECT USING 0 TO {name}"
    return [nothing] + [
        f"CREATE ROW POLICY OR REPLACE {name}_only ON reports.{view} FOR SELECT USING user_id = '{escaped}' TO {name}"
        for view in views
    ]


def _apply(clickhouse: ClickHouse, statement: str) -> None:
    for rendered in for_cluster(statement, clickhouse.cluster):
        clickhouse.command(rendered)


def user_statements(name: str, role: Role, password: str) -> list[str]:
    """The SQL of `put_user`, with the password as a salted hash."""
    salt = secrets.token_hex(16)
    digest = hashlib.sha256((password + salt).encode()).hexdigest()
    identified = f"IDENTIFIED WITH sha256_hash BY '{digest}' SALT '{salt}'"
    return [
        f"CREATE USER IF NOT EXISTS {name} {identified}",
        f"ALTER USER {name} {identified}",
        f"GRANT bionicpro_{role} TO {name}",
        f"ALTER USER {name} DEFAULT ROLE bionicpro_{role}",
    ]
