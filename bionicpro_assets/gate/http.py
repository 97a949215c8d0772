"""One request over HTTP/1.1, read and answered within bounds. h11 knows the protocol."""

import asyncio
import contextlib
import json
from dataclasses import dataclass
from typing import Any

import h11

MAX_HEAD = 16 << 10
# What Dagster's launcher sends is some 10 KB.
MAX_REQUEST = 64 << 10
MAX_ANSWER = 16 << 20
PIECE = 1 << 16


@dataclass(frozen=True)
class Message:
    """A request or an answer: its first line, and its body."""

    method: str = ""
    target: str = ""
    status: int = 0
    body: bytes = b""


class TooLargeError(Exception):
    """A body is larger than is read here."""


async def receive(connection: h11.Connection, reader: asyncio.StreamReader, most: int) -> Message:
    """The next message.

    Raises:
        TooLargeError: Its body is larger than `most`; no more than that was read.
        h11.RemoteProtocolError: It isn't HTTP, its head is too large, or it ended before its end.
    """
    head: h11.Request | h11.Response | None = None
    body = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(PIECE))
        elif isinstance(event, h11.Request | h11.Response):
            head = event
            # Said beforehand: not waited for.
            if any(name == b"content-length" and int(value) > most for name, value in event.headers):
                raise TooLargeError
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > most:
                raise TooLargeError
        elif isinstance(event, h11.EndOfMessage):
            break
        elif event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
            raise h11.RemoteProtocolError("the connection ended")
    if isinstance(head, h11.Request):
        return Message(head.method.decode(), head.target.decode(), body=bytes(body))
    return Message(status=head.status_code if head else 0, body=bytes(body))


async def ask(socket: str, method: str, target: str, wanted: Any = None, *, seconds: float = 30) -> Message:
    """The answer of whoever listens at a Unix socket.

    Raises:
        OSError: Nobody does, or no answer came in time.
    """
    body = b"" if wanted is None else json.dumps(wanted).encode()
    headers = [("Host", "docker"), ("Content-Length", str(len(body))), ("Connection", "close")]
    headers += [("Content-Type", "application/json")] if body else []
    async with asyncio.timeout(seconds):
        reader, writer = await asyncio.open_unix_connection(socket)
        try:
            connection = h11.Connection(h11.CLIENT)
            request = h11.Request(method=method, target=target, headers=headers)
            for event in (request, h11.Data(body), h11.EndOfMessage()):
                writer.write(connection.send(event) or b"")
            await writer.drain()
            return await receive(connection, reader, MAX_ANSWER)
        except (h11.RemoteProtocolError, TooLargeError) as error:
            raise OSError(f"the engine's answer can't be read: {error}") from None
        finally:
            writer.close()


async def answer(connection: h11.Connection, writer: asyncio.StreamWriter, status: int, body: bytes) -> None:
    """Answer in JSON, and be done with the connection."""
    headers = [("Connection", "close")]
    if status not in (204, 304):
        headers += [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    events: list[h11.Event] = [h11.Response(status_code=status, headers=headers)]
    if status not in (204, 304):
        events.append(h11.Data(body))
    # To HEAD, nothing but the head.
    with contextlib.suppress(h11.LocalProtocolError):
        for event in (*events, h11.EndOfMessage()):
            writer.write(connection.send(event) or b"")
    await writer.drain()
