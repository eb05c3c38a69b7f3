"""Results that are there at once or come later, so that one code path serves every engine.

An engine that answers at once costs no task and no turn of the event loop.
"""

from collections.abc import Awaitable, Callable
from typing import TypeAlias, TypeVar, cast

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
    # Each commit passes here; `inspect.isawaitable` would take ten times as long.
    if hasattr(result, "__await__"):
        return _later(cast("Awaitable[_T]", result), continuation)
    return continuation(result)


async def resolve(result: AwaitableOrValue[_T]) -> _T:
    """Return a result, once it is there."""
    return await cast("Awaitable[_T]", result) if hasattr(result, "__await__") else result


async def _later(result: Awaitable[_T], continuation: Callable[[_T], AwaitableOrValue[_U]]) -> _U:
    return await resolve(continuation(await result))
