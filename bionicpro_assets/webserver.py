"""Dagster's web server, which writes down who changes what, and takes changes by POST only.

Its arguments are those of dagster-webserver. Each field of a mutation that is executed is a line of JSON on standard
output, whatever the request looked like: aliases, several operations, a batch. Who asked is what the proxy in front
says (docker/nginx), which lets nobody else say it.
"""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from inspect import isawaitable
from typing import Any

from dagster_webserver import app, cli
from dagster_webserver.webserver import DagsterWebserver
from graphene import Schema
from graphql import (
    GraphQLError,
    GraphQLResolveInfo,
    OperationType,
    default_field_resolver,
    get_operation_ast,
    parse,
)
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket

USER_HEADER = "X-Remote-User"
ADDRESS_HEADER = "X-Real-IP"
# Of each argument; a backfill may name thousands of partitions.
MOST_CHARACTERS = 2000

Resolver = Callable[..., Any]


class AuditedWebserver(DagsterWebserver):  # type: ignore[type-arg]
    """Dagster's web server with an audit line for every change."""

    def build_graphql_schema(self) -> Schema:
        """Dagster's schema, whose mutations are watched."""
        schema: Schema = super().build_graphql_schema()
        mutations = schema.graphql_schema.mutation_type
        for name, field in mutations.fields.items() if mutations else ():
            field.resolve = audited(name, field.resolve or default_field_resolver)
        return schema

    async def execute_graphql_subscription(
        self, websocket: WebSocket, operation_id: str, query: str, variables: Any, operation_name: str | None
    ) -> Any:
        """A subscription; nothing else comes by the socket that is theirs."""
        try:
            operation = get_operation_ast(parse(query), operation_name)
        except GraphQLError as error:
            return None, error.formatted
        if operation is None or operation.operation is not OperationType.SUBSCRIPTION:
            return None, GraphQLError(
                "Only subscriptions come by this socket; questions and changes by POST."
            ).formatted
        return await super().execute_graphql_subscription(websocket, operation_id, query, variables, operation_name)


def audited(name: str, resolve: Resolver) -> Resolver:
    """The resolver of a mutation's field, with a line about it."""

    def resolver(parent: Any, info: GraphQLResolveInfo, **arguments: Any) -> Any:
        request = info.context.source
        if getattr(request, "method", None) != "POST":
            log(request, name, arguments, "refused: changes come by POST")
            raise GraphQLError("Changes come by POST: this is a mutation by another way.")
        try:
            result = resolve(parent, info, **arguments)
        except Exception as error:
            log(request, name, arguments, f"failed: {type(error).__name__}")
            raise
        if isawaitable(result):
            return later(request, name, arguments, result)
        log(request, name, arguments, outcome(result))
        return result

    return resolver


async def later(request: Any, name: str, arguments: dict[str, Any], result: Awaitable[Any]) -> Any:
    """The result, once it is there, with the line."""
    try:
        found = await result
    except Exception as error:
        log(request, name, arguments, f"failed: {type(error).__name__}")
        raise
    log(request, name, arguments, outcome(found))
    return found


def outcome(result: Any) -> str:
    """What came of it, by the name that GraphQL has for it."""
    return type(result).__name__.removeprefix("Graphene")


def log(request: HTTPConnection | None, name: str, arguments: dict[str, Any], result: str) -> None:
    """One line: who, from where, when, which change, on what, and what came of it."""
    headers = request.headers if request is not None else {}
    line = {
        "audit": "change",
        "when": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "who": headers.get(USER_HEADER, ""),
        "from": headers.get(ADDRESS_HEADER, ""),
        "mutation": name,
        "on": {key: _short(value) for key, value in arguments.items()},
        "result": result,
    }
    print(json.dumps(line, ensure_ascii=True, default=str), flush=True)  # noqa: T201


def _short(value: Any) -> Any:
    text = json.dumps(value, default=str)
    return value if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]} … ({len(text)} characters)"


def main() -> None:
    """dagster-webserver, audited."""
    # Its command line makes the server by this name, and takes none of ours: DagsterWebserver isn't public, and
    # unit/test_webserver.py notices when it moves.
    vars(app)["DagsterWebserver"] = AuditedWebserver
    cli.main()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
