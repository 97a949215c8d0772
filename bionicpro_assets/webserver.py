"""Dagster's web server, which writes down who changes what, and takes changes from its own page only, by POST.

Its arguments are those of dagster-webserver. Each field of a mutation that is executed is a line of JSON on standard
output, whatever the request looked like: aliases, several operations, a batch. Who asked is what the proxy in front
says (docker/nginx), which lets nobody else say it.
"""

import json
import sys
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
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

USER_HEADER = "X-Remote-User"
ADDRESS_HEADER = "X-Real-IP"
# Of each argument; a backfill may name thousands of partitions.
MOST_CHARACTERS = 2000

LOOPBACK = {"127.0.0.1", "localhost"}

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

    def build_middleware(self) -> list[Middleware]:
        """Dagster's, behind what refuses other pages; and other names, where only this machine is listened to."""
        ours = [Middleware(OwnPage)]
        if LOOPBACK & set(sys.argv):
            # Else a page could give this address a name of its own, and be of one origin with it.
            ours.insert(0, Middleware(TrustedHostMiddleware, allowed_hosts=[*LOOPBACK]))
        return [*ours, *super().build_middleware()]

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


class OwnPage:
    """Refuses changes that another page makes a browser ask for: a browser sends whatever lets its user in along."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what may be asked, refuse the rest in words."""
        status, why = refusal(HTTPConnection(scope)) if scope["type"] in ("http", "websocket") else (0, "")
        if not status:
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await PlainTextResponse(f"{why}\n", status)(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008, "reason": why})


def refusal(request: HTTPConnection) -> tuple[int, str]:
    """Status and reason for which a request is refused; 0 and nothing, if it isn't."""
    if request.scope.get("method") in ("GET", "HEAD"):
        return 0, ""
    site, origin = request.headers.get("sec-fetch-site", "none"), request.headers.get("origin")
    if site not in ("none", "same-origin") or (origin and origin.partition("://")[2] != request.headers.get("host")):
        return 403, "This request was made by a page of another address; changes come from this one."
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.scope["type"] == "http" and kind != "application/json":
        return 415, "What is sent here must be application/json: anything else a page of another address could send."
    return 0, ""


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
