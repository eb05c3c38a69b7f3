"""A vendor as the explorer shows it, and a call of one of its operations step by step."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec import Struct

from otpconv.dialects.dialect import Dialect
from otpconv.dialects.tutor.operation import Operation, Signer, Way
from otpconv.dialects.tutor.refusals import Refusal
from otpconv.dialects.tutor.request import ApiRequest, Step
from otpconv.dialects.tutor.variants import Variant
from otpconv.errors import Refused


def no_texts(_: object) -> tuple[Step, ...]:
    """Return the signed texts of a wire without a signature: none."""
    return ()


def no_variants(_: object) -> Iterable[Variant]:
    """Return the mistakes that people make with a vendor alone: none is known."""
    return ()


class Vendor(Struct, frozen=True):
    """A vendor.

    Attributes:
        name: the name of the dialect's folder, and the part of addresses.
        title: for people.
        dialect: reads the requests.
        operations: what its clients can call here.
        refusals: a sample of each error that the dialect can answer.
        sdks: the languages with code, by the name of its template; besides curl.
        texts: returns the signed texts, step by step, of a call that the dialect has read.
        variants: returns the usual mistakes of those who sign for this vendor, of such a call.
    """

    name: str
    title: str
    dialect: Dialect[Any]
    operations: tuple[Operation, ...]
    refusals: tuple[Refusal, ...]
    sdks: Mapping[str, str] = {}
    texts: Callable[[Any], tuple[Step, ...]] = no_texts
    variants: Callable[[Any], Iterable[Variant]] = no_variants

    def operation(self, name: str) -> Operation | None:
        """Return the operation of a name; None if there is none."""
        return next((each for each in self.operations if each.name == name), None)


class Walkthrough(Struct, frozen=True):
    """A call with its credentials, and how they came to be.

    Attributes:
        request: as it is sent, with the secret if the wire has it.
        shown: the same for people, without the secret.
        steps: in their order; the secret is in none.
    """

    request: ApiRequest
    shown: ApiRequest
    steps: tuple[Step, ...]


def walk(
    vendor: Vendor, operation: Operation, way: Way, given: Mapping[str, str], signer: Signer
) -> Walkthrough:
    """Return a call of an operation.

    Args:
        vendor: whose operation it is.
        operation: the operation.
        way: how it is signed.
        given: the parameters by name.
        signer: who signs.
    """
    request = way.sign(operation.draft(given, signer), signer)
    shown = ApiRequest(
        request.method, request.path, request.query, {**request.headers, **way.hidden}, request.body
    )
    if way.signature is None:
        sent = "\n".join(f"{name}: {value}" for name, value in way.hidden.items())
        return Walkthrough(request, shown, (Step("Credentials", way.rule, sent),))
    try:
        call = vendor.dialect.read(request.received())
    except Refused:  # the server says why
        return Walkthrough(request, shown, ())
    return Walkthrough(
        request, shown, (*vendor.texts(call), Step("Signature", way.rule, way.signature(call)))
    )
