"""How many reports of one client's large batch are committed at a time."""

#: How long the commit of a chunk may hold the event loop, s. Single reports wait for one such commit at most.
TARGET_S = 0.008
#: Reports of a chunk, at least and at most. New messages take 0.03 ms each, conversions of messages that are
#: not in memory 0.1 ms and more.
MIN_CHUNK, MAX_CHUNK = 25, 250


class ChunkSize:
    """Learns from each commit how many reports the next one can have in `TARGET_S`.

    Attributes:
        reports: how many fit; a conversion by number alone counts as several.
    """

    def __init__(self) -> None:
        self.reports = MAX_CHUNK

    def learn(self, reports: int, took_s: float) -> None:
        """Take the time of a commit, s; a commit of few reports says little and changes nothing."""
        if reports < MIN_CHUNK:
            return
        fit = reports * TARGET_S / took_s if took_s > 0 else MAX_CHUNK
        # One fast commit does not make the next one slow.
        self.reports = int(max(MIN_CHUNK, min(fit, 2 * self.reports, MAX_CHUNK)))
