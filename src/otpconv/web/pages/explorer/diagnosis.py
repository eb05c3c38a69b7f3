"""A failing request, pasted: shows what the diagnosis of its dialect finds wrong with it."""

from starlette.requests import Request
from starlette.responses import Response

from otpconv.access.nonces import WINDOW_MS
from otpconv.dialects import alibaba
from otpconv.dialects.alibaba.tutor.diagnosis import diagnose as diagnose_alibaba
from otpconv.dialects.dialect import Call, LoginCall, SignedCall
from otpconv.dialects.routing import route
from otpconv.dialects.scoped_signature import PATH as ROOT
from otpconv.dialects.tutor.diagnosis import diagnose
from otpconv.dialects.tutor.findings import Diagnosis, Finding
from otpconv.dialects.tutor.pasted import MAX_CHARS, Pasted, parse_pasted
from otpconv.dialects.vendors import vendor_of
from otpconv.errors import InvalidRequest, UnknownAccessKey
from otpconv.service.compose import Service
from otpconv.web.front.body import Bodies
from otpconv.web.front.callers import caller_of
from otpconv.web.pages.forms import read_form, require_token
from otpconv.web.pages.layout import Layout
from otpconv.web.pages.visitors import Visitor

PATH = "/explorer/diagnosis"

_UNCLAIMED = "No vendor's API has the path {} here, so the server answers 404, or as one of its own pages."
_HOW_TOS = "Compare the path with the how-to of your vendor; Alibaba's is / alone."


class DiagnosisPage:
    """`/explorer/diagnosis`."""

    def __init__(self, service: Service, bodies: Bodies, layout: Layout) -> None:
        """Create the page.

        Args:
            service: knows keys and nonces.
            bodies: reads the forms.
            layout: renders the page.
        """
        self._service = service
        self._bodies = bodies
        self._layout = layout

    async def show(self, _: Request, visitor: Visitor) -> Response:
        """Answer the form."""
        return self._page(visitor, "")

    async def run(self, request: Request, visitor: Visitor) -> Response:
        """Respond with the diagnosis of the request in the form."""
        form = await read_form(self._bodies, request)
        require_token(form, visitor.signed_in.form_token)
        text = form.get("request", "")
        try:
            pasted = parse_pasted(text)
        except InvalidRequest as error:
            return self._page(visitor, text, problem=error.text)
        # Some hundred signatures are tried: the event loop has better things to do.
        diagnosis = await self._service.questions.beside(
            caller_of(visitor.key), lambda: self._diagnose(pasted, visitor)
        )
        return self._page(visitor, "" if diagnosis.has_secret else text, diagnosis=diagnosis)

    def _diagnose(self, pasted: Pasted, visitor: Visitor) -> Diagnosis:
        service = self._service
        account, now = visitor.key.account, service.clock()

        def secret_of(call: Call | alibaba.Call) -> str:
            token = "" if isinstance(call, LoginCall) else call.security_token
            if token:
                key = service.sessions.open(token, call.access_key_id, now)
            else:
                key = service.keys.get(call.access_key_id)
            # Of other accounts nobody learns even that a key is there.
            if key.account != account:
                raise UnknownAccessKey(
                    "No access key has this AccessKeyId; for those there are, run: otpconv keys list"
                )
            return key.secret

        def was_used(call: SignedCall | alibaba.Call) -> bool:
            return service.nonces.knows(call.access_key_id, call.nonce)

        others = service.keys.secrets(account)
        request = pasted.received()
        dialect = route(request)
        vendor = vendor_of(dialect) if dialect else None
        if vendor is not None:
            return diagnose(
                vendor,
                request,
                secret_of=secret_of,
                others=others,
                was_used=was_used,
                now=now,
                window_ms=WINDOW_MS,
                region=service.region,
            )
        if pasted.path != ROOT:
            what = _UNCLAIMED.format(pasted.path[:200])
            return Diagnosis((Finding("Vendor", "bad", what, _HOW_TOS),), has_secret=True)
        return diagnose_alibaba(
            pasted,
            secret_of=secret_of,
            others=others,
            was_used=was_used,
            now=now,
            window_ms=WINDOW_MS,
        )

    def _page(
        self, visitor: Visitor, text: str, *, diagnosis: Diagnosis | None = None, problem: str = ""
    ) -> Response:
        return self._layout.page(
            "diagnosis.html",
            PATH,
            visitor,
            status=400 if problem else 200,
            text=text,
            problem=problem,
            diagnosis=diagnosis,
            max_chars=MAX_CHARS,
        )
