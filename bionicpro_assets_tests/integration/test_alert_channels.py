"""E-mail and webhook against real servers."""

import socket
import threading
import time
from contextlib import contextmanager

import pytest

from bionicpro_assets.alerts.addresses import smtp_server as parse_smtp
from bionicpro_assets.alerts.channels import DeliveryError
from bionicpro_assets.alerts.mail import EmailChannel
from bionicpro_assets.alerts.problem import Message
from bionicpro_assets.alerts.webhook import WebhookChannel
from bionicpro_assets_tests.receivers import Hook, Mailbox, server_tls, smtp_server, webhook

PASSWORD = "s3cr/t:p@ss"
QUOTED = "s3cr%2Ft%3Ap%40ss"
TO = ["oncall@example.org", "reports@example.org"]
MESSAGE = Message("m2", "[BionicPRO] Failed: mart, 08:00 … 10:00 UTC", "Почему: a < b & c\n.\nEnd.\n", reply_to="m1")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def email(url, **other):
    return EmailChannel(parse_smtp(url), "bionicpro@example.org", TO, **other)


def error_of(channel):
    with pytest.raises(DeliveryError) as caught:
        channel.send(MESSAGE)
    shown = f"{caught.value} {caught.value!r} {caught.value.__cause__!r} {channel!r}"
    assert not any(secret in shown for secret in (PASSWORD, QUOTED, "T0KEN"))
    return str(caught.value)


def test_a_message_arrives_as_it_was_written():
    with smtp_server(Mailbox()) as box:
        assert email(f"smtp://127.0.0.1:{box.port}").send(MESSAGE) == ""
    (received,) = box.messages
    assert received["Subject"] == MESSAGE.subject
    assert received.get_content().replace("\r\n", "\n") == MESSAGE.body
    assert (received["From"], received["To"]) == ("bionicpro@example.org", ", ".join(TO))
    assert (received["Message-ID"], received["In-Reply-To"]) == ("<m2@example.org>", "<m1@example.org>")
    assert received["Auto-Submitted"] == "auto-generated"
    assert box.envelopes == [("bionicpro@example.org", TO, False)]


@pytest.mark.parametrize("way", ["starttls", "smtps"])
def test_logging_in_over_tls(tmp_path, way):
    tls, authority = server_tls(tmp_path)
    how = {"starttls": tls} if way == "starttls" else {"tls": tls}
    scheme, option = ("smtp", "starttls=required&") if way == "starttls" else ("smtps", "")
    with smtp_server(Mailbox(password=PASSWORD), **how) as box:
        url = f"{scheme}://etl%40corp:{QUOTED}@127.0.0.1:{box.port}?{option}ca_cert={authority}"
        assert email(url).send(MESSAGE) == ""
    assert box.logins == [("etl@corp", PASSWORD)]
    assert [tls for _, _, tls in box.envelopes] == [True]


def test_a_certificate_nobody_vouches_for_gets_no_password(tmp_path):
    tls, _ = server_tls(tmp_path)
    with smtp_server(Mailbox(password=PASSWORD), starttls=tls) as box:
        said = error_of(email(f"smtp://etl:{QUOTED}@127.0.0.1:{box.port}?starttls=required"))
    assert "its certificate isn't trusted" in said
    assert (box.logins, box.messages) == ([], [])


def test_a_server_without_starttls_gets_no_password():
    with smtp_server(Mailbox(password=PASSWORD)) as box:
        said = error_of(email(f"smtp://etl:{QUOTED}@127.0.0.1:{box.port}?starttls=required"))
    assert "doesn't offer what BIONICPRO_SMTP_URL asks for" in said
    assert (box.logins, box.messages) == ([], [])


def test_a_wrong_password_is_said_without_it(tmp_path):
    with smtp_server(Mailbox(password="another")) as box:
        said = error_of(email(f"smtp://etl:{QUOTED}@127.0.0.1:{box.port}"))
    assert said == (
        f"The mail server 127.0.0.1:{box.port} refuses the user or password (535). Check them in BIONICPRO_SMTP_URL."
    )


def test_a_missing_login_is_said():
    with smtp_server(Mailbox(password=PASSWORD)) as box:
        assert "refuses the sender (530)" in error_of(email(f"smtp://127.0.0.1:{box.port}"))


def test_an_addressee_who_is_refused_is_named_and_the_other_gets_it():
    with smtp_server(Mailbox(refused={TO[0]})) as box:
        remark = email(f"smtp://127.0.0.1:{box.port}").send(MESSAGE)
    assert remark == f"The mail server 127.0.0.1:{box.port} refuses these addressees: oncall@example.org."
    assert [to for _, to, _ in box.envelopes] == [[TO[1]]]


def test_all_addressees_refused():
    with smtp_server(Mailbox(refused=set(TO))) as box:
        assert "refuses all addressees: oncall@example.org (550)" in error_of(email(f"smtp://127.0.0.1:{box.port}"))


@pytest.mark.parametrize(("answer", "refused"), [("554 5.7.1 spam", True), ("451 4.3.0 later", False)])
def test_a_message_that_is_refused_for_good_or_for_now(answer, refused):
    with smtp_server(Mailbox(answers=[answer])) as box, pytest.raises(DeliveryError) as caught:
        email(f"smtp://127.0.0.1:{box.port}").send(MESSAGE)
    assert caught.value.refused is refused


@contextmanager
def saying(*lines, pause=0.0):
    """A server that says these lines, whatever it hears, then hangs or hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve():
            connection, _ = listening.accept()
            with connection:
                for line in lines:
                    connection.sendall(line)
                    time.sleep(pause)
                stop.wait(10 if pause else 0)

        stop = threading.Event()
        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        stop.set()
        thread.join()


def test_nothing_listens():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    assert "can't be reached: Connection refused" in error_of(email(f"smtp://127.0.0.1:{port}"))
    assert "can't be reached: Connection refused" in error_of(WebhookChannel(f"http://127.0.0.1:{port}/T0KEN"))


def test_a_mail_server_that_hangs_ends_within_its_time():
    with saying(b"220 hello\r\n", pause=0.1) as port:
        assert "didn't answer in time" in error_of(email(f"smtp://127.0.0.1:{port}", seconds=0.5))


def test_a_mail_server_that_breaks_off():
    with saying(b"220 hello\r\n") as port:
        said = error_of(email(f"smtp://127.0.0.1:{port}"))
    assert "broke off the conversation" in said or "can't be reached" in said


def test_a_mail_server_that_takes_nothing_now():
    with saying(b"421 too busy\r\n") as port:
        assert "answers 421 and takes nothing now" in error_of(email(f"smtp://127.0.0.1:{port}"))


def test_a_message_that_was_taken_is_not_sent_again_because_saying_goodbye_failed():
    with saying(
        b"220 hello\r\n", b"250 OK\r\n" * 4, b"354 go on\r\n", b"250 taken\r\n", b"451 what?\r\n", pause=0.05
    ) as port:
        assert email(f"smtp://127.0.0.1:{port}", seconds=1.0).send(MESSAGE) == ""


def test_the_webhook_gets_the_text_as_slack_wants_it():
    with webhook(Hook()) as hook:
        assert WebhookChannel(f"http://127.0.0.1:{hook.port}/services/T0KEN").send(MESSAGE) == ""
    assert hook.bodies == [{"text": f"*{MESSAGE.subject}*\nПочему: a &lt; b &amp; c\n.\nEnd."}]


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (500, "answers 500."),
        (429, "answers 429."),
        (404, "doesn't know this address any more (404). Check BIONICPRO_ALERT_WEBHOOK_URL."),
        (400, "answers 400."),
        (302, "redirects (302). Put the final address into BIONICPRO_ALERT_WEBHOOK_URL."),
    ],
)
def test_a_webhook_that_refuses(status, said):
    with webhook(Hook(statuses=[status])) as hook:
        channel = WebhookChannel(f"http://127.0.0.1:{hook.port}/services/T0KEN")
        assert error_of(channel) == f"The webhook http://127.0.0.1:{hook.port} {said}"
    assert hook.tries == 1, "a redirection isn't followed"


def test_a_webhook_that_hangs_or_talks_nonsense():
    with saying(b"", pause=0.1) as port:
        assert "didn't answer in time" in error_of(WebhookChannel(f"http://127.0.0.1:{port}/T0KEN", seconds=0.5))
    with saying(b"220 hello\r\n\r\n") as port:
        assert "can't be reached" in error_of(WebhookChannel(f"http://127.0.0.1:{port}/T0KEN"))
