"""The commands that the documents give: where they stand, and what they are said to print."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from typer.main import get_command

from bionicpro_assets.cli.main import app

ROOT = Path(__file__).resolve().parents[2]
# All but these: their commands are given to Docker, and e2e/compose gives them.
OF_THE_STACK = {"docs/operating.md", "docs/operating.ru.md", "docs/security.md"}
NAMES = [
    "README.md",
    "CONTRIBUTING.md",
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")),
]
DOCUMENTS = [name for name in NAMES if name not in OF_THE_STACK]
# What a fenced block may be; another kind would be neither run nor looked at.
# Those of other programs are run by integration/test_use_from.py.
LANGUAGES = {"sh", "console", "sql", "ini", "text", "python", "yaml"}
SQL = re.compile(r"(SELECT|CREATE|RENAME|DROP|ALTER|INSERT) \S")
PROGRAMS = re.compile(r"(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?(bionicpro|make|python|pytest|docker|kubectl|helm)(?= |$)")


@dataclass(frozen=True)
class Block:
    """A fenced block: where it begins, its language, its lines."""

    document: str
    line: int
    language: str
    lines: tuple[str, ...]

    @property
    def where(self) -> str:
        return f"{self.document}:{self.line}"


@dataclass(frozen=True)
class Command:
    """A command as it stands in a document, without the folder of its program, and the output shown beneath it."""

    where: str
    text: str
    output: tuple[str, ...] = ()

    @property
    def program(self) -> str:
        found = PROGRAMS.match(self.text)
        return found[1] if found else ""

    def prints(self, output: str) -> str | None:
        """The first of the lines shown that isn't among those printed, in their order; None if all are."""
        printed = iter(" ".join(line.split()) for line in output.splitlines())
        for shown in self.output:
            pattern = re.compile(_pattern(shown))
            if not any(pattern.fullmatch(line) for line in printed):
                return shown
        return None


def blocks(document: str) -> Iterator[Block]:
    lines = (ROOT / document).read_text(encoding="utf-8").splitlines()
    opened: tuple[int, str] | None = None
    for number, line in enumerate(lines, 1):
        fence = re.match(r" *```(\w*)$", line)
        if fence and opened is None:
            opened = number, fence[1]
        elif fence and opened:
            indent = len(line) - len(line.lstrip())
            yield Block(document, opened[0], opened[1], tuple(x[indent:] for x in lines[opened[0] : number - 1]))
            opened = None
    assert opened is None, f"{document}:{opened}: a block that doesn't end"


def commands(document: str) -> list[Command]:
    """All commands of a document in their order: those of `sh` and `console` blocks, and those within a sentence."""
    fenced = [command for block in blocks(document) for command in _of_block(block)]
    return sorted([*fenced, *_inline(document)], key=lambda c: int(c.where.partition(":")[2]))


def queries(document: str) -> list[Command]:
    """All SQL statements of a document, in their order."""
    fenced = [
        Command(block.where, " ".join(statement.split()))
        for block in blocks(document)
        if block.language == "sql"
        for statement in "\n".join(block.lines).split(";")
        if statement.strip()
    ]
    said = [Command(where, text) for where, text in _code(document) if SQL.match(text)]
    return sorted([*fenced, *said], key=lambda c: int(c.where.partition(":")[2]))


def _of_block(block: Block) -> Iterator[Command]:
    found: list[tuple[str, list[str]]] = []
    if block.language == "sh":
        joined = re.sub(r" *\\\n *", " ", "\n".join(block.lines))
        found = [(line, []) for line in joined.splitlines() if line]
    elif block.language == "console":
        for line in block.lines:
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif line.strip():
                found[-1][1].append(line)
    for text, output in found:
        yield Command(block.where, _plain(text), tuple(output))


def _inline(document: str) -> Iterator[Command]:
    for where, text in _code(document):
        if PROGRAMS.match(text) and not _is_a_name(text):
            yield Command(where, _plain(text))


def _code(document: str) -> Iterator[tuple[str, str]]:
    """Code within sentences, which may go on in the next line, and the line where it begins."""
    text = (ROOT / document).read_text(encoding="utf-8")
    text = re.sub(r"^ *```.*?^ *```$", lambda m: "\n" * m[0].count("\n"), text, flags=re.DOTALL | re.MULTILINE)
    for found in re.finditer(r"`([^`]+)`", text):
        yield f"{document}:{text.count(chr(10), 0, found.start()) + 1}", " ".join(found[1].split())


def _plain(text: str) -> str:
    return re.sub(r"(^|(?<= ))\.venv/bin/", "", text).partition(" # ")[0].rstrip()


def _is_a_name(text: str) -> bool:
    """Whether a sentence only names the program, or a command that can't do without arguments: `bionicpro query`."""
    words = _plain(text).split()
    if words[0] != "bionicpro":
        return len(words) == 1
    if len(words) != 2:
        return len(words) == 1
    command = getattr(get_command(app), "commands").get(words[1])  # noqa: B009 - a group, which its type doesn't say
    # A query may also come from standard input.
    return command is not None and (words[1] == "query" or any(parameter.required for parameter in command.params))


def _pattern(shown: str) -> str:
    """What a line that is shown stands for: other numbers and times, and anything at all where there is an ellipsis."""
    parts = []
    for word in shown.split():
        escaped = re.escape(word)
        numbers = re.sub(r"\d+(?:(?:\\[.:-]|[,T])\d+)*", lambda _: r"\d[\d.,:T-]*", escaped)
        parts.append(numbers.replace("…", ".*"))
    return " ".join(parts)


def words(command: Command) -> list[str]:
    return shlex.split(command.text)
