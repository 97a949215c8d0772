"""The gate's own door: a handful of requests, each within bounds of size, time and number."""

import asyncio
import json
import re
import sys
from collections import Counter

import h11

from bionicpro_assets.gate.container import Place, RefusedError, container
from bionicpro_assets.gate.engine import MOST_AT_WORK, Engine
from bionicpro_assets.gate.http import MAX_HEAD, MAX_REQUEST, Message, TooLargeError, answer, receive

# Who asks: the daemon, the operators' web server, the health check. One of them can't use up what is there for all.
MOST_OF_ONE_ADDRESS = 16
MOST_CONNECTIONS = 48
SECONDS_TO_ASK = 10
SECONDS_TO_ANSWER = 10
MOST_SECONDS_TO_STOP = 120
VERSION = r"(?:/v1\.\d{1,3})?"
NUMBER = r"([0-9a-f]{64})"
NO_SUCH = 404, "No such container of a run."


class Gate:
    """Takes requests from Docker's client and makes its own to the engine.

    Attributes:
        engine: What it asks.
        place: What runs are given here.
    """

    def __init__(self, engine: Engine, place: Place) -> None:
        self.engine = engine
        self.place = place
        self._connections: Counter[str] = Counter()

    async def serve(self, host: str, port: int) -> asyncio.Server:
        """Listen."""
        return await asyncio.start_server(self.connected, host, port, limit=MAX_HEAD, backlog=64)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, which is one request."""
        (address, *_) = writer.get_extra_info("peername")
        self._connections[address] += 1
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
        try:
            if self._connections[address] > MOST_OF_ONE_ADDRESS or self._connections.total() > MOST_CONNECTIONS:
                status, body = self.refused(address, 503, "too many requests at once; ask again")
            else:
                status, body = await self.one(connection, reader, address)
            if connection.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                async with asyncio.timeout(SECONDS_TO_ANSWER):
                    await answer(connection, writer, status, body)
        except (OSError, h11.LocalProtocolError):
            pass  # whoever asked has gone, or doesn't listen
        finally:
            writer.close()
            self._connections[address] -= 1
            if not self._connections[address]:
                del self._connections[address]

    async def one(self, connection: h11.Connection, reader: asyncio.StreamReader, address: str) -> tuple[int, bytes]:
        """Status and body of the answer to a request that is yet to be read."""
        try:
            async with asyncio.timeout(SECONDS_TO_ASK):
                request = await receive(connection, reader, MAX_REQUEST)
        except TooLargeError:
            return self.refused(address, 413, f"more than {MAX_REQUEST} bytes are no request of a run")
        except TimeoutError:
            return self.refused(address, 408, f"it wasn't all there after {SECONDS_TO_ASK} seconds")
        except h11.RemoteProtocolError as error:
            return self.refused(address, error.error_status_hint or 400, "it can't be read as HTTP")
        try:
            return await self.answer(request, address)
        except RefusedError as error:
            return self.refused(address, 403, f"{request.method} {request.target[:200]!r}: {error}")
        except (OSError, ValueError, KeyError) as error:
            why = f"Docker's engine doesn't answer as it should ({type(error).__name__})"
            return self.refused(address, 502, why)

    async def answer(self, request: Message, address: str) -> tuple[int, bytes]:
        """Status and body of the answer to a request.

        Raises:
            RefusedError: It isn't one that runs need.
        """
        asked = f"{request.method} {request.target}"
        if asked == "GET /healthz":
            return (200, b"{}") if await self.engine.answers() else (502, b"{}")
        if found := re.fullmatch(rf"GET {VERSION}(/_ping|/version)", asked):
            return _passed(await self.engine.ask("GET", found[1]))
        if re.fullmatch(rf"POST {VERSION}/containers/create", asked):
            return await self.create(request.body, address)
        if request.body:
            raise RefusedError("it has a body, which no such request has")
        if found := re.fullmatch(rf"GET {VERSION}/containers/{NUMBER}/json", asked):
            described = await self.engine.find(found[1])
            return _passed(described) if described else _said(*NO_SUCH)
        if found := re.fullmatch(rf"POST {VERSION}/containers/{NUMBER}/(start|stop)(?:\?t=(\d{{1,3}}))?", asked):
            return await self.act(found[1], found[2], found[3])
        if re.fullmatch(rf"(GET|POST) {VERSION}/containers/[\w-]+/(json|start|stop)", asked):
            return _said(*NO_SUCH)
        raise RefusedError("not for runs")

    async def create(self, body: bytes, address: str) -> tuple[int, bytes]:
        """A container for a run."""
        made = await self.engine.create(container(self.place, body))
        if made is None:
            return self.refused(
                address, 429, f"{MOST_AT_WORK} containers of runs are at work; ask again when one has ended"
            )
        return _passed(made)

    async def act(self, number: str, action: str, seconds: str | None) -> tuple[int, bytes]:
        """Start or stop a run's container."""
        if seconds is not None and (action == "start" or int(seconds) > MOST_SECONDS_TO_STOP):
            raise RefusedError(f"t is for stop, and at most {MOST_SECONDS_TO_STOP}")
        if await self.engine.find(number) is None:
            return _said(*NO_SUCH)
        query = "" if seconds is None else f"?t={int(seconds)}"
        return _passed(
            await self.engine.ask("POST", f"/containers/{number}/{action}{query}", seconds=MOST_SECONDS_TO_STOP + 30)
        )

    def refused(self, address: str, status: int, why: str) -> tuple[int, bytes]:
        """A refusal in words, and a line in the log."""
        print(f"refused {address}: {why}", file=sys.stderr, flush=True)  # noqa: T201
        return _said(status, f"The gate refuses it: {why}.")


def _passed(message: Message) -> tuple[int, bytes]:
    return message.status, message.body


def _said(status: int, sentence: str) -> tuple[int, bytes]:
    return status, json.dumps({"message": sentence}).encode()
