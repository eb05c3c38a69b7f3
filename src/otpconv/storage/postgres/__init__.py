"""PostgreSQL: journal, ledger, access and annotations in one database, which several nodes can share."""

from otpconv.storage.postgres.engine import PostgresEngine

__all__ = ["PostgresEngine"]
