"""The libraries of statistics, imported when first used.

Their import takes 2 s, and every worker reads every file of tests.
"""

from importlib import import_module
from typing import Any


class _Lazy:
    """A module that is imported when an attribute is first read."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:  # noqa: ANN401 - whatever the module has
        if attribute.startswith("_"):  # pytest asks every name of a file what it is
            raise AttributeError(attribute)
        return getattr(import_module(self._name), attribute)


stats = _Lazy("scipy.stats")
multitest = _Lazy("statsmodels.stats.multitest")
proportion = _Lazy("statsmodels.stats.proportion")
