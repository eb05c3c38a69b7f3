"""How much of a large batch is one commit."""

from hypothesis import given, strategies as st

from otpconv.ledger.chunk_size import MAX_CHUNK, MIN_CHUNK, TARGET_S, ChunkSize

COMMITS = st.tuples(st.integers(1, 3_000), st.floats(0, 5))


@given(st.lists(COMMITS), st.integers(MIN_CHUNK, 3_000), st.floats(1e-6, 5))
def test_a_chunk_has_as_many_reports_as_the_last_commit_would_have_had_in_the_time(
    before: list[tuple[int, float]], reports: int, took_s: float
) -> None:
    size = ChunkSize()
    for commit in before:
        size.learn(*commit)
        assert MIN_CHUNK <= size.reports <= MAX_CHUNK
    grown = 2 * size.reports
    size.learn(reports, took_s)
    fit = reports * TARGET_S / took_s
    assert size.reports == int(min(max(fit, MIN_CHUNK), grown, MAX_CHUNK))


@given(st.lists(st.tuples(st.integers(1, MIN_CHUNK - 1), st.floats(0, 5))))
def test_small_commits_change_nothing(commits: list[tuple[int, float]]) -> None:
    size = ChunkSize()
    for commit in commits:
        size.learn(*commit)
    assert size.reports == MAX_CHUNK
