"""Settings: where they come from, and the errors for wrong ones."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings as hypothesis_settings, strategies as st

import otpconv
from campaigns import rounds
from otpconv.cli.local_server import LocalServer
from otpconv.config import OTHER_VARIABLES, Settings, load, unknown_variables
from otpconv.errors import Misconfigured

NETWORKS = ["10.0.0.0/8", "2001:db8::/32", "192.0.2.7/32"]

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a file of settings that is read in place of otpconv.toml."""

    def written(text: str) -> Path:
        file = tmp_path / "settings.toml"
        file.write_text(text, encoding="utf-8")
        monkeypatch.setenv("OTPCONV_CONFIG", str(file))
        return file

    return written


def refusal() -> str:
    with pytest.raises(Misconfigured) as refused:
        load()
    return refused.value.text


@given(st.lists(st.sampled_from(NETWORKS), max_size=3))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=rounds(20))
def test_a_toml_list_a_text_and_a_variable_give_the_same_networks(write: Write, networks: list[str]) -> None:
    write(f"trusted_proxies = {json.dumps(networks)}")
    as_list = load().trusted_networks()
    write(f"trusted_proxies = {json.dumps(','.join(networks))}")
    as_text = load().trusted_networks()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTPCONV_TRUSTED_PROXIES", ",".join(networks))
        assert load().trusted_networks() == as_text == as_list
    assert [str(network) for network in as_list] == networks


@given(st.sampled_from(sorted(Settings.model_fields)), st.data())
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=rounds(60))
def test_a_misspelled_setting_is_named_with_its_file_line_and_the_nearest(
    write: Write, name: str, data: st.DataObject
) -> None:
    at = data.draw(st.integers(1, len(name) - 1))
    wrong = data.draw(st.sampled_from([name[:at] + name[at] + name[at:], f'"{name}s"']))
    before = data.draw(st.integers(0, 5))
    file = write("# a comment\n" * before + f"{wrong} = 1\n")
    said = refusal()
    assert said.startswith(f"{file}, line {before + 1}: there is no setting ")
    assert f"did you mean {name}?" in said


def test_a_setting_that_resembles_none_is_refused_too(write: Write) -> None:
    file = write("host = '127.0.0.1'\n[something]\nelse = 1\n")
    assert (
        refusal()
        == f"{file}, line 2: there is no setting something; docs/reference/settings.md lists all settings"
    )


@pytest.mark.parametrize(
    "line", ["port = 99999", "PORT = 'many'", "trusted_proxies = ['nowhere']", "strict = 7"]
)
def test_a_wrong_value_is_named_with_its_file_and_line(write: Write, line: str) -> None:
    file = write(f"\n{line}\n")
    name = line.partition(" ")[0].lower()
    said = refusal()
    assert said.startswith(f"setting {name}: ")
    assert f"(set by {file}, line 2)" in said


def test_a_wrong_variable_is_named_and_not_the_file(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write("port = 8080\n")
    monkeypatch.setenv("OTPCONV_PORT", "tcp://10.0.0.1:8080")
    assert "(set by OTPCONV_PORT)" in refusal()


@pytest.mark.parametrize("text", ["host = \n", "host\n", "= 1"])
def test_what_is_no_toml_is_named_with_its_file_and_line(write: Write, text: str) -> None:
    file = write(f"\n{text}")
    said = refusal()
    assert str(file) in said
    assert "line 2" in said


def test_a_file_that_begins_with_a_byte_order_mark_is_read(write: Write) -> None:
    write("\ufeffport = 7\n")
    assert load().port == 7


def test_a_misspelled_variable_is_refused_as_it_is_in_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTPCONV_REQURE_TLS", "true")
    assert refusal() == "OTPCONV_REQURE_TLS: there is no such setting; did you mean OTPCONV_REQUIRE_TLS?"


@given(st.sampled_from(sorted(OTHER_VARIABLES - {"OTPCONV_CONFIG"})))
def test_variables_of_the_reporter_and_of_others_are_no_settings(variable: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for present in unknown_variables():
            patch.delenv(present)
        patch.setenv(variable, "x")
        for foreign in ("OTPCONV_SERVICE_HOST", "OTPCONV_PORT_8080_TCP", "OTPCONV_ENDPOINTS"):
            patch.setenv(foreign, "x")
        load()
        assert unknown_variables() == ["OTPCONV_ENDPOINTS", "OTPCONV_PORT_8080_TCP", "OTPCONV_SERVICE_HOST"]


def test_every_variable_that_the_source_names_is_a_setting_or_known() -> None:
    source = Path(otpconv.__file__).parent
    named = {
        name
        for file in source.rglob("*.py")
        for name in re.findall(r'"(OTPCONV_[A-Z_]+[A-Z])"', file.read_text(encoding="utf-8"))
    }
    settings = {f"OTPCONV_{name.upper()}" for name in Settings.model_fields}
    assert named - settings <= OTHER_VARIABLES


def test_a_server_warns_of_a_variable_that_is_no_setting(make_server: Callable[..., LocalServer]) -> None:
    server = make_server(settings={"OTPCONV_SERVICE_HOST": "10.0.0.1"})
    server.start()
    server.stop()
    assert "the variable OTPCONV_SERVICE_HOST is not a setting" in server.log.read_text()


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("oidc_issuer", "http://login.example.com", "use the https:// URL"),
        ("oidc_issuer", "login.example.com", "use the https:// URL"),
        ("oidc_scope", "email", "include openid"),
        ("oidc_claim", "", "at least 1"),
        ("oidc_claim", "x" * 101, "at most 100"),
        ("oidc_users", "alice", "VALUE=USER"),
        ("oidc_users", "=alice", "VALUE=USER"),
    ],
)
def test_a_wrong_oidc_setting_is_refused_with_what_to_write(name: str, value: str, text: str) -> None:
    with pytest.raises(Misconfigured, match=text):
        load(**{name: value})


def test_a_mapping_of_identities_may_hold_equals_signs() -> None:
    mapping = load(oidc_users="cn=alice,dn=x=bob , ").oidc_mapping()
    assert mapping == (("cn", "alice"), ("dn=x", "bob"))


@pytest.mark.parametrize("budget", ["0", "0.001", "-1", "1001", "nan"])
def test_the_budget_of_false_alarms_is_bounded(monkeypatch: pytest.MonkeyPatch, budget: str) -> None:
    monkeypatch.setenv("OTPCONV_ALERTS_BUDGET", budget)
    with pytest.raises(Misconfigured, match="alerts_budget"):
        load()
