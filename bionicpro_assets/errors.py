"""The platform's one family of errors: each says what went wrong, where, and what to do."""


class PlatformError(Exception):
    """Something a person has to know, in one or a few sentences, without a traceback.

    Attributes:
        retryable: Whether the same attempt may succeed later without anybody changing anything.
    """

    retryable = False

    def __init__(self, message: str, *, retryable: bool | None = None) -> None:
        super().__init__(message)
        if retryable is not None:
            self.retryable = retryable


class AnswerError(PlatformError):
    """What was asked for was done, and the answer is no: rows differ, a problem was found, a run failed."""


class SettingsError(PlatformError):
    """The settings are wrong. `problems` lists all that is, each by the setting's name."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__("\n".join([f"The settings have {count}:", *(f"  - {p}" for p in problems)]))


class SourceError(PlatformError):
    """A source database can't be read, or is not what the contract says."""


class NotGrantedError(SourceError):
    """A source database doesn't let its user read something."""


class ContractError(SourceError):
    """A source database's view is not what the data contract says."""


class ClickHouseError(PlatformError):
    """ClickHouse can't be reached, refuses, or lacks what `bionicpro init clickhouse` makes."""


class DataError(PlatformError):
    """Rows that must not reach the mart: they don't fit its types, or they would double or lose an hour."""


class PublicationError(PlatformError):
    """What ClickHouse stored is not what was sent. Nothing was made visible."""

    retryable = True
