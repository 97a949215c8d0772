"""What was measured in some hours, as sums that can be added up; the averages come last."""

from collections.abc import Iterable
from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Measures:
    """Sums over rows of the mart, whatever the rows: a day, an hour of the day, a prosthesis, a fleet.

    Averages of averages are wrong where weights differ. So what travels are sums and weights, and `together` of any
    parts has the averages of the whole.

    Attributes:
        hours: Hours with telemetry, of every prosthesis by itself.
        movements: Movements.
        successful: Of those, the ones that succeeded.
        response_sum: Response times in ms, each hour's mean times its movements.
        timed: Movements of the hours that measured a response time.
        min_battery: Lowest battery level, percent; None if it was never measured.
        battery_sum: The hours' mean battery levels, percent.
        battery_hours: Hours that measured it.
        max_temp: Highest actuator temperature, degrees Celsius; None if it was never measured.
        errors: Seconds with an error code.
        warnings: Seconds with a warning flag.
        connection_sum: The hours' mean connection qualities, percent.
        connection_hours: Hours that measured it.
    """

    hours: int = 0
    movements: int = 0
    successful: int = 0
    response_sum: float = 0.0
    timed: int = 0
    min_battery: float | None = None
    battery_sum: float = 0.0
    battery_hours: int = 0
    max_temp: float | None = None
    errors: int = 0
    warnings: int = 0
    connection_sum: float = 0.0
    connection_hours: int = 0

    @property
    def success_rate(self) -> float | None:
        """Successful movements of all movements, percent; None without movements."""
        return _ratio(100.0 * self.successful, self.movements)

    @property
    def response_time(self) -> float | None:
        """Mean time from signal to movement, ms, weighted by movements; None without a measurement."""
        return _ratio(self.response_sum, self.timed)

    @property
    def battery(self) -> float | None:
        """Mean battery level, percent: every hour with a measurement counts the same; None without one."""
        return _ratio(self.battery_sum, self.battery_hours)

    @property
    def connection(self) -> float | None:
        """Mean connection quality, percent: every hour with a measurement counts the same; None without one."""
        return _ratio(self.connection_sum, self.connection_hours)

    @property
    def errors_per_1000(self) -> float | None:
        """Seconds with an error code for every 1,000 movements; None without movements."""
        return _ratio(1000.0 * self.errors, self.movements)


NAMES = tuple(field.name for field in fields(Measures))


def together(parts: Iterable[Measures]) -> Measures:
    """The measures of all parts as one."""
    listed = list(parts)
    values: dict[str, float | None] = {}
    for name in NAMES:
        there = [value for part in listed if (value := getattr(part, name)) is not None]
        match name:
            case "min_battery":
                values[name] = min(there, default=None)
            case "max_temp":
                values[name] = max(there, default=None)
            case _:
                values[name] = sum(there)
    return Measures(**values)  # type: ignore[arg-type]


def _ratio(total: float, weight: float) -> float | None:
    return total / weight if weight else None
