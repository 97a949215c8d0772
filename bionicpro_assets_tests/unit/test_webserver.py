"""Dagster's web server with its audit lines: what it builds on in Dagster, and what it does with each mutation."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest
from dagster_webserver import app
from dagster_webserver.graphql import GraphQLServer
from dagster_webserver.webserver import DagsterWebserver
from graphql import GraphQLError

from bionicpro_assets import webserver
from bionicpro_assets.webserver import MOST_CHARACTERS, AuditedWebserver, audited


def info(method: str | None = "POST", **headers: str) -> Any:
    request = SimpleNamespace(headers=headers, **({"method": method} if method else {}))
    return SimpleNamespace(context=SimpleNamespace(source=request))


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_dagster_has_what_it_builds_on():
    """None of these is public."""
    assert app.DagsterWebserver is DagsterWebserver
    assert "DagsterWebserver" in app.create_app_from_workspace_process_context.__code__.co_names
    assert issubclass(AuditedWebserver, GraphQLServer)
    for name in ("build_graphql_schema", "execute_graphql_subscription"):
        assert getattr(DagsterWebserver, name) is not getattr(AuditedWebserver, name)


def test_every_mutation_of_dagsters_is_watched():
    plain = DagsterWebserver.build_graphql_schema(SimpleNamespace())
    watched = AuditedWebserver(SimpleNamespace())._graphene_schema
    fields = watched.graphql_schema.mutation_type.fields
    assert set(fields) == set(plain.graphql_schema.mutation_type.fields)
    assert len(fields) > 40
    assert {field.resolve.__qualname__ for field in fields.values()} == {"audited.<locals>.resolver"}


def test_a_line_says_who_did_what_to_what_with_what_result(capsys):
    resolve = audited("terminateRun", lambda *_, **__: type("GrapheneTerminateRunSuccess", (), {})())
    resolve(None, info(**{"X-Remote-User": "anna", "X-Real-IP": "192.0.2.1"}), runId="x")
    (line,) = lines(capsys)
    assert line.pop("when")
    assert line == {
        "audit": "change", "who": "anna", "from": "192.0.2.1", "mutation": "terminateRun", "on": {"runId": "x"},
        "result": "TerminateRunSuccess",
    }  # fmt: skip


@pytest.mark.parametrize("method", ["GET", "HEAD", None])
def test_by_another_way_than_post_nothing_is_done(capsys, method):
    done: list[int] = []
    with pytest.raises(GraphQLError, match="Changes come by POST"):
        audited("launchRun", lambda *_, **__: done.append(1))(None, info(method))
    assert done == []
    assert lines(capsys)[0]["result"] == "refused: changes come by POST"


def test_a_failure_is_a_line_too(capsys):
    def fail(*_: Any, **__: Any) -> None:
        raise ValueError("secret")

    async def fail_later(*_: Any, **__: Any) -> None:
        raise ValueError("secret")

    with pytest.raises(ValueError, match="secret"):
        audited("launchRun", fail)(None, info())
    with pytest.raises(ValueError, match="secret"):
        asyncio.run(audited("launchRun", fail_later)(None, info()))
    assert [line["result"] for line in lines(capsys)] == ["failed: ValueError"] * 2


def test_what_comes_later_is_written_down_when_it_has_come(capsys):
    async def later(*_: Any, **__: Any) -> bool:
        return True

    assert asyncio.run(audited("launchRun", later)(None, info())) is True
    assert lines(capsys)[0]["result"] == "bool"


def test_a_line_is_one_line_and_not_without_end(capsys):
    who = 'x", "who": "somebody\u2028\n'
    audited("launchRun", lambda *_, **__: True)(None, info(**{"X-Remote-User": who}), a="x\ny", b="z" * 10_000)
    (line,) = lines(capsys)
    assert line["who"] == who
    assert line["on"]["a"] == "x\ny"
    assert MOST_CHARACTERS < len(line["on"]["b"]) < MOST_CHARACTERS + 40
    assert "10002 characters" in line["on"]["b"]


def test_dagsters_own_command_line_gets_the_audited_server(monkeypatch):
    made: list[Any] = []
    monkeypatch.setattr(app, "DagsterWebserver", DagsterWebserver)
    monkeypatch.setattr(webserver.cli, "main", lambda: made.append(vars(app)["DagsterWebserver"]))
    webserver.main()
    assert made == [AuditedWebserver]
