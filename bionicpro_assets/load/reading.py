"""Whether a statement only reads, by ClickHouse's own parser; on a connection that `databases.reader_of` opens.

The connection's rights and `readonly` refuse nearly all else. Four things they don't see, and they are refused here:

* What is done beside the query's execution: INTO OUTFILE, a second statement, hints in comments, questions to a model.
  Only what the parser made of the statement is sent on, and only if it is one statement without such a clause.
* SETTINGS of a subquery, which `readonly` doesn't keep from naming a file.
* The function `file('/path')`, which the embedded engine lets everybody call.
* Table functions that open a file before the engine asks for the right to: `sqlite`.
"""

import re
from collections.abc import Iterator

from bionicpro_assets.errors import ClickHouseError
from bionicpro_assets.load.clickhouse import ClickHouse
from bionicpro_assets.sqlfiles import sql

KINDS = ("SELECT", "WITH", "SHOW", "DESCRIBE", "EXISTS", "EXPLAIN")
# In the parser's own writing: no comment, a string in single quotes, a name that isn't a word in backticks.
_TOKEN = re.compile(r"'(?:\\.|[^'\\])*'|`(?P<quoted>(?:\\.|[^`\\])*)`|\d\w*|(?P<word>\w+)|\S", re.DOTALL)
_SETTINGS = re.compile(r"SETTINGS \S+ =")
# What the parser was asked with, in its answer.
_ASKED = re.compile(r"\s*:?\s*In scope .*formatQuerySingleLine\(.*(?= \([A-Z_]+\))", re.DOTALL)


def reading_statement(clickhouse: ClickHouse, statement: str) -> str:
    """The statement, as ClickHouse's parser writes it, if it only reads.

    Raises:
        ClickHouseError: It isn't one statement, or does something else than to read ClickHouse's tables.
    """
    if "\0" in statement:
        raise ClickHouseError("The statement has a NUL character in it, which ends it for ClickHouse: take it out.")
    try:
        _, rows = clickhouse.rows(sql("clickhouse/queries/reading_statement.sql"), {"statement": statement})
    except ClickHouseError as error:
        raise ClickHouseError(_ASKED.sub("", str(error)), retryable=error.retryable) from None
    canonical, has_no_output, refused, refused_functions = rows[0]
    kind = canonical.partition(" ")[0]
    if kind not in KINDS:
        raise ClickHouseError(f"This only reads, and takes statements that begin with {', '.join(KINDS)}; not {kind}.")
    if not has_no_output:
        raise ClickHouseError(
            "The rows are printed here and nowhere else: leave INTO OUTFILE and FORMAT out. For a file, redirect the "
            "output of bionicpro query … --format csv."
        )
    if _SETTINGS.search(_TOKEN.sub(lambda token: token[0] if token["word"] or token[0] == "=" else ".", canonical)):
        raise ClickHouseError("No setting can be changed here: leave SETTINGS out.")
    for name, is_called in functions(canonical):
        if name.lower() in (refused if is_called else refused_functions):
            column = "" if is_called else f" If it is a column, name it with its table, like t.{name}."
            raise ClickHouseError(f"This only reads ClickHouse's own tables: {name}() reaches beyond them.{column}")
    return str(canonical)


def functions(canonical: str) -> Iterator[tuple[str, bool]]:
    """What may name a function in a statement as the parser writes it, and whether it certainly is one.

    A name is one if a parenthesis follows, or after APPLY. It may be one within the parentheses of another, as in
    `arrayMap(file, …)`, but not after a dot: then it is a column of a table that is named.
    """
    tokens = [(found["word"] or _unquoted(found["quoted"]), found[0]) for found in _TOKEN.finditer(canonical)]
    texts = ["", "", *(text.upper() for _, text in tokens), ""]
    # Of every parenthesis that is open, whether it or one around it follows a name.
    inside = [False]
    for i, (name, text) in enumerate(tokens):
        two_before, before, after = texts[i], texts[i + 1], texts[i + 3]
        if text == "(":
            inside.append(inside[-1] or bool(i and tokens[i - 1][0]))
        elif text == ")":
            inside.pop()
        elif name and (after == "(" or before == "APPLY" or (two_before, before) == ("APPLY", "(")):
            yield name, True
        elif name and inside[-1] and before != ".":
            yield name, False


def _unquoted(name: str | None) -> str:
    return re.sub(r"\\(.)", r"\1", name or "", flags=re.DOTALL)
