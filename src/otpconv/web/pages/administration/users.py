"""The users of the visitor's account: list, create, delete, and attach policies."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from otpconv.access.directory import User
from otpconv.access.keys import KEYS_A_USER, AccessKey
from otpconv.errors import InvalidRequest, NotFound
from otpconv.service.administration import Stores
from otpconv.service.changes import Change
from otpconv.web.pages.administration.desk import MAX_ROWS, Desk, done, search_text
from otpconv.web.pages.visitors import Visitor

USERS_PATH: Final = "/administration/users"

#: What the forms of these pages need.
_ACTIONS: Final = (
    "ram:AttachPolicyToUser",
    "ram:CreateAccessKey",
    "ram:CreateUser",
    "ram:DeleteAccessKey",
    "ram:DeleteUser",
    "ram:DetachPolicyFromUser",
    "ram:ListPolicies",
    "ram:UpdateAccessKey",
)


class KeyRow(Struct, frozen=True):
    """An access key without its secret.

    Attributes:
        access_key_id: the public half.
        active: false while it is disabled.
        created_at: ms.
        last_used_at: ms; None before the first time.
    """

    access_key_id: str
    active: bool
    created_at: int
    last_used_at: int | None


class UserRow(Struct, frozen=True):
    """A user with its access keys.

    Attributes:
        user: the user.
        keys: the oldest first.
    """

    user: User
    keys: list[KeyRow]


class UsersPage:
    """`/administration/users`, and the page of one user."""

    def __init__(self, desk: Desk) -> None:
        """Create the pages.

        Args:
            desk: reads and changes users.
        """
        self._desk = desk

    async def index(self, request: Request, visitor: Visitor) -> Response:
        """Answer with the list of users."""
        return await self._list(request, visitor)

    async def create(self, request: Request, visitor: Visitor) -> Response:
        """Create a user."""
        form = await self._desk.form(request, visitor)
        account, name = visitor.key.account_name, form.get("name", "").strip()

        def work(stores: Stores, _: Change) -> None:
            stores.directory.create_user(account, name)

        try:
            await self._desk.change(request, visitor, "CreateUser", f"user {account}/{name}", work)
        except InvalidRequest as error:
            return await self._list(request, visitor, problem=error.text, name=name)
        return done(_path(name), "user-created")

    async def show(self, request: Request, visitor: Visitor) -> Response:
        """Answer with the page of one user."""
        return await self.one(request, visitor)

    async def delete(self, request: Request, visitor: Visitor) -> Response:
        """Delete a user with its keys."""
        await self._desk.form(request, visitor)
        account, name = visitor.key.account_name, user_of(request)
        if name == visitor.key.user:
            text = (
                "This is your own user, so you would lock yourself out. Sign in as another user to delete it."
            )
            return await self.one(request, visitor, problem=text, field="delete")

        def work(stores: Stores, _: Change) -> None:
            stores.directory.delete("user", account, name)

        await self._desk.change(request, visitor, "DeleteUser", f"user {account}/{name}", work)
        return done(USERS_PATH, "user-deleted")

    async def attach(self, request: Request, visitor: Visitor) -> Response:
        """Attach a policy to a user."""
        return await self._policy(request, visitor, attach=True)

    async def detach(self, request: Request, visitor: Visitor) -> Response:
        """Detach a policy from a user."""
        return await self._policy(request, visitor, attach=False)

    async def one(
        self, request: Request, visitor: Visitor, *, problem: str = "", field: str = ""
    ) -> Response:
        """Return the page of one user.

        Args:
            request: names the user in its path.
            visitor: who looks at it.
            problem: why a form was refused, if it was.
            field: the form or field that has the problem.

        Raises:
            NotFound: the user does not exist.
        """
        account, name = visitor.key.account_name, user_of(request)

        def work(stores: Stores) -> tuple[UserRow, list[str]]:
            user = stores.directory.user(account, name)
            names = [policy.name for policy in stores.directory.policies(account)]
            return _row(user, stores.keys.list()), [each for each in names if each not in user.grants.names]

        row, policies = await self._desk.read(work)
        return self._desk.page(
            "administration_user.html",
            f"{USERS_PATH}/{name}",
            visitor,
            status=HTTPStatus.BAD_REQUEST if problem else HTTPStatus.OK,
            row=row,
            attachable=policies,
            own=name == visitor.key.user,
            max_keys=KEYS_A_USER,
            allowed=self._desk.allowed(request, visitor, _ACTIONS),
            done=request.query_params.get("done", ""),
            problem=problem,
            field=field,
        )

    async def _list(
        self, request: Request, visitor: Visitor, *, problem: str = "", name: str = ""
    ) -> Response:
        account, wanted = visitor.key.account_name, search_text(request)

        def work(stores: Stores) -> tuple[list[UserRow], int]:
            users = [user for user in stores.directory.users(account) if wanted.lower() in user.name.lower()]
            keys = stores.keys.list()
            return [_row(user, keys) for user in users[:MAX_ROWS]], len(users)

        rows, count = await self._desk.read(work)
        return self._desk.page(
            "administration_users.html",
            USERS_PATH,
            visitor,
            status=HTTPStatus.BAD_REQUEST if problem else HTTPStatus.OK,
            rows=rows,
            count=count,
            wanted=wanted,
            allowed=self._desk.allowed(request, visitor, _ACTIONS),
            done=request.query_params.get("done", ""),
            problem=problem,
            name=name,
        )

    async def _policy(self, request: Request, visitor: Visitor, *, attach: bool) -> Response:
        form = await self._desk.form(request, visitor)
        account, name, policy = visitor.key.account_name, user_of(request), form.get("policy", "")
        what = "AttachPolicy" if attach else "DetachPolicy"

        def work(stores: Stores, _: Change) -> None:
            if attach:
                stores.directory.attach("user", account, name, policy)
            else:
                stores.directory.detach("user", account, name, policy)

        try:
            subject = f"user {account}/{name}, policy {policy}"
            await self._desk.change(request, visitor, what, subject, work)
        except (InvalidRequest, NotFound) as error:
            return await self.one(request, visitor, problem=error.text, field="policy")
        return done(_path(name), "policy-attached" if attach else "policy-detached")


def user_of(request: Request) -> str:
    """Return the name of the user that a path names."""
    return str(request.path_params["user"])


def _path(name: str) -> str:
    return f"{USERS_PATH}/{quote(name, safe='')}"


def _row(user: User, keys: Sequence[AccessKey]) -> UserRow:
    return UserRow(
        user,
        [
            KeyRow(key.access_key_id, key.active, key.created_at, key.last_used_at)
            for key in keys
            if (key.account, key.user) == (user.account, user.name)
        ],
    )
