"""The only way to the Docker engine: starts, shows and stops the containers of runs, and does nothing else.

Whoever reaches Docker's socket is root on the machine. So what a new container is, is written here (container.py) and
not by whoever asks for it. The gate begins as root, takes the group that the socket is of, and goes on as the user of
everything else here, without a capability.
"""

import asyncio
import os
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bionicpro_assets.gate.container import USER, Place
from bionicpro_assets.gate.engine import Engine
from bionicpro_assets.gate.server import Gate

SWEEP_SECONDS = 600


def become_nobody_special(socket: str) -> None:
    """Go on as a user without rights, in the socket's group.

    Raises:
        OSError: There is no socket.
    """
    group = Path(socket).stat().st_gid
    if os.geteuid() == 0:
        user, own = map(int, USER.split(":"))
        os.setgroups([group])
        os.setgid(own)
        os.setuid(user)


async def sweep(engine: Engine) -> None:
    """Remove what has ended, now and then."""
    while True:
        try:
            if removed := await engine.remove_ended(datetime.now(UTC)):
                print(f"removed {len(removed)} containers of ended runs", flush=True)  # noqa: T201
        except (OSError, ValueError, KeyError) as error:
            print(f"ended runs weren't removed: {error!r}", file=sys.stderr, flush=True)  # noqa: T201
        await asyncio.sleep(SWEEP_SECONDS)


async def run(socket: str, port: int, kept_for: timedelta, place: Place) -> None:
    """Serve until it is told to stop."""
    engine = Engine(socket, kept_for)
    # All addresses of a network that only the daemon and the operators' web server are in.
    server = await Gate(engine, place).serve("0.0.0.0", port)  # noqa: S104
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    async with server:
        sweeping = asyncio.create_task(sweep(engine))
        await stopped.wait()
        sweeping.cancel()


def main() -> None:
    """The gate, as docker-compose.yml starts it."""
    socket = os.environ.get("GATE_DOCKER_SOCKET", "/var/run/docker.sock")
    try:
        become_nobody_special(socket)
        place = Place.from_environment()
    except OSError as error:
        sys.exit(f"The gate has no way to Docker's engine: {error}. Is {socket} mounted?")
    except KeyError as error:
        sys.exit(f"{error.args[0]} isn't set: docker-compose.yml tells the gate what runs are given.")
    kept_for = timedelta(hours=float(os.environ.get("GATE_KEEP_HOURS", "24")))
    asyncio.run(run(socket, int(os.environ.get("GATE_PORT", "2375")), kept_for, place))


if __name__ == "__main__":
    main()
