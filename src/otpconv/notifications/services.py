"""The services that notifications reach by apprise, and what its URLs may say.

Apprise also has plugins that run programs, use devices or read files, and parameters that name files (e.g.
`template`) or switch off what protects this server. So both are lists of allowed names.
"""

from typing import Final

from otpconv.notifications.text import Style

#: How each service reads text, by the schema of its URLs.
SERVICES: Final[dict[str, Style]] = {
    "mailto": "text",
    "mailtos": "text",
    "slack": "text",
    "workflows": "markdown",  # Microsoft Teams
    "tgram": "text",
    "discord": "markdown",
    "dingtalk": "text",
    "feishu": "text",
    "lark": "text",
    "wecombot": "text",
    "gchat": "text",
    "webex": "markdown",
    "wxteams": "markdown",
    "mmost": "markdown",
    "mmosts": "markdown",
    "rocket": "markdown",
    "rockets": "markdown",
    "zulip": "markdown",
    "ntfy": "text",
    "ntfys": "text",
    "gotify": "text",
    "gotifys": "text",
    "pover": "text",
    "pagerduty": "text",
    "opsgenie": "text",
    "splunk": "text",
    "victorops": "text",
    "signl4": "text",
    "incidentio": "text",
}
#: Services that make an incident of each call, so that a text that is too long is cut, not sent in pieces.
PAGING: Final = frozenset(("pagerduty", "opsgenie", "splunk", "victorops", "signl4", "incidentio"))
#: The parameters that a URL may have.
PARAMETERS: Final = frozenset(
    (
        *("from", "to", "cc", "bcc", "name", "reply", "smtp", "mode", "user", "pass", "verify"),
        *("channel", "team", "botname", "topic", "thread", "token", "secret", "key", "region", "route"),
        *("priority", "severity", "class", "group", "sig", "ver", "api-version", "id", "powerautomate"),
    )
)
