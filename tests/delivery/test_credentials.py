"""Who is calling, given in part as arguments and in part in the environment: never half of two keys."""

import asyncio
import base64
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from faults.bad_server import BadServer
from otpconv.cli.client import Client
from otpconv.delivery.credentials import VARIABLES
from otpconv.delivery.destination import provider_of
from otpconv.errors import Misconfigured
from otpconv.reporter import MEMORY, AsyncReporter, Credentials, Reporter

URL = "http://127.0.0.1:9"
NAMES = ("access_key_id", "access_key_secret", "security_token")
KEYS = [("LTAIone", "secret-one", "token-one"), ("LTAItwo", "secret-two", "token-two")]


@st.composite
def sources(draw: st.DrawFn) -> tuple[int, list[str | None]]:
    """Which key a source knows, and the parts of it that it says; what it does not is None or empty."""
    key = draw(st.integers(0, 1))
    return key, [draw(st.sampled_from([part, part, "", None])) for part in KEYS[key]]


def found(arguments: list[str | None], variables: list[str | None]) -> Credentials | None:
    """What a signed call is made with; None when the settings are refused."""
    with pytest.MonkeyPatch.context() as patch:
        setting(patch, dict(zip(VARIABLES, variables, strict=True)))
        try:
            return provider_of(URL, "alibaba", None, *arguments)()
        except ValueError as error:
            text = str(error)
            assert not any(secret in text for _, *secrets in KEYS for secret in secrets)
            return None


def setting(patch: pytest.MonkeyPatch, variables: Mapping[str, str | None]) -> None:
    for name in VARIABLES:
        patch.delenv(name, raising=False)
    for name, value in variables.items():
        if value is not None:
            patch.setenv(name, value)


@given(sources(), sources())
def test_of_every_mixture_comes_one_whole_key_or_an_error(
    argument: tuple[int, list[str | None]], variable: tuple[int, list[str | None]]
) -> None:
    (mine, arguments), (theirs, variables) = argument, variable
    key = found(arguments, variables)
    # Where both say the same part, it shows whether they are about one key.
    both = any(a and b for a, b in zip(arguments, variables, strict=True))
    if key is not None:
        parts = [getattr(key, name) for name in NAMES]
        assert all(parts[:2])
        # Nothing that was given is replaced.
        assert all(part == whole for part, whole in zip(arguments, parts, strict=True) if part)
    if mine == theirs or not both:
        # The key is made of what both say.
        merged = [a or b or "" for a, b in zip(arguments, variables, strict=True)]
        assert (key is not None) == bool(merged[0] and merged[1])
        assert key is None or [getattr(key, name) for name in NAMES] == merged
    else:
        # Beside another key a whole pair of arguments stands alone, and half a pair is refused.
        alone = Credentials(*(part or "" for part in arguments))
        assert key == (alone if arguments[0] and arguments[1] else None)


@pytest.mark.parametrize("kind", [Reporter, AsyncReporter])
@pytest.mark.parametrize(
    ("arguments", "variables", "text"),
    [
        ({"access_key_id": "LTAIone"}, {}, "access_key_id= without its other half"),
        ({"access_key_secret": "s"}, {}, "access_key_secret= without its other half"),
        ({}, {"OTPCONV_ACCESS_KEY_ID": "LTAIone"}, "OTPCONV_ACCESS_KEY_ID without its other half"),
        (
            {"access_key_id": "LTAIone"},
            {"OTPCONV_ACCESS_KEY_ID": "LTAItwo", "OTPCONV_ACCESS_KEY_SECRET": "s"},
            "only access_key_id= is given, and the environment holds another key",
        ),
        (
            {"access_key_id": "LTAIone", "access_key_secret": "secret\n"},
            {},
            "access_key_secret= begins or ends with blank space",
        ),
        (
            {"access_key_id": "LTAIone", "credentials": lambda: Credentials("a", "b")},
            {},
            "takes the place of",
        ),
        ({"region": "ap-southeast-1"}, {}, "endpoint= and region="),
        ({"endpoint": "http://id:pass-word@host"}, {}, "the endpoint holds a user"),
        ({"endpoint": "htp://id:pass-word@host"}, {}, "no endpoint: it is not"),
        ({"endpoint": "http://host:0"}, {}, "port 0"),
    ],
)
def test_settings_given_half_or_twice_are_refused_in_words_without_the_secret(
    kind: type[Reporter | AsyncReporter],
    arguments: dict[str, object],
    variables: dict[str, str],
    text: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    setting(monkeypatch, variables)
    with pytest.raises(ValueError, match=text) as refused:
        kind(**{"endpoint": URL, "spool": MEMORY} | arguments)  # type: ignore[arg-type]
    assert "pass-word" not in str(refused.value)


@pytest.mark.parametrize("name", NAMES)
def test_a_part_that_is_no_text_is_a_type_error(name: str) -> None:
    with pytest.raises(TypeError, match=name):
        Reporter(URL, **{name: 7}, spool=MEMORY)  # type: ignore[arg-type]


@pytest.fixture
def server() -> Iterator[BadServer]:
    with BadServer() as running:
        yield running


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_server_hears_the_merged_key(
    server: BadServer,
    asynchronous: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    setting(monkeypatch, {"OTPCONV_ACCESS_KEY_ID": "", "OTPCONV_ACCESS_KEY_SECRET": "secret-one"})

    async def report() -> None:
        async with AsyncReporter(server.url, access_key_id="LTAIone", spool=MEMORY) as reporter:
            await reporter.report("m")

    if asynchronous:
        asyncio.run(report())
    else:
        with Reporter(server.url, access_key_id="LTAIone", spool=MEMORY) as reporter:
            reporter.report("m")
    logins = {value for each in server.heard for name, value in each.headers if name == "authorization"}
    assert logins == {f"Basic {base64.b64encode(b'LTAIone:secret-one').decode()}"}


def test_a_brokers_url_says_who_is_calling_whatever_half_key_is_around(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    setting(monkeypatch, {"OTPCONV_ACCESS_KEY_ID": "LTAIone"})
    assert provider_of("nats://user:word@host", "native", None, None, None, None)() == Credentials("", "")


FILE = "LTAIfile:secret-file"


@given(
    sources(),
    sources(),
    st.sampled_from([None, "option", "variable", "folder"]),
)
def test_the_command_line_takes_one_whole_key_or_says_what_is_wrong(
    tmp_path_factory: pytest.TempPathFactory,
    argument: tuple[int, list[str | None]],
    variable: tuple[int, list[str | None]],
    file: str | None,
) -> None:
    arguments, variables = argument[1][:2], variable[1]
    with pytest.MonkeyPatch.context() as patch:
        setting(patch, dict(zip(VARIABLES, variables, strict=True)))
        patch.delenv("OTPCONV_KEY_FILE", raising=False)
        folder = tmp_path_factory.getbasetemp() / "key-files" / str(file)
        (folder / "otpconv-data").mkdir(parents=True, exist_ok=True)
        patch.chdir(folder)
        (folder / "key").write_text(FILE + "\n")
        if file == "folder":
            (folder / "otpconv-data/first-key").write_text(FILE)
        elif file == "variable":
            patch.setenv("OTPCONV_KEY_FILE", "key")
        pair = None
        with suppress(Misconfigured):
            client = Client(URL, *arguments, Path("key") if file == "option" else None)
            pair = (client.access_key_id, client.access_key_secret)
    if file == "option":
        # --key-file overrides the environment, and can't be combined with options.
        assert pair == (None if any(arguments) else tuple(FILE.split(":")))
        return
    key = found([*arguments, None], variables)
    if key is None and file and not any([*arguments, *variables[:2]]):
        assert pair == tuple(FILE.split(":"))
    else:
        assert pair == (None if key is None else (key.access_key_id, key.access_key_secret))


@pytest.mark.parametrize(
    ("arguments", "variables", "text"),
    [
        (("LTAIone", None), {}, "there is --access-key-id without its other half"),
        ((None, "s"), {}, "there is --access-key-secret without its other half"),
        ((None, None), {"OTPCONV_ACCESS_KEY_ID": "a"}, "there is OTPCONV_ACCESS_KEY_ID without"),
        (
            ("LTAIone", None),
            {"OTPCONV_ACCESS_KEY_ID": "LTAItwo", "OTPCONV_ACCESS_KEY_SECRET": "s"},
            "only --access-key-id is given, and the environment holds another key",
        ),
    ],
)
def test_the_command_line_names_the_half_that_is_missing(
    arguments: tuple[str | None, str | None],
    variables: dict[str, str],
    text: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    setting(monkeypatch, variables)
    with pytest.raises(Misconfigured, match=text):
        Client(URL, *arguments)
