"""Request bodies in memory: how much, of whom, and for how long."""

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import given, settings, strategies as st
from starlette.types import Message, Scope

from campaigns import rounds
from otpconv.errors import BodyTooLarge, BodyTooSlow, OtpconvError, Throttled
from otpconv.web.front import body as limits
from otpconv.web.front.body import Bodies
from otpconv.web.front.peer import Peers


def scope(address: str, announced: int | None = None) -> Scope:
    headers = [] if announced is None else [(b"content-length", b"%d" % announced)]
    return {"type": "http", "headers": headers, "client": (address, 1)}


class Upload:
    """A body that comes in parts when it is let."""

    def __init__(self, parts: list[bytes]) -> None:
        self._parts: Iterator[bytes] = iter(parts)
        self.go_on = asyncio.Event()

    async def receive(self) -> Message:
        part = next(self._parts, None)
        if part is None:
            await self.go_on.wait()
            return {"type": "http.request", "body": b"", "more_body": False}
        return {"type": "http.request", "body": part, "more_body": True}


async def read(bodies: Bodies, upload: Upload, address: str, key: str = "") -> int | type[OtpconvError]:
    try:
        async with bodies.read(scope(address), upload.receive, key) as body:
            return len(body)
    except OtpconvError as error:
        return type(error)


@settings(max_examples=rounds(30))
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["10.0.0.1", "10.0.0.2", "10.0.0.3"]),
            st.sampled_from(["", "key-1", "key-2"]),
            st.integers(0, 200),
        ),
        min_size=1,
        max_size=60,
    )
)
def test_no_sender_holds_more_than_its_share_and_all_is_given_back(
    uploads: list[tuple[str, str, int]],
) -> None:
    async def main() -> None:
        bodies = Bodies(Peers())
        begun: list[tuple[Upload, asyncio.Task[int | type[OtpconvError]]]] = []
        for address, key, size_kib in uploads:
            upload = Upload([bytes(1024 * size_kib)])
            begun.append((upload, asyncio.create_task(read(bodies, upload, address, key))))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            unknown, known = bodies._unknown, bodies._known  # noqa: SLF001
            assert max(unknown._held_of.values(), default=0) <= limits.MAX_ADDRESS_BYTES  # noqa: SLF001
            assert max(known._held_of.values(), default=0) <= limits.MAX_KEY_BYTES  # noqa: SLF001
            assert unknown._held == sum(unknown._held_of.values()) <= limits.MAX_UNKNOWN_TOTAL_BYTES  # noqa: SLF001
        for upload, _ in begun:
            upload.go_on.set()
        for (address, key, size_kib), (_, task) in zip(uploads, begun, strict=True):
            found = await task
            if not key and 1024 * size_kib > limits.MAX_UNKNOWN_BYTES:
                assert found is BodyTooLarge
            else:
                assert found == 1024 * size_kib or found is Throttled, (address, key)
        assert bodies._unknown._held_of == bodies._known._held_of == {}  # noqa: SLF001

    asyncio.run(main())


def test_a_body_is_cut_when_it_comes_slower_than_the_least_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "GRACE_S", 0.1)
    monkeypatch.setattr(limits, "MIN_BYTES_A_SECOND", 10_000)

    async def sent(rate: int) -> int | type[OtpconvError]:
        count = 0

        async def receive() -> Message:
            nonlocal count
            await asyncio.sleep(0.05)
            count += 1
            return {"type": "http.request", "body": bytes(rate // 20), "more_body": count < 20}

        try:
            async with Bodies(Peers()).read(scope("10.0.0.1"), receive) as body:
                return len(body)
        except OtpconvError as error:
            return type(error)

    async def main() -> None:
        slow, fast = await asyncio.gather(sent(2_000), sent(40_000))
        assert slow is BodyTooSlow
        assert fast == 40_000

    asyncio.run(main())
