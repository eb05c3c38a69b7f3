"""What somebody without any key can do."""

import json
from urllib.parse import urlencode

from benchmarks.worst_cases.case import Attack, Cases
from benchmarks.worst_cases.traffic import basic, head, rendered, signed
from benchmarks.worst_cases.world import World

NOBODY = Cases("nobody")

_MIB = 1 << 20
_FORM = "application/x-www-form-urlencoded"
_STRANGER = ("LTAI5tStrangerStranger12", "no secret of this server")


@NOBODY.add("8,600 idle connections")
def _idle(_: World) -> Attack:
    return lambda traffic: traffic.hold([b""] * 8_600)


@NOBODY.add("2,000 connections whose heads trickle in")
def _slow_heads(_: World) -> Attack:
    return lambda traffic: traffic.hold([b"GET / HTTP/1.1\r\nhost: x\r\nx-a: "] * 2_000, trickle=b"a")


@NOBODY.add("40 bodies of 8 MiB announced to / and not sent")
def _announced(_: World) -> Attack:
    beginning = head("POST", "/", {"content-length": str(8 * _MIB), "content-type": _FORM})
    return lambda traffic: traffic.hold([beginning] * 40)


@NOBODY.add("40 forms of 8 MiB announced to /sign-in that trickle in")
def _announced_forms(_: World) -> Attack:
    beginning = head("POST", "/sign-in", {"content-length": str(8 * _MIB), "content-type": _FORM})
    return lambda traffic: traffic.hold([beginning] * 40, trickle=b"a=b&")


@NOBODY.add("forms of 8 MiB to /sign-in")
def _large_forms(_: World) -> Attack:
    form = rendered("POST", "/sign-in", {"content-type": _FORM}, b"a=%20&" * (8 * _MIB // 6))
    return lambda traffic: traffic.flood([form])


@NOBODY.add("forms of 8 MiB to /")
def _large_calls(_: World) -> Attack:
    call = rendered("POST", "/", {"content-type": _FORM}, b"Format=a&" * (8 * _MIB // 9))
    return lambda traffic: traffic.flood([call])


@NOBODY.add("unsigned V3 calls with 127 KiB of JSON")
def _json_calls(_: World) -> Attack:
    nested = {f"name {number}": [{"a": {"b": number}}] for number in range(4_400)}
    body = json.dumps(nested).encode()[: 127 * 1024]
    body = body[: body.rindex(b", ")] + b"}"
    headers = signed(*_STRANGER, "SmsConversion", {}, body, kind="application/json")
    return lambda traffic: traffic.flood([rendered("POST", "/", headers, body)], 8)


@NOBODY.add("calls with 60 KiB of parameters under nearly their names")
def _misplaced(_: World) -> Attack:
    parameters = {f"messageid{number}": "x" * 20 for number in range(1_600)} | {"Action": "SmsConversion"}
    call = rendered("GET", f"/?{urlencode(parameters)}", {})
    return lambda traffic: traffic.flood([call], 8)


@NOBODY.add("heads of 100 KiB, each with other names")
def _heads(_: World) -> Attack:
    calls = [
        rendered(
            "GET",
            "/",
            {"authorization": "ACS3-HMAC-SHA256 x"} | {f"x-{n}-{m}": "x" * 1_000 for m in range(90)},
        )
        for n in range(300)
    ]
    return lambda traffic: traffic.flood(calls, 8)


@NOBODY.add("wrong keys by HTTP Basic")
def _wrong_keys(_: World) -> Attack:
    return lambda traffic: traffic.flood([rendered("GET", "/v1/rates", basic(*_STRANGER))], 16)


@NOBODY.add("wrong keys at /sign-in")
def _wrong_forms(_: World) -> Attack:
    form = urlencode({"access_key_id": _STRANGER[0], "access_key_secret": _STRANGER[1]}).encode()
    return lambda traffic: traffic.flood([rendered("POST", "/sign-in", {"content-type": _FORM}, form)], 16)


@NOBODY.add("pages: searches in /errors")
def _searches(_: World) -> Attack:
    target = f"/errors?{urlencode({'q': 'e ' * 50})}"
    return lambda traffic: traffic.flood([rendered("GET", target, {"accept": "text/html"})], 16)


@NOBODY.add("pages that are not there, as HTML")
def _not_found(_: World) -> Attack:
    target = "/" + "x" * 60_000
    return lambda traffic: traffic.flood([rendered("GET", target, {"accept": "text/html"})], 16)


@NOBODY.add("a damaged cookie of 60 KiB at the pages")
def _cookies(_: World) -> Attack:
    headers = {"cookie": "otpconv=" + "A" * 60_000, "accept": "text/html"}
    return lambda traffic: traffic.flood([rendered("GET", "/dashboard", headers)], 16)


@NOBODY.add("/openapi.json pipelined 200 times, never read")
def _unread(_: World) -> Attack:
    return lambda traffic: traffic.hold([rendered("GET", "/openapi.json", {}) * 200] * 50)


@NOBODY.add("connections opened and closed at once")
def _churn(_: World) -> Attack:
    return lambda traffic: traffic.churn()
