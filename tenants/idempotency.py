"""A POST with an Idempotency-Key makes its thing once, however often it is sent within 24 hours.

What is kept: an HMAC of the body, the status, and the ids of what was made, in the transaction that makes it;
never a secret. A repetition shows the things as they are now. If one of them is gone by then, it is answered
409: to make it again behind its deleter's back would be wrong, and so would be to say that it is there.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac
from rest_framework.request import Request
from rest_framework.response import Response

from tenants.auth import home
from tenants.errors import Refusal
from tenants.models import IdempotentAnswer

HEADER = "Idempotency-Key"
KEPT = timedelta(hours=24)

_KEY = re.compile(r"[!-~]{1,200}")

Body = Mapping[str, object]
Checked = TypeVar("Checked")


@dataclass(frozen=True, slots=True)
class Made:
    """What a POST made: the ids of the things, and the answer, in which a secret is shown this once."""

    ids: Sequence[UUID]
    body: Body


@dataclass(frozen=True, slots=True)
class Slot:
    """Where the answer to this key is kept: per tenant, address and key.

    Without a tenant it is the platform key's: then the answer is kept with the tenant that it made.
    """

    tenant_id: UUID | None
    route: str
    key: str
    body_mac: str

    def find(self) -> IdempotentAnswer | None:
        """The answer that is kept, if the first request had this body. Raises `Refusal`."""
        whose = {} if self.tenant_id is None else {"tenant_id": self.tenant_id}
        found = IdempotentAnswer.objects.filter(
            **whose, route=self.route, key=self.key, created_at__gt=timezone.now() - KEPT
        ).first()
        if found is not None and not constant_time_compare(found.body_mac, self.body_mac):
            raise Refusal(
                "IDEMPOTENCY_MISMATCH",
                f"This {HEADER} was used here with another body within the last 24 hours: take a new key.",
            )
        return found

    def hold(self) -> None:
        """Keeps others with this key out until the transaction ends, without waiting. Raises `Refusal`.

        SQLite lets one writer at a time in anyway: there the second waits and then finds the answer.
        """
        if connection.vendor != "postgresql":
            return
        name = hashlib.blake2b(repr((self.tenant_id, self.route, self.key)).encode(), digest_size=8)
        with connection.cursor() as cursor:
            number = int.from_bytes(name.digest(), signed=True)
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [number])
            (free,) = cursor.fetchone() or (False,)
        if not free:
            raise Refusal("IN_PROGRESS", "Wait a second, then send the same request again.")

    def keep(self, made: Made, status: int) -> None:
        """Writes the answer down, over one that is older than 24 hours."""
        IdempotentAnswer.objects.update_or_create(
            tenant_id=self.tenant_id or made.ids[0],
            route=self.route,
            key=self.key,
            defaults={
                "body_mac": self.body_mac,
                "status": status,
                "made": [str(id) for id in made.ids],
                "created_at": timezone.now(),
            },
        )


def create(
    request: Request,
    check: Callable[[], Checked],
    act: Callable[[Checked], Made],
    again: Callable[[Sequence[UUID]], Body | None],
    status: int = 201,
) -> Response:
    """Answers a POST that creates: `status` with what `act` made of what `check` found, once for each key.

    `check` reads and judges the body, outside of any transaction; `act` runs inside one; `again` shows what
    an earlier request made, None if it is gone. Raises whatever these raise, and `Refusal`.
    """
    slot = _slot(request)
    if slot is None:
        checked = check()
        with transaction.atomic():
            made = act(checked)
        return Response(made.body, status=status)
    kept = slot.find()
    if kept is None:
        checked = check()
        with transaction.atomic():
            slot.hold()
            kept = slot.find()
            if kept is None:
                made = act(checked)
                slot.keep(made, status)
                return Response(made.body, status=status)
    return _replay(kept, again)


def _replay(kept: IdempotentAnswer, again: Callable[[Sequence[UUID]], Body | None]) -> Response:
    body = again([UUID(id) for id in kept.made])
    if body is None:
        raise Refusal(
            "CONFLICT",
            f"What the first request with this {HEADER} made ({', '.join(kept.made)}) is gone, whole or in "
            "part. To make it again take a new key.",
        )
    return Response(body, status=kept.status)


def _slot(request: Request) -> Slot | None:
    key = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if key is None:
        return None
    if not _KEY.fullmatch(key):
        wrong = "Must be 1 to 200 visible ASCII characters without spaces; a random UUID does."
        raise Refusal("INVALID", f"{HEADER}: {wrong}", {HEADER: [wrong]})
    data = json.dumps(request.data, sort_keys=True, separators=(",", ":"))
    mac = salted_hmac("keyseed.idempotency", data, algorithm="sha256").hexdigest()
    return Slot(home(request), _route(request), key, mac)


def _route(request: Request) -> str:
    """The address, its ids in their one written form."""
    match: Any = request.resolver_match
    return " ".join([match.view_name, *map(str, match.kwargs.values())])
