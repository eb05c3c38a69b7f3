"""Which servers run on a storage, and keeping other deletions out of it."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

from otpconv import folder
from otpconv.config import Settings
from otpconv.errors import Misconfigured
from otpconv.service import data_folder
from otpconv.service.engines import engine_of, storage_of
from otpconv.storage.nodes import Node, Nodes

#: In the data folder of the embedded engine: locked by a running deletion or verification.
_LOCK = "deleting"


def nodes_of(settings: Settings) -> list[Node] | None:
    """Return the nodes of a storage; None if one process holds all of it.

    Raises:
        Misconfigured: the storage can't be used.
        Unavailable: the storage fails.
    """
    nodes = engine_of(settings).nodes()
    if nodes is None:
        return None
    with closing(nodes):
        return nodes.list()


def is_served(settings: Settings) -> bool:
    """Return whether a server runs on a storage.

    Raises:
        Misconfigured: the storage can't be used.
        Unavailable: the storage fails.
    """
    nodes = nodes_of(settings)
    return data_folder.is_held(settings.data) if nodes is None else any(node.running for node in nodes)


@contextmanager
def stopped(settings: Settings) -> Iterator[None]:
    """Check that no server runs on a storage, and keep servers and deletions out until the context ends.

    Raises:
        Misconfigured: a server or a deletion runs on it.
        Unavailable: the storage fails.
    """
    nodes = engine_of(settings).nodes()
    with ExitStack() as held:
        if nodes is None:
            if data_folder.is_held(settings.data):
                raise Misconfigured(
                    f"a server runs on {settings.data} and writes its ledger: stop it, then run the command"
                    " again"
                )
            held.enter_context(data_folder.hold(settings.data))
        else:
            held.enter_context(closing(nodes))
            _require_stopped(nodes)
            held.enter_context(nodes.closed())
            _require_stopped(nodes)  # one may have started meanwhile
        try:
            held.enter_context(alone(settings))
        except BlockingIOError:
            raise Misconfigured(
                f"a deletion or a verification runs on {storage_of(settings)}: wait until it has finished"
            ) from None
        yield


def _require_stopped(nodes: Nodes) -> None:
    if running := [node.name for node in nodes.list() if node.running]:
        raise Misconfigured(
            f"servers run on PostgreSQL and write its ledger ({', '.join(running)}): stop them, then run the"
            " command again"
        )


@contextmanager
def alone(settings: Settings) -> Iterator[None]:
    """Keep other deletions out, since two would write the same rows of the journal; verifications, too.

    Raises:
        BlockingIOError: another deletion or a verification runs.
        Misconfigured: the storage can't be used.
        Unavailable: the storage fails.
    """
    nodes = engine_of(settings).nodes()
    if nodes is not None:
        with closing(nodes), nodes.alone():
            yield
        return
    data = settings.data
    try:
        held = folder.lock_file(data / _LOCK)
    except BlockingIOError:
        raise
    except OSError as error:
        raise Misconfigured(
            f"the data folder {data} can't be written ({error.strerror}): check its permissions and its disk"
        ) from None
    with held:
        yield
