"""The engine behind the gate: only containers of runs, only by what they need."""

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from bionicpro_assets.gate.container import LABEL
from bionicpro_assets.gate.http import Message, ask

# One version of the engine's API, whatever the client speaks: older ones have weaker defaults. Engine 25 has this one.
API = "/v1.44"
# Containers at work at once; docker/dagster.yaml allows 4 runs.
MOST_AT_WORK = 16
# Containers that are kept at all.
MOST_KEPT = 1000
AT_WORK = {"created", "running", "paused", "restarting"}
# The launcher starts a container in the moment after it was made. One that wasn't started by then never will be.
TO_BE_STARTED = timedelta(minutes=10)


class Engine:
    """Runs' containers on a Docker engine.

    Attributes:
        socket: Where the engine listens.
        kept_for: How long a container that ended stays, for its log.
    """

    def __init__(self, socket: str, kept_for: timedelta) -> None:
        self.socket = socket
        self.kept_for = kept_for
        self._creating = asyncio.Lock()

    async def ask(self, method: str, path: str, wanted: Any = None, *, seconds: float = 30) -> Message:
        """An answer of the engine's.

        Raises:
            OSError: There is none.
        """
        return await ask(self.socket, method, f"{API}{path}", wanted, seconds=seconds)

    async def answers(self) -> bool:
        """Whether the engine can be asked."""
        try:
            return (await self.ask("GET", "/_ping", seconds=5)).status == 200
        except OSError:
            return False

    async def create(self, wanted: Mapping[str, Any]) -> Message | None:
        """A new container; none, if as many are at work as may be."""
        async with self._creating:
            if not await self._room():
                await self.remove_ended(datetime.now(UTC), most=MOST_KEPT - 1)
                if not await self._room():
                    return None
            return await self.ask("POST", "/containers/create", wanted)

    async def _room(self) -> bool:
        kept = await self.kept()
        return len(kept) < MOST_KEPT and sum(c["State"] in AT_WORK for c in kept) < MOST_AT_WORK

    async def find(self, container: str) -> Message | None:
        """What the engine says of a run's container; nothing of any other."""
        found = await self.ask("GET", f"/containers/{container}/json")
        if found.status != 200:
            return None
        described = json.loads(found.body)
        labels = described["Config"]["Labels"] or {}
        # Asked for by its number: not by a name that looks like one, nor by the beginning of one.
        return found if described["Id"] == container and labels.get(LABEL) == "true" else None

    async def kept(self) -> list[dict[str, Any]]:
        """All containers of runs, the newest first."""
        filters = quote(json.dumps({"label": [f"{LABEL}=true"]}))
        found = await self.ask("GET", f"/containers/json?all=true&filters={filters}")
        if found.status != 200:
            raise OSError(f"the engine lists no containers: {found.status}")
        return sorted(json.loads(found.body), key=lambda c: int(c["Created"]), reverse=True)

    async def remove_ended(self, now: datetime, *, most: int = MOST_KEPT) -> list[str]:
        """Remove what ended longer ago than it is kept, the oldest of too many, and what never began; their numbers."""
        removed = []
        for place, listed in enumerate(await self.kept()):
            number = listed["Id"]
            if listed["State"] in AT_WORK - {"created"}:
                continue
            described = await self.find(number)
            if described is None:
                continue
            state = json.loads(described.body)
            if listed["State"] == "created":
                gone = _instant(state["Created"]) < now - TO_BE_STARTED
            else:
                gone = place >= most or _instant(state["State"]["FinishedAt"]) < now - self.kept_for
            if gone and (await self.ask("DELETE", f"/containers/{number}")).status == 204:
                removed.append(number)
        return removed


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text[:19]).replace(tzinfo=UTC)
