"""What people see of their own account, and end of their own sign-ins, through their agents."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from mcp_gateway.api import Call, Capability, NoParams, NotFound, capability

from ..models import Account, RevokedSignIn, RevokeSignInParams, SignInEntry, SignIns
from ..server.people_on_demand import PeopleOnDemand

if TYPE_CHECKING:
    from ..families.models import SignIn

READ, WRITE = frozenset({"account:read"}), frozenset({"account:write"})


class AccountTools:
    """The tools. Without a sign-in there is nothing to open, so they cost nothing where nobody has to sign in."""

    def __init__(self, people: PeopleOnDemand) -> None:
        self._people = people

    def capabilities(self) -> list[Capability]:
        """What is registered."""
        return [
            capability("get_account", self.get_account, scopes=READ),
            capability("list_sign_ins", self.list_sign_ins, scopes=READ, advanced=True),
            capability(
                "revoke_sign_in",
                self.revoke_sign_in,
                read_only=False,
                destructive=True,
                idempotent=True,
                scopes=WRITE,
                advanced=True,
            ),
        ]

    async def get_account(self, params: NoParams, call: Call) -> Account:
        """Who the user is, and what you may do for them."""
        caller = call.caller
        return Account(
            id=caller.id,
            name=await self._people.name_of(caller.id) if caller.sign_in else None,
            scopes=sorted(caller.scopes),
            sign_in_id=caller.sign_in,
        )

    async def list_sign_ins(self, params: NoParams, call: Call) -> SignIns:
        """The clients and devices on which the user is signed in, with when each was last used."""
        return SignIns(items=[await self._entry(each, call) for each in await self._of(call)])

    async def revoke_sign_in(self, params: RevokeSignInParams, call: Call) -> RevokedSignIn:
        """End one of the user's sign-ins: all its tokens stop working at once, and its client has to ask again."""
        found = next((each for each in await self._of(call) if each.family_id == params.id), None)
        if found is None:
            raise NotFound("sign-in", params.id)
        if not params.dry_run:
            await (await self._people.sign_ins()).sign_ins.revoke(found.family_id, "revoked")
        name = await self._people.name_of_client(found.client_id)
        return RevokedSignIn(id=found.family_id, client=name, dry_run=params.dry_run)

    async def _of(self, call: Call) -> Sequence[SignIn]:
        if call.caller.sign_in is None:  # nobody has to sign in
            return []
        return await (await self._people.sign_ins()).sign_ins.of_user(call.caller.id)

    async def _entry(self, sign_in: SignIn, call: Call) -> SignInEntry:
        return SignInEntry(
            id=sign_in.family_id,
            client=await self._people.name_of_client(sign_in.client_id),
            device=sign_in.device,
            place=sign_in.place,
            scopes=sorted(sign_in.scopes),
            begun_at=_text(sign_in.begun_at),
            last_used_at=_text(sign_in.last_used_at),
            ends_at=_text(sign_in.ends_at),
            is_this_one=sign_in.family_id == call.caller.sign_in,
        )


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
