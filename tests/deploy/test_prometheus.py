"""The deployment files: alerts fire when they should, and expressions use existing metrics."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from debian import program

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
RULES = DEPLOY / "prometheus/alerts.yml"
DASHBOARD = DEPLOY / "grafana/otpconv.json"

#: Of two routes one converts and one does not; a third is too small to tell.
ROUTES = [
    ("good", 1000, 850),
    ("broken", 200, 60),
    ("small", 3, 0),
]
SERIES = [
    (
        f'otpconv_{kind}_messages{{provider="{provider}",country="DE",window="1h",instance="s"}}',
        f"{value}x120",
    )
    for provider, asked, came in ROUTES
    for kind, value in (("requested", asked), ("verified", came))
]
STOPPED = [
    ('otpconv_requested_messages{provider="a",country="DE",window="1h",instance="s"}', "80x120"),
    ('otpconv_verified_messages{provider="a",country="DE",window="1h",instance="s"}', "0x120"),
]
FAILING = [
    ('otpconv_requests_total{action="dysms:SmsConversion",code="OK",instance="s"}', "0+900x120"),
    ('otpconv_requests_total{action="dysms:SmsConversion",code="InternalError",instance="s"}', "0+60x120"),
]
SLOW = [
    ('otpconv_commit_seconds_sum{instance="s"}', "0+12x120"),
    ('otpconv_commit_seconds_count{instance="s"}', "0+60x120"),
    ('otpconv_journal_lag_reports{instance="s"}', "200000x120"),
]
LATE = [
    ('otpconv_housekeeping_age_seconds{task="access keys",instance="s"}', "60x120"),
    ('otpconv_housekeeping_age_seconds{task="access keys",instance="t"}', "0.2x120"),
    ('otpconv_housekeeping_age_seconds{task="expiry",instance="t"}', "3000x120"),
]
LEASES = [
    (f'otpconv_lease_held{{lease="{lease}",instance="{instance}",job="otpconv"}}', values)
    for lease, instance, values in [
        ("ledger", "s", "0x120"),
        ("ledger", "t", "0x120"),
        ("expiry", "s", "0x120"),
        ("expiry", "t", "1x120"),
        # A takeover, shortly before the alerts are looked at.
        ("retention", "s", "1x59 0x60"),
        ("retention", "t", "0x60 1x59"),
    ]
]
REFUSED = [
    ('otpconv_requests_total{action="otpconv:GetMetrics",code="AccessDenied",instance="s"}', "0+60x120")
]

RELAY = [
    ('otpconv_relay_late_seconds{vendor="down",instance="s"}', "0+60x120"),
    ('otpconv_relay_late_seconds{vendor="well",instance="s"}', "0.4x120"),
    ('otpconv_relay_feedbacks{vendor="well",status="sent",instance="s"}', "0+900x120"),
    ('otpconv_relay_feedbacks{vendor="well",status="dead",instance="s"}', "3x120"),
]

NOTIFICATIONS = [
    ('otpconv_notifications_failing_seconds{target="down",instance="s"}', "0+60x120"),
    ('otpconv_notifications_failing_seconds{target="well",instance="s"}', "0x120"),
    ('otpconv_notifications_total{target="down",result="sent",instance="s"}', "0+6x120"),
    ('otpconv_notifications_total{target="down",result="given_up",instance="s"}', "3x120"),
    ('otpconv_notifications_total{target="well",result="dropped",instance="s"}', "0x40 5x80"),
]

SENDS = [
    ('otpconv_sends_total{vendor="down",result="accepted",instance="s"}', "0+60x120"),
    ('otpconv_sends_total{vendor="down",result="unknown",instance="s"}', "0+6x120"),
    ('otpconv_sends_total{vendor="down",result="unreachable",instance="s"}', "0+6x120"),
    ('otpconv_sends_total{vendor="well",result="accepted",instance="s"}', "0+60x120"),
    ('otpconv_sends_total{vendor="well",result="refused",instance="s"}', "0+60x120"),
    ('otpconv_sends_total{vendor="well",result="unknown",instance="s"}', "0+6x120"),
]

EXPIRY = "otpconv_tls_certificate_expires_timestamp_seconds"
#: promtool's clock begins at 0.
EXPIRING = [(f'{EXPIRY}{{instance="old"}}', "200000x120"), (f'{EXPIRY}{{instance="new"}}', "300000x120")]

#: What a server tells for two hours, by the minute; which alerts fire then, and of what.
CASES = [
    (SERIES, "ConversionLow", [{"provider": "broken", "country": "DE", "window": "1h", "instance": "s"}]),
    (SERIES, "NoConversions", []),
    (STOPPED, "NoConversions", [{"instance": "s"}]),
    (FAILING, "RequestsFail", [{"instance": "s"}]),
    (FAILING, "CallersRefused", []),
    (SLOW, "CommitsSlow", [{"instance": "s"}]),
    (LATE, "KeysNotRead", [{"instance": "s", "task": "access keys"}]),
    (SLOW, "LedgerLags", [{"instance": "s"}]),
    (LEASES, "NoLeaseHeld", [{"lease": "ledger", "job": "otpconv"}]),
    (RELAY, "RelayLate", [{"instance": "s", "vendor": "down"}]),
    (RELAY, "RelayRefused", [{"instance": "s", "vendor": "well"}]),
    (NOTIFICATIONS, "NotificationsFail", [{"instance": "s", "target": "down"}]),
    (NOTIFICATIONS, "NotificationsLost", [{"instance": "s", "target": "well"}]),
    (SENDS, "SendsFail", [{"instance": "s", "vendor": "down"}]),
    (EXPIRING, "CertificateExpires", [{"instance": "old"}]),
    (
        REFUSED,
        "CallersRefused",
        [{"instance": "s", "action": "otpconv:GetMetrics", "code": "AccessDenied"}],
    ),
]


def promtool(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - Debian's own program
        [program("promtool", "prometheus"), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def expressions() -> dict[str, str]:
    """The expressions of the dashboard and the rules, by where they stand."""
    found = {
        f"panel {panel['title']}": target["expr"]
        for panel in json.loads(DASHBOARD.read_text())["panels"]
        for target in panel["targets"]
    }
    rules = RULES.read_text(encoding="utf-8")
    found |= {
        f"rules {n}": text for n, text in enumerate(re.findall(r"expr: \|?(.*?)\n +for:", rules, re.DOTALL))
    }
    return found


def test_the_rules_are_valid() -> None:
    checked = promtool("check", "rules", RULES)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize(("series", "alert", "expected"), CASES, ids=[f"{c[1]}-{len(c[2])}" for c in CASES])
def test_an_alert_fires_for_what_it_is_about_and_nothing_else(
    tmp_path: Path, series: list[tuple[str, str]], alert: str, expected: list[dict[str, str]]
) -> None:
    severity = re.search(rf"alert: {alert}\n.*?severity: (\w+)", RULES.read_text(), re.DOTALL)
    assert severity
    # promtool compares annotations too, and they are for people: the rules go in without.
    bare = tmp_path / "rules.yml"
    bare.write_text(re.sub(r"\n +annotations:(\n +(summary|description): .*)+", "", RULES.read_text()))
    case = {
        "rule_files": [str(bare)],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in series],
                "alert_rule_test": [
                    {
                        "eval_time": "60m",
                        "alertname": alert,
                        "exp_alerts": [
                            {"exp_labels": {**labels, "severity": severity[1]}} for labels in expected
                        ],
                    }
                ],
            }
        ],
    }
    file = tmp_path / "case.yml"
    file.write_text(json.dumps(case))
    tested = promtool("test", "rules", file)
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_every_expression_of_the_dashboard_is_valid(tmp_path: Path) -> None:
    rules = []
    for where, text in expressions().items():
        expression = re.sub(r"\$\w+", ".*", text)
        rules.append({"record": re.sub(r"\W", "_", where), "expr": expression})
    file = tmp_path / "rules.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    checked = promtool("check", "rules", file)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_metric_that_is_asked_for_is_told(own: httpx.Client, eventually: Callable[..., None]) -> None:
    own.post("/v1/messages", json={"messages": [{"message_id": "m"}]})
    eventually(lambda: "otpconv_requested_messages{" in own.get("/metrics").text, True)
    told = own.get("/metrics").text
    asked = {name for text in expressions().values() for name in re.findall(r"\botpconv_\w+", text)}
    asked.remove(EXPIRY)  # of servers with a certificate
    of_vendors = {"otpconv_relay_late_seconds", "otpconv_relay_feedbacks", "otpconv_sends_total"}
    asked -= of_vendors  # of accounts with vendor accounts
    asked -= {"otpconv_notifications_failing_seconds", "otpconv_notifications_total"}  # with targets
    assert len(asked) >= 6
    assert [name for name in asked if not re.search(rf"^{name}[ {{]", told, re.MULTILINE)] == []
