"""The operations and their parameters: what checks requests, names error codes and fills the explorer.

Data only. A pattern says how a value may look. Other modules have the data for further checks, e.g. that a
time is not in the future, that a number can be dialled, or that a role exists.

Source: the API references of SmsConversion and ConversionData (2018-05-01), SmsConversionIntl and
ConversionDataIntl (2017-05-25) of Short Message Service, and of AssumeRole (2015-04-01) of Security Token
Service, Alibaba Cloud documentation.
"""

from typing import Literal

from msgspec import Struct, structs

from otpconv.model import MESSAGE_ID_PATTERN, MESSAGE_ID_RULE

#: How the official SDKs type a parameter.
Kind = Literal["string", "boolean", "integer"]


class Parameter(Struct, frozen=True):
    """One parameter of an operation.

    Attributes:
        name: as it is on the wire.
        must_be: what its value must be, for texts as `It must be …`.
        pattern: a regular expression that every value which may be right matches as a whole.
        example: a value.
        kind: the type that the official SDKs give it.
        mandatory: whether it must be there, and not blank.
        hint: what it says, and what its absence means, for people.
    """

    name: str
    must_be: str
    pattern: str
    example: str
    kind: Kind = "string"
    mandatory: bool = False
    hint: str = ""


class Operation(Struct, frozen=True):
    """One operation.

    Attributes:
        version: of the API that has it.
        action: its name.
        summary: what it does, for people.
        parameters: in the order of the documentation.
    """

    version: str
    action: str
    summary: str
    parameters: tuple[Parameter, ...]


# int() and str.isdigit() also take other alphabets' digits, underscores and spaces.
_MILLISECONDS = "[0-9]{1,19}"
_A_TIME = "a whole number of milliseconds since 1970-01-01 UTC"

DELIVERED = Parameter(
    "Delivered",
    "true or false",
    "[Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]",
    "true",
    kind="boolean",
    mandatory=True,
    hint="Whether the user typed the code of the message back.",
)
MESSAGE_ID = Parameter(
    "MessageId",
    MESSAGE_ID_RULE,
    MESSAGE_ID_PATTERN,
    "1008030300",
    hint="The message, as its sending was answered. Without it, To says which.",
)
CONVERSION_TIME = Parameter(
    "ConversionTime",
    _A_TIME,
    _MILLISECONDS,
    "1349055900000",
    kind="integer",
    hint="When the user typed it, after the message was sent. Default: now.",
)
TO = Parameter(
    "To",
    "a telephone number with its country code",
    r"(?s).{1,256}",
    "85251234567",
    hint="The number the message went to. Without MessageId it means the newest message to it, of 24 hours.",
)
CONVERSION_RATE = Parameter(
    "ConversionRate",
    "a decimal number from 0 to 1",
    r"[0-9]{1,9}(?:\.[0-9]{1,30})?",
    "0.53",
    mandatory=True,
    hint="Verified / requested, as your own system counts.",
)
REPORT_TIME = Parameter(
    "ReportTime",
    _A_TIME,
    _MILLISECONDS,
    "1349055900000",
    kind="integer",
    hint="What time the rate is of. Default: now.",
)
ROLE_ARN = Parameter(
    "RoleArn",
    "written acs:ram::<account number>:role/<name>",
    r"acs:ram::([1-9][0-9]{0,17}):role/([A-Za-z0-9.\-]{1,64})",
    "acs:ram::1:role/reporter",
    mandatory=True,
    hint="The role, as `otpconv roles show` prints it.",
)
ROLE_SESSION_NAME = Parameter(
    "RoleSessionName",
    "2 to 64 letters, digits and . @ - _",
    r"[A-Za-z0-9.@\-_]{2,64}",
    "ci",
    mandatory=True,
    hint="Who acts in this session; shown in refusals and in the audit trail.",
)
DURATION_SECONDS = Parameter(
    "DurationSeconds",
    "a whole number of seconds",
    "[0-9]{1,6}",
    "900",
    kind="integer",
    hint="900 to what the role allows. Default: an hour, or what the role allows.",
)
POLICY = Parameter(
    "Policy",
    "a policy as JSON, of at most 2048 characters",
    r"(?s).{1,2048}",
    '{"Version": "1", "Statement": [{"Effect": "Allow", "Action": "dysms:*", "Resource": "*"}]}',
    hint="Restricts the session further; it never adds anything.",
)

OPERATIONS = (
    Operation(
        "2018-05-01",
        "SmsConversion",
        "Report whether the user typed the code of a message back.",
        (DELIVERED, MESSAGE_ID, CONVERSION_TIME, TO),
    ),
    Operation(
        "2018-05-01",
        "ConversionData",
        "Report a conversion rate that your own system has counted.",
        (CONVERSION_RATE, REPORT_TIME),
    ),
    Operation(
        "2017-05-25",
        "SmsConversionIntl",
        "The same as SmsConversion, in the older version of the API; it knows no numbers.",
        (
            DELIVERED,
            structs.replace(MESSAGE_ID, mandatory=True, hint="The message, as its sending was answered."),
            CONVERSION_TIME,
        ),
    ),
    Operation(
        "2017-05-25",
        "ConversionDataIntl",
        "The same as ConversionData, in the older version of the API.",
        (CONVERSION_RATE, REPORT_TIME),
    ),
    Operation(
        "2015-04-01",
        "AssumeRole",
        "Get temporary credentials of a role.",
        (ROLE_ARN, ROLE_SESSION_NAME, DURATION_SECONDS, POLICY),
    ),
)
