"""The policies of the visitor's account: list, show, create, change and delete."""

from http import HTTPStatus
from typing import Final
from urllib.parse import quote

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from otpconv.access.directory import Policy
from otpconv.access.policies.cautions import cautions
from otpconv.access.policies.document import MAX_BYTES, parse_document
from otpconv.errors import InvalidRequest
from otpconv.service.administration import Stores
from otpconv.service.changes import Change
from otpconv.web.pages.administration.desk import MAX_ROWS, Desk, done, search_text
from otpconv.web.pages.visitors import Visitor

POLICIES_PATH: Final = "/administration/policies"
_NEW_PATH: Final = "/administration/new-policy"

#: What the forms of these pages need.
_ACTIONS: Final = ("ram:CreatePolicy", "ram:DeletePolicy", "ram:UpdatePolicy")
#: What the form of a new policy begins with.
_EXAMPLE: Final = """{
  "Version": "1",
  "Statement": [
    {
      "Effect": "Allow",
      "Action": "otpconv:QueryRates",
      "Resource": "*"
    }
  ]
}"""


class PoliciesPage:
    """`/administration/policies`, the page of one policy, and the form of a new one."""

    def __init__(self, desk: Desk) -> None:
        """Create the pages.

        Args:
            desk: reads and changes policies.
        """
        self._desk = desk

    async def index(self, request: Request, visitor: Visitor) -> Response:
        """Answer with the list of policies."""
        account, wanted = visitor.key.account_name, search_text(request)
        found = [
            policy
            for policy in await self._desk.read(lambda stores: stores.directory.policies(account))
            if wanted.lower() in policy.name.lower()
        ]
        return self._desk.page(
            "administration_policies.html",
            POLICIES_PATH,
            visitor,
            policies=found[:MAX_ROWS],
            count=len(found),
            wanted=wanted,
            allowed=self._desk.allowed(request, visitor, _ACTIONS),
            done=request.query_params.get("done", ""),
        )

    async def form(self, _: Request, visitor: Visitor) -> Response:
        """Answer with the form of a new policy."""
        return self._form(visitor, "", _EXAMPLE)

    async def create(self, request: Request, visitor: Visitor) -> Response:
        """Create a policy."""
        form = await self._desk.form(request, visitor)
        account = visitor.key.account_name
        name, document = form.get("name", "").strip(), _document(form)
        field = "document"

        def work(stores: Stores, _: Change) -> None:
            stores.directory.create_policy(account, name, document)

        try:
            parse_document(document)
            field = "name"
            await self._desk.change(request, visitor, "CreatePolicy", f"policy {account}/{name}", work)
        except InvalidRequest as error:
            return self._form(visitor, name, document, problem=error.text, field=field)
        return done(_path(name), "policy-created")

    async def show(self, request: Request, visitor: Visitor) -> Response:
        """Answer with the page of one policy."""
        return await self._one(request, visitor)

    async def update(self, request: Request, visitor: Visitor) -> Response:
        """Replace the document of a policy."""
        form = await self._desk.form(request, visitor)
        account, name, document = visitor.key.account_name, _name(request), _document(form)

        def work(stores: Stores, _: Change) -> None:
            stores.directory.replace_policy(account, name, document)

        try:
            await self._desk.change(request, visitor, "UpdatePolicy", f"policy {account}/{name}", work)
        except InvalidRequest as error:
            return await self._one(request, visitor, problem=error.text, field="document", document=document)
        return done(_path(name), "policy-changed")

    async def delete(self, request: Request, visitor: Visitor) -> Response:
        """Delete a policy that is not attached."""
        await self._desk.form(request, visitor)
        account, name = visitor.key.account_name, _name(request)

        def work(stores: Stores, _: Change) -> None:
            stores.directory.delete_policy(account, name)

        try:
            await self._desk.change(request, visitor, "DeletePolicy", f"policy {account}/{name}", work)
        except InvalidRequest as error:
            return await self._one(request, visitor, problem=error.text, field="delete")
        return done(POLICIES_PATH, "policy-deleted")

    async def _one(
        self,
        request: Request,
        visitor: Visitor,
        *,
        problem: str = "",
        field: str = "",
        document: str | None = None,
    ) -> Response:
        account, name = visitor.key.account_name, _name(request)

        def work(stores: Stores) -> tuple[Policy, list[str]]:
            policy = stores.directory.policy(account, name)
            return policy, _cautions(policy.document)

        policy, warnings = await self._desk.read(work)
        shown = msgspec.json.format(policy.document)
        return self._desk.page(
            "administration_policy.html",
            f"{POLICIES_PATH}/{policy.name}",
            visitor,
            status=HTTPStatus.BAD_REQUEST if problem else HTTPStatus.OK,
            policy=policy,
            shown=shown,
            document=shown if document is None else document,
            cautions=warnings,
            max_bytes=MAX_BYTES,
            allowed=self._desk.allowed(request, visitor, _ACTIONS),
            done=request.query_params.get("done", ""),
            problem=problem,
            field=field,
        )

    def _form(
        self, visitor: Visitor, name: str, document: str, *, problem: str = "", field: str = ""
    ) -> Response:
        return self._desk.page(
            "administration_new_policy.html",
            _NEW_PATH,
            visitor,
            status=HTTPStatus.BAD_REQUEST if problem else HTTPStatus.OK,
            name=name,
            document=document,
            max_bytes=MAX_BYTES,
            problem=problem,
            field=field,
        )


def _cautions(document: str) -> list[str]:
    try:
        return cautions(parse_document(document))
    except InvalidRequest as error:  # an older otpconv accepted it; it denies everything
        return [f"The document is not valid any more, so it denies everything. {error.text}"]


def _document(form: dict[str, str]) -> str:
    # Browsers send CR LF.
    return form.get("document", "").replace("\r\n", "\n").strip()


def _name(request: Request) -> str:
    return str(request.path_params["policy"])


def _path(name: str) -> str:
    return f"{POLICIES_PATH}/{quote(name, safe='')}"
