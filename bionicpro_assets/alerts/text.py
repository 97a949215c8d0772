"""The words of the messages."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from urllib.parse import unquote, urlsplit

from bionicpro_assets.alerts.problem import Problem

PREFIX = "[BionicPRO]"
TITLES_SHOWN = 50
SENTENCE_LENGTH = 600
SUBJECT_LENGTH = 200

_EMAIL = re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+")
_USER_INFO = re.compile(r"(?<=://)[^/\s@]*:[^/\s]*@")


def instant(at: datetime) -> str:
    """An instant in words."""
    return f"{at:%Y-%m-%d %H:%M} UTC"


def duration(length: timedelta) -> str:
    """A length of time in words, by the two largest units: `2 h 15 min`."""
    minutes = max(0, round(length.total_seconds() / 60))
    days, rest = divmod(minutes, 24 * 60)
    hours, minutes = divmod(rest, 60)
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min" if minutes else "less than a minute"


def counted(number: int, noun: str) -> str:
    """`1 run`, `9 runs`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def subject(text: str) -> str:
    """A subject: one line, of a length that mail programs show."""
    line = " ".join(f"{PREFIX} {text}".split())
    return line if len(line) <= SUBJECT_LENGTH else f"{line[: SUBJECT_LENGTH - 1]}…"


def opened_body(problems: Sequence[Problem]) -> str:
    """The body of the message about the beginning of problems that have one cause."""
    return "\n\n".join(_paragraph(p) for p in problems) + "\n\nThe next message about this comes when it is over.\n"


def _paragraph(problem: Problem) -> str:
    lines = [problem.title, *problem.what, f"Since {instant(problem.since)}."]
    if problem.todo:
        lines.append(f"What to do: {problem.todo}")
    if problem.link:
        lines.append(problem.link)
    return "\n".join(lines)


def listed(titles: Iterable[str]) -> str:
    """Titles, a line each; many are cut short, with their number."""
    titles = list(titles)
    lines = [f"- {title}" for title in titles[:TITLES_SHOWN]]
    if len(titles) > TITLES_SHOWN:
        lines.append(f"- and {len(titles) - TITLES_SHOWN} more")
    return "\n".join(lines)


def secrets_of(urls: Iterable[str]) -> frozenset[str]:
    """What must not be shown of URLs: the URLs themselves and their passwords, as written and as meant."""
    found = set()
    for url in urls:
        try:
            password = urlsplit(url).password or ""
        except ValueError:
            password = ""
        found |= {url, password, unquote(password)}
    # A password of one or two letters would blot out half of each sentence, and hides nothing.
    return frozenset(s for s in found if len(s) > 2)


def redacted(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` without the secrets, without user and password in URLs, without e-mail addresses; not too long."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "…")
    text = _EMAIL.sub("…@…", _USER_INFO.sub("…@", text)).strip()
    return text if len(text) <= SENTENCE_LENGTH else f"{text[: SENTENCE_LENGTH - 1]}…"
