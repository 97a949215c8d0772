"""The languages of the pages: texts, numbers and days as their readers write them."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

WORDS = Path(__file__).with_name("words")
LANGUAGES = ("en", "ru")


@dataclass(frozen=True, slots=True)
class Language:
    """One language: `code` is its BCP 47 tag, `words` its texts."""

    code: str
    words: Mapping[str, Any]

    def __call__(self, path: str, **values: object) -> str:
        """The text at a dotted path, with its values in it."""
        return str(self._at(path)).format(**values)

    def reason(self, reason: str) -> str:
        """Why rows are set aside; what this language has no words for stays in those of the quarantine."""
        known, reasons = self._at("quality.reason"), reason.split("; ")
        said = [str(known[one]) for one in reasons if one in known]
        if values := [self._value(one) for one in reasons if one not in known]:
            said.append(self("quality.impossible", reasons="; ".join(values)))
        return "; ".join(said)

    def category(self, name: str) -> str:
        """A kind of prosthesis."""
        return str(self._at("category").get(name, name))

    def number(self, value: float | None, digits: int = 0) -> str:
        """A number with its thousands set apart."""
        if value is None:
            return self("format.none")
        text = f"{value:,.{digits}f}"
        separators = {",": str(self._at("format.thousands")), ".": str(self._at("format.decimal"))}
        return "".join(separators.get(character, character) for character in text)

    def measure(self, kind: str, value: float | None, digits: int = 0) -> str:
        """A number with its unit: `percent`, `ms` or `degrees`."""
        return self("format.no_value") if value is None else self(f"format.{kind}", number=self.number(value, digits))

    def count(self, what: str, number: int) -> str:
        """So many of something: the form that the number takes."""
        forms = self._at(f"count.{what}")
        return str(forms[_form(self.code, number, len(forms))]).format(number=self.number(number))

    def day(self, day: date) -> str:
        """A day with its year."""
        return self("format.day", day=day.day, month=self._at("format.months")[day.month - 1], year=day.year)

    def short_day(self, day: date) -> str:
        """A day without its year."""
        return self("format.short_day", day=day.day, month=self._at("format.months")[day.month - 1])

    def _value(self, broken: str) -> str:
        """A rule of `transform.validate` that is broken: a sentence of its own, or a column and what is wrong of it."""
        rules, columns = self._at("quality.value"), self._at("quality.column")
        column, _, rule = broken.partition(" ")
        if broken in rules:
            return str(rules[broken])
        return str(rules[rule]).format(column=columns[column]) if rule in rules and column in columns else broken

    def _at(self, path: str) -> Any:
        found: Any = self.words
        for part in path.split("."):
            found = found[part]
        return found


@cache
def language(code: str) -> Language:
    """The language with this code, one of `LANGUAGES`."""
    return Language(code, tomllib.loads((WORDS / f"{code}.toml").read_text(encoding="utf-8")))


def _form(code: str, number: int, forms: int) -> int:
    if code != "ru":
        return min(int(number != 1), forms - 1)
    if number % 10 == 1 and number % 100 != 11:
        return 0
    return 1 if number % 10 in (2, 3, 4) and number % 100 not in (12, 13, 14) else 2
