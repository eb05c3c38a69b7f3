"""Diagnoses why a signed request is refused: makes the server's checks in the same order.

The texts never contain a right signature: someone who asks about a request may not have its secret.
"""

import base64
from collections.abc import Callable, Mapping

from otpconv.dialects.alibaba.tutor.mistakes import Mistake, find_mistakes, v1_mistakes, v3_mistakes
from otpconv.dialects.alibaba.tutor.recipes import V1Recipe, V3Recipe
from otpconv.dialects.alibaba.wire.call import Call
from otpconv.dialects.alibaba.wire.codes import CODES
from otpconv.dialects.alibaba.wire.headers import parse_authorization
from otpconv.dialects.alibaba.wire.parameters import from_query
from otpconv.dialects.alibaba.wire.refusal import GatewayError
from otpconv.dialects.alibaba.wire.request import read
from otpconv.dialects.alibaba.wire.signature import V1_METHODS, V3_ALGORITHMS, v3_string_to_sign
from otpconv.dialects.tutor.findings import Diagnosis, Finding, nonce_finding, time_finding
from otpconv.dialects.tutor.pasted import Pasted
from otpconv.dialects.tutor.request import Step
from otpconv.errors import Refused


def diagnose(
    pasted: Pasted,
    *,
    secret_of: Callable[[Call], str],
    others: Mapping[str, str],
    was_used: Callable[[Call], bool],
    now: int,
    window_ms: int,
) -> Diagnosis:
    """Diagnose a request.

    Args:
        pasted: the request.
        secret_of: returns the secret of the access key of a call, or raises `Refused`.
        others: secrets of other access keys, by id, that may have been used by mistake.
        was_used: returns whether the nonce of a call was accepted before.
        now: the current time, ms UTC.
        window_ms: how far from now a request may have been signed, ms.
    """
    try:
        call = read(pasted.method, pasted.query, pasted.fields, pasted.body)
    except GatewayError as error:
        if error.code == "ContentSha256NotMatched":
            return Diagnosis((_body(pasted),))
        return Diagnosis((Finding("Form", "bad", f"{error.code}: {error.text}", CODES[error.code].remedy),))
    kind = "V3" if call.method in V3_ALGORITHMS else "V1"
    findings = [Finding("Form", "good", f"A call of {call.action}, signed by {kind} ({call.method}).")]
    if call.unread:
        what, _, remedy = call.unread.partition(". ")
        findings.append(Finding("Body", "unsure", f"{what}.", remedy))
    signed = _signed(call)
    try:
        secret = secret_of(call)
    except Refused as error:
        findings.append(Finding("Access key", "bad", error.text))
        return Diagnosis(tuple(findings), signed)
    findings += [
        Finding("Access key", "good", f"{call.access_key_id} is known and active."),
        time_finding(call.signed_at, now, window_ms),
        *_signature(call, pasted, secret, others),
        nonce_finding(was_used(call), now),
    ]
    return Diagnosis(tuple(findings), signed)


def _body(pasted: Pasted) -> Finding:
    algorithm = parse_authorization(
        pasted.fields[b"authorization"].rpartition(b"Signature=")[0], tuple(pasted.fields)
    ).algorithm
    right = algorithm.hash(pasted.body)
    usual = {
        right.upper(): "It is written in capitals.",
        base64.b64encode(bytes.fromhex(right.decode())): "It is written in base64.",
        algorithm.hash(pasted.body + b"\n"): "It is the hash of the body with a line feed at its end.",
        algorithm.hash(pasted.body + b"\r\n"): "It is the hash of the body with CR LF at its end.",
        algorithm.hash(b"\xef\xbb\xbf" + pasted.body): "It is the hash of the body with a byte order mark.",
        algorithm.empty_hash: "It is the hash of an empty body.",
    }
    what = usual.get(pasted.fields[b"x-acs-content-sha256"], "It is the hash of another body.")
    return Finding(
        "Body",
        "bad",
        f"x-acs-content-sha256 is not the hash of the body. {what}",
        "Hash the exact bytes that are sent, in small hexadecimal letters; look for a proxy that rewrites "
        "bodies.",
    )


def _signature(call: Call, pasted: Pasted, secret: str, others: Mapping[str, str]) -> list[Finding]:
    found = _explained(call, pasted, secret, others)
    if found is None:
        names = ", ".join(call.parameters) if call.method in V1_METHODS else _signed_headers(pasted)
        return [
            Finding(
                "Signature",
                "bad",
                "It is not the one of this request and this secret, and no usual mistake explains it.",
                "Compare the AccessKeySecret character by character. If it is right, something was changed "
                f"after the signature was made, e.g. by a proxy: {names}. Compare the text that was signed "
                "with the one below.",
            )
        ]
    if not found:
        return [Finding("Signature", "good", "It is right.")]
    return [Finding("Signature", "bad", mistake.what, mistake.remedy) for mistake in found]


def _explained(
    call: Call, pasted: Pasted, secret: str, others: Mapping[str, str]
) -> tuple[Mistake, ...] | None:
    if call.method in V1_METHODS:
        parameters = {name: value for name, value in call.parameters.items() if name != "Signature"}
        v1 = V1Recipe(pasted.method, parameters, secret, hash_name=V1_METHODS[call.method])
        return find_mistakes(v1, v1_mistakes(v1, others), call.signature)
    names = _signed_headers(pasted).split(";")
    v3 = V3Recipe(
        pasted.method,
        from_query(pasted.query).parameters,
        {name: pasted.fields[name.encode()].decode("utf-8", "replace") for name in names},
        pasted.fields[b"x-acs-content-sha256"].decode("utf-8", "replace"),
        secret,
        hash_name=V3_ALGORITHMS[call.method].hash_name,
        algorithm=f"{call.method}\n",
    )
    return find_mistakes(v3, v3_mistakes(v3, others), call.signature)


def _signed_headers(pasted: Pasted) -> str:
    authorization = pasted.fields[b"authorization"].decode("utf-8", "replace")
    return authorization.partition("SignedHeaders=")[2].partition(",")[0]


def _signed(call: Call) -> tuple[Step, ...]:
    text = call.signed.decode(errors="replace")
    algorithm = V3_ALGORITHMS.get(call.method)
    if algorithm is None:
        return (Step("String to sign", "As the server makes it of this request.", text),)
    return (
        Step("Canonical request", "As the server makes it of this request.", text),
        Step(
            "String to sign",
            "The name of the algorithm, and the hash of the canonical request.",
            v3_string_to_sign(call.signed, algorithm).decode(),
        ),
    )
