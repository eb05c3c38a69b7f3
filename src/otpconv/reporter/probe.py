"""Asks the kernel whether a copy into mapped memory is safe.

If somebody cuts a mapped file off, a copy behind its new end kills the process by SIGBUS, which Python can't
catch. The kernel can be asked to prepare the pages for a copy, which fails without a signal.
"""

import mmap
import sys
from collections.abc import Callable

#: MADV_POPULATE_WRITE of Linux since 5.14; Python has no name for it.
POPULATE_WRITE = 23
PAGE = mmap.PAGESIZE

Probe = Callable[[int, int, int], None]


def probe_of(pages: mmap.mmap) -> Probe:
    """Return what asks: call it with `POPULATE_WRITE`, a place that is a multiple of `PAGE`, and a length.

    It raises OSError if a copy there would be deadly. A kernel that can't be asked never lets it raise.
    """
    if sys.platform != "linux":  # the same number means something else
        return _never
    try:
        pages.madvise(POPULATE_WRITE, 0, PAGE)
    except OSError:
        return _never
    return pages.madvise


def _never(option: int, start: int, length: int) -> None:
    """Where the kernel can't be asked."""
