"""What is kept from one look to the next, as JSON in the sensor's cursor."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import cache

from pydantic import TypeAdapter, ValidationError

from bionicpro_assets.alerts.delivery import Queued, Trouble
from bionicpro_assets.alerts.ledger import Told
from bionicpro_assets.alerts.runs import Open

VERSION = 1


@dataclass(frozen=True, slots=True)
class State:
    """Where the last look ended.

    Attributes:
        seen_until: Runs that ended before this have been looked at.
        seen: Runs that ended a little later, and have been looked at too: their number and when they ended.
        open: What runs began and none has ended.
        told: What people know of.
        queue: Messages on their way.
        troubles: Channels that take nothing at present.
        version: Of this very shape.
    """

    seen_until: datetime
    seen: dict[str, datetime] = field(default_factory=dict)
    open: list[Open] = field(default_factory=list)
    told: dict[str, Told] = field(default_factory=dict)
    queue: list[Queued] = field(default_factory=list)
    troubles: dict[str, Trouble] = field(default_factory=dict)
    version: int = VERSION

    def as_json(self) -> str:
        """For the cursor."""
        return _adapter().dump_json(self).decode()

    @classmethod
    def of_json(cls, text: str | None) -> "State | None":
        """The state that was kept; None if there is none, or none of this version."""
        try:
            state = _adapter().validate_json(text or "")
        except ValidationError:
            return None
        return state if state.version == VERSION else None


@cache
def _adapter() -> TypeAdapter[State]:
    return TypeAdapter(State)
