"""BionicPRO prosthesis reports: two PostgreSQL databases in, one ClickHouse mart out."""

__version__ = "0.1.0"
