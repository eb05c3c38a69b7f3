"""SmsConversion as a good engineer writes it by hand: FastAPI, SQLAlchemy and one transaction per call.

It does what a call of otpconv does: it verifies the signature and its time, refuses a used nonce, checks the
policy, merges the conversion into its message by the merge rules, counts the difference in the rollups by
minute, hour and day, and answers after the commit. It leaves out what would cost it more: keys, policies and
nonces are in memory, and there are no sessions, delays or numbers.

Usage: python -m benchmarks.comparison.endpoint URL PORT, with the key in OTPCONV_COMPARISON_KEY
"""

import hashlib
import hmac
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final
from urllib.parse import quote
from uuid import uuid4

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from sqlalchemy import (
    BigInteger,
    Column,
    Integer,
    MetaData,
    Table,
    Text,
    bindparam,
    event,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from otpconv.clock import wall_clock
from otpconv.config import environment

GRAINS: Final = (60_000, 3_600_000, 86_400_000)
DIMENSIONS: Final = ("country", "carrier", "provider", "template", "sender", "channel")
KEY: Final = "OTPCONV_COMPARISON_KEY"
_WINDOW_S: Final = 900
#: Enough for one process: more connections wait for each other in the database (measured: 10, 20, 40).
_CONNECTIONS: Final = 20

tables = MetaData()
messages = Table(
    "comparison_messages",
    tables,
    Column("account", Integer, primary_key=True),
    Column("message_id", Text, primary_key=True),
    Column("requested_at", BigInteger),
    *(Column(name, Text, nullable=False, server_default="") for name in DIMENSIONS),
    Column("true_first", BigInteger),
    Column("true_last", BigInteger),
    Column("false_last", BigInteger),
)
rollups = Table(
    "comparison_rollups",
    tables,
    Column("grain", Integer, primary_key=True),
    Column("account", Integer, primary_key=True),
    Column("start", BigInteger, primary_key=True),
    *(Column(name, Text, primary_key=True) for name in DIMENSIONS),
    Column("requested", Integer, nullable=False),
    Column("verified", Integer, nullable=False),
    Column("reported", Integer, nullable=False),
)


def engine_of(url: str) -> AsyncEngine:
    """Return an engine with the settings that suit the database."""
    if url.startswith("postgresql"):
        return create_async_engine(url, pool_size=_CONNECTIONS, max_overflow=0)
    # SQLite has one writer at a time. As in otpconv, a commit is on the disk when the answer leaves.
    engine = create_async_engine(url, pool_size=1, max_overflow=0)

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _: object) -> None:  # noqa: ANN401 - SQLAlchemy's form
        for setting in ("journal_mode = WAL", "synchronous = FULL", "cache_size = -65536"):
            connection.execute(f"PRAGMA {setting}")

    return engine


class Endpoint:
    """The endpoint's state, and what it does with a call.

    Args:
        engine: the database.
        access_key_id: the only key.
        secret: its secret.
    """

    def __init__(self, engine: AsyncEngine, access_key_id: str, secret: str) -> None:
        self._engine = engine
        self._secrets = {access_key_id: secret.encode()}
        self._allowed = {access_key_id: {"dysms:SmsConversion"}}
        self._nonces: dict[str, float] = {}
        dialect = postgresql if engine.dialect.name == "postgresql" else sqlite
        count = dialect.insert(rollups).values({column.name: bindparam(column.name) for column in rollups.c})
        self._count = count.on_conflict_do_update(
            index_elements=["grain", "account", "start", *DIMENSIONS],
            set_={
                "verified": rollups.c.verified + count.excluded.verified,
                "reported": rollups.c.reported + count.excluded.reported,
            },
        )

    async def sms_conversion(self, request: Request) -> JSONResponse:
        """Answer one call."""
        parameters, headers = request.query_params, request.headers
        access_key_id = self._verified(request)
        if access_key_id is None:
            return _refusal(400, "SignatureDoesNotMatch")
        if "dysms:SmsConversion" not in self._allowed[access_key_id]:
            return _refusal(403, "NoPermission")
        if not self._is_new(headers["x-acs-signature-nonce"]):
            return _refusal(400, "SignatureNonceUsed")
        delivered = parameters["Delivered"].lower() == "true"
        at = int(parameters.get("ConversionTime") or wall_clock())
        try:
            await self._record(1, parameters["MessageId"], at, delivered=delivered)
        except IntegrityError:  # two calls were the first about one unknown message
            await self._record(1, parameters["MessageId"], at, delivered=delivered)
        return JSONResponse(
            {"RequestId": str(uuid4()).upper(), "ResponseCode": "OK", "ResponseDescription": "OK"}
        )

    def _verified(self, request: Request) -> str | None:
        """Return the key that signed the call, if the signature and its time are right."""
        headers = request.headers
        scheme, _, rest = headers["authorization"].partition(" ")
        fields = dict(part.split("=", 1) for part in rest.split(","))
        secret = self._secrets.get(fields["Credential"])
        signed_at = datetime.strptime(headers["x-acs-date"], "%Y-%m-%dT%H:%M:%S%z")
        if secret is None or abs((datetime.now(UTC) - signed_at).total_seconds()) > _WINDOW_S:  # noqa: TID251
            return None
        names = fields["SignedHeaders"]
        query = "&".join(
            f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}"
            for name, value in sorted(request.query_params.items())
        )
        lines = "".join(f"{name}:{headers[name].strip()}\n" for name in names.split(";"))
        canonical = f"{request.method}\n/\n{query}\n{lines}\n{names}\n{headers['x-acs-content-sha256']}"
        to_sign = f"{scheme}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        signature = hmac.new(secret, to_sign.encode(), "sha256").hexdigest()
        return fields["Credential"] if hmac.compare_digest(signature, fields["Signature"]) else None

    def _is_new(self, nonce: str) -> bool:
        now = time.monotonic()
        while self._nonces and next(iter(self._nonces.values())) < now - 2 * _WINDOW_S:
            del self._nonces[next(iter(self._nonces))]
        return nonce not in self._nonces and not self._nonces.update({nonce: now})

    async def _record(self, account: int, message_id: str, at: int, *, delivered: bool) -> None:
        """Merge a conversion into its message and the rollups, in one transaction."""
        async with self._engine.begin() as connection:
            key = {"account_": account, "message_id_": message_id}
            before = (await connection.execute(_read(), key)).mappings().one_or_none()
            if before is None:
                before = dict.fromkeys((column.name for column in messages.c), None)
                new = {"account": account, "message_id": message_id}
                await connection.execute(insert(messages), new)
            times = {name: before[name] for name in ("true_first", "true_last", "false_last")}
            if delivered:
                times["true_first"] = min(at, times["true_first"] or at)
                times["true_last"] = max(at, times["true_last"] or at)
            else:
                times["false_last"] = max(at, times["false_last"] or at)
            if all(times[name] == before[name] for name in times):
                return
            await connection.execute(_change(), key | times)
            if before["requested_at"] is not None:
                await self._add(connection, dict(before), dict(before) | times)

    async def _add(self, connection: AsyncConnection, before: dict[str, Any], after: dict[str, Any]) -> None:
        """Add what a message counts more than before."""
        verified = _is_verified(after) - _is_verified(before)
        reported = _is_reported(after) - _is_reported(before)
        if not verified and not reported:
            return
        common = {name: after[name] for name in ("account", *DIMENSIONS)}
        common |= {"requested": 0, "verified": verified, "reported": reported}
        at = after["requested_at"]
        rows = [common | {"grain": grain, "start": at // grain * grain} for grain in GRAINS]
        await connection.execute(self._count, rows)


@cache
def _read() -> Any:  # noqa: ANN401 - SQLAlchemy's statements
    here = (messages.c.account == bindparam("account_")) & (messages.c.message_id == bindparam("message_id_"))
    return select(messages).where(here).with_for_update()


@cache
def _change() -> Any:  # noqa: ANN401 - as above
    here = (messages.c.account == bindparam("account_")) & (messages.c.message_id == bindparam("message_id_"))
    return (
        update(messages)
        .where(here)
        .values({name: bindparam(name) for name in ("true_first", "true_last", "false_last")})
    )


def _is_verified(message: dict[str, Any]) -> int:
    return int((message["true_last"] or 0) > message["requested_at"])


def _is_reported(message: dict[str, Any]) -> int:
    return int(message["true_last"] is not None or message["false_last"] is not None)


def _refusal(status: int, code: str) -> JSONResponse:
    return JSONResponse({"RequestId": str(uuid4()).upper(), "Code": code, "Message": code}, status)


def app(url: str) -> FastAPI:
    """Return the application on a database."""
    engine = engine_of(url)
    endpoint = Endpoint(engine, *environment()[KEY].split(":", 1))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
        yield
        await engine.dispose()

    application = FastAPI(lifespan=lifespan, openapi_url=None)
    application.add_api_route("/", endpoint.sms_conversion, methods=["POST"], response_model=None)
    return application


if __name__ == "__main__":
    uvicorn.run(app(sys.argv[1]), port=int(sys.argv[2]), loop="uvloop", http="httptools", access_log=False)
