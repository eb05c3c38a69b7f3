"""Results that are there at once or come later, so that one code path serves every engine.

An engine that answers at once costs no task and no turn of the event loop.
"""

from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import TypeAlias, TypeVar

_T = TypeVar("_T")
_U = TypeVar("_U")

#: A result, or an awaitable that returns or raises it.
AwaitableOrValue: TypeAlias = Awaitable[_T] | _T


def then(
    result: AwaitableOrValue[_T], continuation: Callable[[_T], AwaitableOrValue[_U]]
) -> AwaitableOrValue[_U]:
    """Call `continuation` with a result: now if it is there, otherwise when it is.

    Returns:
        What the continuation returns, or an awaitable of it.
    """
    if isawaitable(result):
        return _later(result, continuation)
    return continuation(result)


async def resolve(result: AwaitableOrValue[_T]) -> _T:
    """Return a result, once it is there."""
    return await result if isawaitable(result) else result


async def _later(result: Awaitable[_T], continuation: Callable[[_T], AwaitableOrValue[_U]]) -> _U:
    return await resolve(continuation(await result))
