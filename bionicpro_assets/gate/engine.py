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


class Engine:
    """Runs' containers on a Docker engine.

    Attributes:
        socket: Where the engine listens.
    """

    def __init__(self, socket: str) -> None:
        self.socket = socket
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
            kept = await self.kept()
            if sum(c["State"] in AT_WORK for c in kept) >= MOST_AT_WORK:
                return None
            if len(kept) >= MOST_KEPT:
                await self.remove_ended(datetime.now(UTC), timedelta(hours=24), most=MOST_KEPT - 1)
            return await self.ask("POST", "/containers/create", wanted)

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

    async def remove_ended(self, now: datetime, kept_for: timedelta, *, most: int = MOST_KEPT) -> list[str]:
        """Remove containers that ended longer ago than they are kept, and the oldest of too many; their numbers."""
        removed = []
        for place, listed in enumerate(await self.kept()):
            number = listed["Id"]
            if listed["State"] in AT_WORK - {"created"}:
                continue
            described = await self.find(number)
            if described is None:
                continue
            state = json.loads(described.body)
            ended = max(_instant(state["State"]["FinishedAt"]), _instant(state["Created"]))
            old = ended < now - kept_for or (place >= most and listed["State"] != "created")
            if old and (await self.ask("DELETE", f"/containers/{number}")).status == 204:
                removed.append(number)
        return removed


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text[:19]).replace(tzinfo=UTC)
