"""The front door, attacked: with a logged-in operator's password, without one, and by pages that the operator looks at."""

import base64
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, BrowserContext
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from bionicpro_assets_tests.e2e.browser.door import CHANGE, STATE, TRUSTED, Answer, Door, door

pytestmark = pytest.mark.browser

# One change, written so that who looks for the word "mutation" at the beginning doesn't see it.
WAYS_TO_WRITE_IT = [
    CHANGE,
    f"\n\t ,,,{CHANGE}",
    f"# only a question\n{CHANGE}",
    f"\ufeff{CHANGE}",
    "mutation Look { a: setAutoMaterializePaused(paused: true) b: setAutoMaterializePaused(paused: true) }",
    "mutation M($p: Boolean!) { setAutoMaterializePaused(paused: $p) }",
    "fragment F on Mutation { setAutoMaterializePaused(paused: true) } mutation { ...F }",
    "mutation { ... on Mutation { setAutoMaterializePaused(paused: true) @include(if: true) } }",
    f"query Look {STATE} {CHANGE.replace('mutation', 'mutation Do')}",
]
OWN = "the own origin"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Iterator[Door]:
    with door(tmp_path_factory.mktemp("door")) as made:
        yield made


@pytest.fixture
def entry(made: Door) -> Iterator[Door]:
    """The doors, with nothing changed before and the log read so far."""
    made.undo()
    yield made
    made.undo()


def refused(answer: Answer) -> bool:
    """Whether it was refused in a sentence."""
    return answer.status in (400, 403, 404, 405, 415) and len(answer.text.split()) > 3


def query(text: str) -> str:
    more = {"variables": '{"p": true}', "operationName": "Do" if "mutation Do" in text else ""}
    return f"query={quote(text)}" + "".join(f"&{k}={quote(v)}" for k, v in more.items() if v)


def test_the_operator_changes_something_and_a_line_says_so(entry):
    address, before = entry.address(), len(entry.audit())
    answer = entry.graphql(CHANGE, source=address, X_Remote_User="somebody", X_Forwarded_For="192.0.2.1",
                           X_Real_IP="192.0.2.1")  # fmt: skip
    assert answer.status == 200
    assert entry.changed()
    (line,) = entry.audit()[before:]
    assert line["who"] == "operator"
    assert line["from"] == address
    assert line["mutation"] == "setAutoMaterializePaused"
    assert line["on"] == {"paused": True}
    assert line["result"] == "bool"
    assert line["when"].endswith("+00:00")


def test_every_field_of_a_change_is_a_line_whatever_it_is_called(entry):
    before = len(entry.audit())
    for text in WAYS_TO_WRITE_IT[3:]:
        body = {"query": text, "variables": {"p": True}, "operationName": "Do" if "mutation Do" in text else None}
        answer = entry.ask("POST", "/graphql", json.dumps(body).encode(), Content_Type="application/json")
        assert answer.status == 200, answer.text
    assert [(x["who"], x["mutation"]) for x in entry.audit()[before:]] == [("operator", "setAutoMaterializePaused")] * 7


def test_a_question_is_no_line_and_a_viewers_change_is_refused_with_one(entry):
    before = len(entry.audit())
    assert json.loads(entry.graphql(STATE).text) == {"data": {"instance": {"autoMaterializePaused": False}}}
    answer = entry.graphql(CHANGE, port=entry.viewers, user="viewer:right")
    assert "UnauthorizedError" in answer.text or answer.status == 500
    assert not entry.changed()
    assert len(entry.audit()) == before
    lines = [x for x in (entry.folder / "viewers.log").read_text().splitlines() if x.startswith('{"audit"')]
    assert json.loads(lines[-1])["who"] == "viewer"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("text", WAYS_TO_WRITE_IT)
def test_nothing_is_changed_by_get(entry, method, text):
    before, source = len(entry.audit()), entry.address()
    for path in ("/graphql", "/%67raphql", "/graphql/", "//graphql", "/x/../graphql", "/./graphql", "/graphql;x", "/GraphQL",
                 "/graphql%00", "/graphql%20", "/graphql/.", "/fleet/../graphql"):  # fmt: skip
        for accept in ("image/*", "*/*", "text/html"):
            answer = entry.ask(method, f"{path}?{query(text)}", source=source, Accept=accept)
            if path in ("/graphql", "/%67raphql", "/x/../graphql", "/./graphql"):
                assert answer.status == 405, path
                assert method == "HEAD" or answer.text == "GraphQL is asked by POST, as application/json.\n"
    assert not entry.changed()
    assert len(entry.audit()) == before, "it reached Dagster"


JSON = json.dumps({"query": CHANGE}).encode()
FORM = query(CHANGE).encode()
MULTIPART = f'--x\r\nContent-Disposition: form-data; name="operations"\r\n\r\n{JSON.decode()}\r\n--x--\r\n'.encode()


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (FORM, "application/x-www-form-urlencoded"), (MULTIPART, "multipart/form-data; boundary=x"), (JSON, "text/plain"),
        (JSON, "text/plain; application/json"), (JSON, "text/plain;charset=application/json"),
        (CHANGE.encode(), "application/graphql"), (JSON, "application/graphql+json"), (JSON, "application/jsonx"),
        (JSON, ""), (b"", "text/plain"), (JSON, "application/json-patch+json"),
    ],
)  # fmt: skip
def test_a_post_is_json_and_nothing_that_a_form_can_send(entry, body, kind):
    before = len(entry.audit())
    headers = {"Content_Type": kind} if kind else {}
    for target in ("/graphql", f"/graphql?{query(CHANGE)}"):
        answer = entry.ask("POST", target, body, source=entry.address(), **headers)
        assert answer.status == 405
        assert refused(answer)
    assert not entry.changed()
    assert len(entry.audit()) == before


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://elsewhere.example"}, {"Origin": "null"}, {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://127.0.0.1"}, {"Origin": f"{OWN}.elsewhere.example"}, {"Origin": f"{OWN}0"},
        {"Origin": f"{OWN}@elsewhere.example"}, {"Origin": f"{OWN} https://elsewhere.example"},
        {"Origin": "file://"}, {"Origin": "http://elsewhere.example|http|127.0.0.1"},
        {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://elsewhere.example"},
        {"Sec-Fetch-Site": "cross-site", "Origin": OWN},
    ],
)  # fmt: skip
def test_another_page_makes_no_change(entry, headers):
    before = len(entry.audit())
    told = {k.replace("-", "_"): v.replace(OWN, f"http://127.0.0.1:{entry.port}") for k, v in headers.items()}
    answer = entry.graphql(CHANGE, source=entry.address(), **told)
    assert refused(answer), answer
    assert "another address" in answer.text
    assert not entry.changed()
    assert len(entry.audit()) == before


@pytest.mark.parametrize("origin", [OWN, "https"])
def test_the_own_page_does(entry, origin):
    own = f"{'https' if origin == 'https' else 'http'}://127.0.0.1:{entry.port}"
    assert entry.graphql(CHANGE, Origin=own, Sec_Fetch_Site="same-origin").status == 200
    assert entry.changed()


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get", "MUTATION"])
@pytest.mark.parametrize("path", ["/graphql", "/", "/fleet/", "/report_asset_materialization/x", "/login"])
def test_no_other_method_gets_in(entry, method, path):
    answer = entry.ask(method, path, JSON, source=entry.address(), Content_Type="application/json")
    assert answer.status in (400, 404, 405)
    assert not entry.changed()


@pytest.mark.parametrize(
    "path",
    [
        "/report_asset_materialization/x",
        "/report_asset_check/x",
        "/report_asset_observation/x",
        "/graphql/",
        "/x",
        "/fleet/",
    ],
)
def test_a_post_goes_nowhere_else(entry, path):
    for kind in ("application/json", "application/x-www-form-urlencoded"):
        answer = entry.ask("POST", path, b"{}", source=entry.address(), Content_Type=kind,
                           X_HTTP_Method_Override="POST")  # fmt: skip
        assert answer.status in (404, 405)
        assert refused(answer)


def test_a_list_of_requests_is_no_request(entry):
    body = json.dumps([{"query": CHANGE}, {"query": CHANGE}]).encode()
    entry.ask("POST", "/graphql", body, Content_Type="application/json")
    assert not entry.changed()


@pytest.mark.parametrize(
    "head",
    [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /graphql?{query} HTTP/1.1\r\nHost: x\r\n\r\n",
        "Content-Length: 5\r\nContent-Length: 50\r\n\r\nxxxxxGET /graphql?{query} HTTP/1.1\r\nHost: x\r\n\r\n",
        "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
    ],
)
def test_no_request_hides_in_another(entry, head):
    before = len(entry.audit())
    text = head.replace("{query}", query(CHANGE))
    login = base64.b64encode(b"operator:right").decode()
    with socket.create_connection(("127.0.0.1", entry.port), 60, source_address=(entry.address(), 0)) as wire:
        wire.sendall(f"POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {login}\r\n{text}".encode())
        said = wire.recv(10_000)
    assert said.split()[1] in (b"400", b"405", b"501")
    assert not entry.changed()
    assert len(entry.audit()) == before


def start(entry: Door, text: str, origin: str | None, target: str = "/graphql") -> list[dict[str, Any]]:
    """What is answered to an operation over the subscriptions' socket."""
    login = base64.b64encode(b"operator:right").decode()
    with connect(
        f"ws://127.0.0.1:{entry.port}{target}", additional_headers={"Authorization": f"Basic {login}"},
        origin=Origin(origin) if origin else None, subprotocols=[Subprotocol("graphql-ws")], source_address=(entry.address(), 0), open_timeout=60,
    ) as wire:  # fmt: skip
        wire.send(json.dumps({"type": "connection_init"}))
        payload = {"query": text, "variables": {"p": True}, "operation_name": "Do" if "mutation Do" in text else None}
        wire.send(json.dumps({"type": "start", "id": "1", "payload": payload}))
        return [json.loads(wire.recv(60)), json.loads(wire.recv(60))]


@pytest.mark.parametrize("text", WAYS_TO_WRITE_IT)
def test_the_socket_for_subscriptions_changes_nothing(entry, text):
    answers = start(entry, text, f"http://127.0.0.1:{entry.port}")
    assert [a["type"] for a in answers] == ["connection_ack", "error"]
    assert answers[1]["payload"]["message"] == "Only subscriptions come by this socket; questions and changes by POST."
    assert not entry.changed()


@pytest.mark.parametrize("origin", [None, "http://127.0.0.1:1", "https://elsewhere.example", "null"])
def test_the_socket_is_for_the_own_page_only(entry, origin):
    with pytest.raises(WebSocketException, match="40[35]"):
        start(entry, STATE, origin)
    with pytest.raises(WebSocketException, match="405"):
        start(entry, STATE, f"http://127.0.0.1:{entry.port}", f"/graphql?{query(CHANGE)}")
    assert not entry.changed()


# --- the web server itself, as `bionicpro up` has it, without a door and without a password -----------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Content_Type": "text/plain"}, {"Content_Type": "text/plain; application/json"}, {},
        {"Content_Type": "application/x-www-form-urlencoded"}, {"Content_Type": "application/graphql"},
        {"Content_Type": "application/json", "Origin": "https://elsewhere.example"},
        {"Content_Type": "application/json", "Origin": "null"},
        {"Content_Type": "application/json", "Origin": "http://127.0.0.1:1"},
        {"Content_Type": "application/json", "Sec_Fetch_Site": "same-site"},
        {"Content_Type": "application/json", "Host": "elsewhere.example", "Origin": "http://elsewhere.example"},
    ],
)  # fmt: skip
@pytest.mark.parametrize("target", ["/graphql", f"/graphql?{query(CHANGE)}", "/report_asset_observation/x"])
def test_the_web_server_is_changed_by_no_other_page(entry, headers, target):
    before = len(entry.audit())
    answer = entry.ask("POST", target, JSON, port=entry.behind, user=None, **headers)
    assert answer.status in (400, 403, 415)
    assert len(answer.text.split()) > 2
    assert entry.ask("GET", f"/graphql?{query(CHANGE)}", port=entry.behind, user=None).status == 500
    assert not entry.changed()
    assert [line["result"] for line in entry.audit()[before:]] == ["refused: changes come by POST"]


@pytest.mark.parametrize("origin", ["http://127.0.0.1:1", "https://elsewhere.example", "null"])
def test_the_web_servers_socket_is_for_its_own_page(entry, origin):
    with pytest.raises(WebSocketException, match="403"):
        start(replace(entry, port=entry.behind), STATE, origin)
    answers = start(replace(entry, port=entry.behind), CHANGE, f"http://127.0.0.1:{entry.behind}")
    assert answers[1]["type"] == "error"


# --- passwords --------------------------------------------------------------------------------------------------------


def test_who_tries_passwords_is_locked_out_and_nobody_else(entry):
    address, began = entry.address(), time.monotonic()
    answers = [entry.ask("GET", "/server_info", source=address, user=f"operator:{n}") for n in range(560)]
    minutes = (time.monotonic() - began) / 60
    looked_at = [a for a in answers if a.status == 401]
    assert 10 <= len(looked_at) <= 10 + 2 * minutes + 1
    locked = [a for a in answers if a.status == 429]
    assert len(locked) == 560 - len(looked_at)
    assert {a.text for a in locked} == {
        "Too many requests at once from your address: wait a few seconds.\n",
        "Too many wrong passwords for this user from your address: none is looked at now. Wait a minute and try once.\n",
    }

    def patiently(user: str) -> Answer:
        # So many at once are too many for any kind of request; that is over in seconds.
        while True:
            answer: Answer = entry.ask("GET", "/server_info", source=address, user=user)
            if "at once" not in answer.text:
                return answer
            time.sleep(0.1)

    # Also the right one isn't looked at: else the lock-out wouldn't keep it from being found.
    while patiently("operator:the next").status != 429:
        pass
    assert "wrong passwords" in patiently("operator:right").text
    assert patiently("second:right").status == 200
    assert entry.ask("GET", "/server_info", source=entry.address()).status == 200


def test_who_is_logged_in_stays_so_while_others_guess_at_the_same_address(entry):
    address = entry.address()
    assert entry.ask("GET", "/server_info", source=address).status == 200
    assert 429 in {entry.ask("GET", "/server_info", source=address, user=f"operator:{n}").status for n in range(30)}
    assert entry.ask("GET", "/server_info", source=address).status == 200


def test_many_users_are_no_way_round_it(entry):
    address, began = entry.address(), time.monotonic()
    answers = [entry.ask("GET", "/server_info", source=address, user=f"u{n}:x").status for n in range(100)]
    assert set(answers) == {401, 429}
    assert answers.count(401) <= 20 + 20 * (time.monotonic() - began) / 60 + 1


def test_without_a_password_nobody_is_counted_and_nobody_gets_in(entry):
    address = entry.address()
    targets = [
        "/",
        "/graphql",
        "/fleet/",
        "/fleet/fleet-latest-en.html",
        "/server_info",
        "/static/x.js",
        "/login",
        "/x",
    ]
    assert {entry.ask("GET", t, source=address, user=None).status for t in targets * 4} <= {401, 404}
    assert (
        entry.ask("GET", "/", source=address, user=None).headers["WWW-Authenticate"]
        == 'Basic realm="BionicPRO reports"'
    )
    assert entry.ask("GET", "/server_info", source=address).status == 200


def test_a_login_is_for_one_door(entry):
    assert entry.ask("GET", "/server_info", source=entry.address(), port=entry.viewers).status == 401
    assert entry.ask("GET", "/server_info", source=entry.address(), user="viewer:right").status == 401


def test_only_a_proxy_that_is_trusted_says_whose_request_it_is(entry):
    for source, said, believed in ((TRUSTED, "192.0.2.77", "192.0.2.77"), ("127.0.0.3", "192.0.2.78", "127.0.0.3")):
        entry.graphql(CHANGE, source=source, X_Forwarded_For=said)
        assert entry.audit()[-1]["from"] == believed
    # Behind it, one user's guesses are one user's.
    for n in range(30):
        entry.ask("GET", "/server_info", source=TRUSTED, user=f"operator:{n}", X_Forwarded_For="192.0.2.79")
    assert entry.ask("GET", "/server_info", source=TRUSTED, X_Forwarded_For="192.0.2.79").status == 429
    assert entry.ask("GET", "/server_info", source=TRUSTED, X_Forwarded_For="192.0.2.80").status == 200


def test_half_sent_requests_keep_nobody_out(entry):
    held = [socket.create_connection(("127.0.0.1", entry.port), 60) for _ in range(300)]
    try:
        for wire in held:
            wire.sendall(b"POST /graphql HTTP/1.1\r\nHost: x\r\n")
        assert entry.ask("GET", "/server_info", source=entry.address()).status == 200
    finally:
        for wire in held:
            wire.close()


# --- pages ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def pages(entry: Door) -> Iterator[Path]:
    folder = entry.folder / "nginx/pages"
    kept = set(folder.iterdir())
    yield folder
    for file in set(folder.iterdir()) - kept:
        file.unlink()


def test_a_link_among_the_pages_leads_nowhere(entry, pages):
    (pages / "fleet-2026-01-01-en.html").symlink_to(entry.folder / "nginx/operators")
    (pages / "fleet-2026-01-02-en.html").symlink_to("fleet-latest-en.html")
    (pages / "fleet-x").symlink_to(entry.folder / "nginx")
    os.mkfifo(pages / "fleet-2026-01-03-en.html")
    for name in ("fleet-2026-01-01-en.html", "fleet-2026-01-02-en.html", "fleet-2026-01-03-en.html", "fleet-x/operators",
                 "../operators", "%2e%2e/operators", "fleet-x%2foperators", "operators", "fleet-..html", ".htpasswd",
                 "fleet-%00.html", "fleet-latest-en.html/../../operators"):  # fmt: skip
        answer = entry.ask("GET", f"/fleet/{name}", source=entry.address())
        # Dagster shows its UI under every path that it doesn't know.
        assert answer.status in (400, 404) or answer.text.startswith("<!DOCTYPE html><html lang"), name
        assert "PLAIN" not in answer.text
    assert entry.ask("GET", "/fleet/").text == "<h1>the fleet</h1>"
    (pages / "fleet-latest-en.html").rename(pages.parent / "kept")
    try:
        (pages / "fleet-latest-en.html").symlink_to(entry.folder / "nginx/operators")
        assert entry.ask("GET", "/fleet/").status == 404
    finally:
        (pages.parent / "kept").rename(pages / "fleet-latest-en.html")


def test_what_nginx_answers_itself_runs_nothing(entry):
    answers = [
        entry.ask("GET", "/fleet/"), entry.ask("GET", "/fleet/fleet-latest-en.html"), entry.ask("GET", "/fleet/none"),
        entry.ask("GET", "/", user=None), entry.ask("GET", "/graphql?x"), entry.ask("GET", "/", Origin="null"),
        entry.ask("DELETE", "/"), entry.ask("GET", "/fleet"), entry.ask("GET", "/fleet/fleet-1.html"),
    ]  # fmt: skip
    assert [a.status for a in answers] == [200, 200, 404, 401, 405, 403, 405, 302, 404]
    for answer in answers:
        (policy,) = answer.headers.get_all("Content-Security-Policy")
        assert policy.startswith("default-src 'none'; ")
        assert "frame-ancestors 'none'" in policy
    for answer in (*answers, entry.ask("GET", "/"), entry.graphql(STATE)):
        for name, value in {"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin",
                            "Cross-Origin-Resource-Policy": "same-origin"}.items():  # fmt: skip
            assert answer.headers.get_all(name) == [value]
    (policy,) = entry.ask("GET", "/").headers.get_all("Content-Security-Policy")
    assert "object-src 'none'" in policy, "Dagster's own"


# --- a browser --------------------------------------------------------------------------------------------------------


@pytest.fixture
def operator(browser: Browser, entry: Door) -> Iterator[BrowserContext]:
    """A browser in which the operator has logged in."""
    context = browser.new_context(http_credentials={"username": "operator", "password": "right"})
    page = context.new_page()
    answer = page.goto(f"http://127.0.0.1:{entry.port}/server_info")
    assert answer is not None
    assert answer.status == 200
    page.close()
    yield context
    context.close()


@pytest.fixture
def elsewhere(tmp_path) -> Iterator[tuple[Path, str]]:
    """Another site: a folder, and the address it is served at. For a browser, another port is the same site."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield tmp_path, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


ATTACKS = {
    "an image": "<img src='{get}'>",
    "a script": "<script src='{get}'></script>",
    "a style sheet": "<link rel=stylesheet href='{get}'>",
    "a prefetch": "<link rel=prefetch href='{get}'>",
    "a frame": "<iframe src='{get}'></iframe>",
    "a link that is followed": "<script>location = '{get}'</script>",
    "a form by GET": "<form action='{url}' method=GET><input name=query value='{text}'></form><script>document.forms[0].submit()</script>",
    "a form": "<form action='{get}' method=POST><input name=query value='{text}'></form><script>document.forms[0].submit()</script>",
    "a form of text": "<form action='{url}' method=POST enctype='text/plain'><input name='{{\"query\": \"{text}\", \"x\": \"' value='\"}}'></form><script>document.forms[0].submit()</script>",
    "fetch": "<script>fetch('{url}', {{method: 'POST', mode: 'no-cors', credentials: 'include', body: '{json}'}})</script>",
    "fetch of a blob": "<script>fetch('{url}', {{method: 'POST', mode: 'no-cors', credentials: 'include', body: new Blob(['{json}'], {{type: 'text/plain;application/json'}})}})</script>",
    "fetch with JSON": "<script>fetch('{url}', {{method: 'POST', credentials: 'include', headers: {{'Content-Type': 'application/json'}}, body: '{json}'}}).catch(e => 0)</script>",
    "a beacon": "<script>navigator.sendBeacon('{url}', '{json}')</script>",
    "a socket": "<script>const s = new WebSocket('{ws}', 'graphql-ws'); s.onopen = () => s.send(JSON.stringify({{type: 'start', id: '1', payload: {{query: '{text}'}}}}))</script>",
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_page_of_another_port_changes_nothing_in_the_operators_name(operator, entry, elsewhere, attack):
    folder, address = elsewhere
    url = f"http://127.0.0.1:{entry.port}/graphql"
    words = {"url": url, "get": f"{url}?query={quote(CHANGE)}", "text": CHANGE, "json": json.dumps({"query": CHANGE}),
             "ws": url.replace("http", "ws")}  # fmt: skip
    (folder / "index.html").write_text(f"<!doctype html><title>x</title>{ATTACKS[attack].format(**words)}")
    before, seen = len(entry.audit()), len(log(entry))
    page = operator.new_page()
    page.goto(f"{address}/index.html", wait_until="commit")
    # The attack has reached the door, which wrote down what it answered.
    deadline = time.monotonic() + 60
    while not (lines := log(entry)[seen:]):
        assert time.monotonic() < deadline, "the browser didn't ask"
        page.wait_for_timeout(50)
    page.wait_for_load_state("load")
    assert {line.rsplit('" ', 1)[1].split()[0] for line in lines} <= {"401", "403", "405"}, lines
    assert not entry.changed()
    assert len(entry.audit()) == before
    page.close()


def log(entry: Door) -> list[str]:
    return [line for line in (entry.folder / "access.log").read_text().splitlines() if "/graphql" in line]


def test_the_own_page_changes_something_in_the_operators_name(operator, entry):
    """The same browser could: else the attacks would show nothing."""
    page = operator.new_page()
    page.goto(f"http://127.0.0.1:{entry.port}/server_info")
    script = """body => fetch('/graphql', {method: 'POST', headers: {'Content-Type': 'application/json'}, body})
        .then(r => r.status)"""
    assert page.evaluate(script, JSON.decode()) == 200
    assert entry.changed()


def test_the_ui_works_behind_the_door(operator, entry):
    page = operator.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda m: wrong.append(m.text) if "Content Security Policy" in m.text else None)
    page.on("response", lambda r: wrong.append(f"{r.status} {r.url}") if r.status in (403, 405, 429) else None)
    page.goto(f"http://127.0.0.1:{entry.port}/runs")
    page.get_by_text("Runs").first.wait_for(timeout=60_000)
    page.get_by_text("No runs").first.wait_for(timeout=60_000)
    assert wrong == []


def test_a_script_in_a_page_of_the_fleet_does_not_run(operator, entry, pages):
    (pages / "fleet-2026-02-01-en.html").write_text(
        "<h1 style='color: rgb(1, 2, 3)'>x</h1><script>document.title = 'it runs'</script><img src=x onerror='document.title = 1'>"
    )
    page = operator.new_page()
    page.goto(f"http://127.0.0.1:{entry.port}/fleet/fleet-2026-02-01-en.html")
    assert page.title() == ""
    assert page.locator("h1").evaluate("e => getComputedStyle(e).color") == "rgb(1, 2, 3)"


def test_a_link_from_elsewhere_can_be_followed(operator, entry, elsewhere):
    folder, address = elsewhere
    (folder / "index.html").write_text(f"<a href='http://127.0.0.1:{entry.port}/fleet/'>the page</a>")
    page = operator.new_page()
    page.goto(f"{address}/index.html")
    page.get_by_text("the page").click()
    page.get_by_text("the fleet").wait_for(timeout=60_000)
