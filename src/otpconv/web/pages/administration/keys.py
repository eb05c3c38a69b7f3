"""The access keys of a user: create, rotate, disable, enable and delete."""

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from otpconv.access.keys import AccessKey
from otpconv.audit import shown_key_id
from otpconv.errors import InvalidRequest, NotFound
from otpconv.service.administration import Stores
from otpconv.service.changes import Change
from otpconv.web.pages.administration.desk import Desk, done
from otpconv.web.pages.administration.users import USERS_PATH, UsersPage, user_of
from otpconv.web.pages.visitors import Visitor


class KeysPage:
    """The forms about keys on the page of a user."""

    def __init__(self, desk: Desk, users: UsersPage) -> None:
        """Create the handlers.

        Args:
            desk: changes keys.
            users: shows the user again.
        """
        self._desk = desk
        self._users = users

    async def create(self, request: Request, visitor: Visitor) -> Response:
        """Create a key and show its secret, this once."""
        form = await self._desk.form(request, visitor)
        account, name = visitor.key.account_name, user_of(request)
        # A form that the browser sends again names the keys from before, and creates nothing.
        before = form.get("keys", "")
        what = "RotateAccessKey" if before else "CreateAccessKey"

        def work(stores: Stores, change: Change) -> AccessKey:
            ids = stores.directory.user(account, name).access_key_ids
            if ",".join(ids) != before:
                raise InvalidRequest(
                    "The keys of this user have changed since; no key was created. Look at them."
                )
            key = stores.keys.create(account, name, None)
            change.subject += f", key {key.access_key_id}"
            return key

        try:
            key = await self._desk.change(request, visitor, what, f"user {account}/{name}", work)
        except InvalidRequest as error:
            return await self._users.one(request, visitor, problem=error.text, field="keys")
        # Not a redirect: the secret must be neither in a URL nor kept for a second request.
        return self._desk.page(
            "administration_secret.html", f"{USERS_PATH}/{name}", visitor, key=key, replaces=before
        )

    async def disable(self, request: Request, visitor: Visitor) -> Response:
        """Disable a key, which also ends its sign-ins."""
        return await self._change(request, visitor, "DisableAccessKey", "key-disabled")

    async def enable(self, request: Request, visitor: Visitor) -> Response:
        """Enable a disabled key."""
        return await self._change(request, visitor, "EnableAccessKey", "key-enabled")

    async def delete(self, request: Request, visitor: Visitor) -> Response:
        """Delete a key for good."""
        return await self._change(request, visitor, "DeleteAccessKey", "key-deleted")

    async def _change(self, request: Request, visitor: Visitor, what: str, text: str) -> Response:
        form = await self._desk.form(request, visitor)
        account, name = visitor.key.account_name, user_of(request)
        access_key_id = shown_key_id(form.get("access_key_id", ""))
        if access_key_id == visitor.key.access_key_id:
            problem = "You are signed in with this key. Sign in with another one to disable or delete it."
            return await self._users.one(request, visitor, problem=problem, field="keys")

        def work(stores: Stores, _: Change) -> None:
            if access_key_id not in stores.directory.user(account, name).access_key_ids:
                raise NotFound(f"The user {name} has no such access key. It may have been deleted meanwhile.")
            if what == "DeleteAccessKey":
                stores.keys.delete(access_key_id)
            else:
                stores.keys.set_active(access_key_id, active=what == "EnableAccessKey")

        try:
            await self._desk.change(request, visitor, what, f"key {access_key_id}".rstrip(), work)
        except NotFound as error:
            return await self._users.one(request, visitor, problem=error.text, field="keys")
        return done(f"{USERS_PATH}/{quote(name, safe='')}", text)
