"""Every operation of the document, asked by A with the ids of B, and beside it with ids that never were."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import Any

from provisioning.isolation import verdict
from provisioning.isolation.api import API
from provisioning.isolation.bodies import body, id_fields
from provisioning.isolation.document import Operation
from provisioning.isolation.material import Side
from provisioning.isolation.verdict import Answer, Row, Verdict

ORDER = ("viewer", "editor", "admin", "owner")
STRANGERS = ("no key", "revoked", "expired")
ROUNDS, PAIRS = 3, 12
SHUT = 403
LATER = ("lastUsedAt", "place", "digest")
"""Fields of items that change by themselves: a key's last use, an audit entry's place in the chain."""

Ids = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class World:
    """What a walk needs: `keys` are those of A by role, None for none; B is who must not be seen."""

    api: API
    operations: Sequence[Operation]
    a: Side
    b: Side
    keys: Mapping[str, str | None]


Task = Callable[[], Iterator[Row]]


def tasks(world: World) -> Iterator[Task]:
    """The whole proof in small parts; each asks as it is called."""
    for one in world.operations:
        if one.parameters:
            yield partial(foreign, world, one)
            yield partial(timed, world, one)
        else:
            yield partial(lists, world, one)
        yield partial(bodies, world, one)
    for one in world.operations:
        yield partial(roles, world, one)


def never(one: Operation) -> Ids:
    """Ids of nothing."""
    return {name: str(uuid.uuid4()) for name in one.parameters}


def allowed(role: str, needed: str) -> bool:
    """Whether the role opens what needs the other one."""
    if role not in ORDER or needed not in ORDER:
        return role == needed
    return ORDER.index(role) >= ORDER.index(needed)


# ---- ids in the address


def foreign(world: World, one: Operation) -> Iterator[Row]:
    """As A's owner, with every mixture of own and foreign ids in which one is foreign."""
    for mask in product((True, False), repeat=len(one.parameters)):
        if not any(mask):
            continue
        where = [name for name, is_foreign in zip(one.parameters, mask, strict=True) if is_foreign]
        yield _asked(world, one, "owner", where)


def _asked(world: World, one: Operation, role: str, where: Sequence[str]) -> Row:
    asked = "foreign " + ", ".join(where)
    missing = [name for name in one.parameters if name not in world.a.ids or name not in world.b.ids]
    if missing:
        return Row(one.name, role, asked, 0, Verdict.UNPROVEN, f"this program cannot make a {missing[0]}")
    theirs = {name: world.b.ids[name] if name in where else world.a.ids[name] for name in one.parameters}
    nobodys = {name: id if name in where else theirs[name] for name, id in never(one).items()}
    answers = [_send(world, one, role, ids) for ids in (theirs, nobodys)]
    return _judged(world, one, role, asked, answers, (theirs, nobodys))


def _send(world: World, one: Operation, role: str, ids: Ids, **query: str) -> Answer:
    return world.api.send(one.method, one.fill(ids), world.keys[role], body(one, world.a.marker), query)


def _judged(
    world: World, one: Operation, role: str, asked: str, answers: Sequence[Answer], ids: Sequence[Ids]
) -> Row:
    sent = [[id for name, id in some.items()] for some in ids]
    why = verdict.difference(answers[0], answers[1], *sent) or verdict.shown(
        answers[0], world.b.telling, sent[0]
    )
    status = answers[0].status
    row = Row(one.name, role, asked, status, Verdict.CLOSED)
    if why or status < 300:
        return replace(row, verdict=Verdict.LEAK, why=why or "it was done")
    wanted = expected(one, role)
    if status not in wanted:
        expectation = " or ".join(map(str, wanted))
        return replace(row, verdict=Verdict.UNPROVEN, why=f"{expectation} was expected")
    return row


def expected(one: Operation, role: str) -> Sequence[int]:
    """The statuses with which a role may be turned away where it asks for what is not its own."""
    if role in STRANGERS or not one.role:
        return (401,)
    if not allowed(role, one.role):
        return (SHUT,)
    # Identity keys belong to no tenant: where there are several, they are shut.
    return (404, SHUT) if "identity-keys" in one.path else (404,)


def timed(world: World, one: Operation) -> Iterator[Row]:
    """The same as A's owner, again and again in turns: it must not take longer, or shorter."""
    theirs = {name: world.b.ids.get(name, "") for name in one.parameters}
    row = Row(one.name, "owner", "time", 0, Verdict.CLOSED)
    if not all(theirs.values()):
        return
    for _ in range(ROUNDS):
        times: tuple[list[float], list[float]] = ([], [])
        for _ in range(PAIRS):
            for spent, ids in zip(times, (theirs, never(one)), strict=True):
                answer = _send(world, one, "owner", ids)
                spent.append(answer.seconds)
                row = replace(row, status=answer.status)
        if verdict.same_time(*times):
            yield row
            return
    ours, nobodys = (sorted(spent)[len(spent) // 2] * 1000 for spent in times)
    why = f"{ours:.1f} ms, but {nobodys:.1f} ms for ids that never were"
    yield replace(row, verdict=Verdict.LEAK, why=why)


# ---- lists, filters, page tokens


def lists(world: World, one: Operation) -> Iterator[Row]:
    """What A's owner reads without an id holds nothing of B, whatever the filters ask for."""
    if one.method != "GET" or not one.role or not allowed("owner", one.role):
        return
    yield _listed(world, one, "everything", {})
    for name in one.queries:
        if name == "pageNextToken":
            yield from _token(world, one)
        elif name != "pageLimit":
            for theirs in (world.b.marker, *sorted(set(world.b.ids.values()))):
                yield _filtered(world, one, name, theirs)


def _listed(world: World, one: Operation, asked: str, query: Mapping[str, str]) -> Row:
    answer = _send(world, one, "owner", {}, **query)
    why = verdict.shown(answer, [*world.b.telling, world.b.tenant], list(query.values()))
    row = Row(one.name, "owner", asked, answer.status, Verdict.OPEN)
    return replace(row, verdict=Verdict.LEAK, why=why) if why else row


def _filtered(world: World, one: Operation, name: str, theirs: str) -> Row:
    nobodys = str(uuid.uuid4()) if _is_id(theirs) else f"iso-z-{uuid.uuid4().hex[:12]}"
    row = _listed(world, one, f"{name} of B", {name: theirs})
    if row.bad:
        return row
    answers = [_send(world, one, "owner", {}, **{name: text}) for text in (theirs, nobodys)]
    why = verdict.difference(answers[0], answers[1], [theirs], [nobodys])
    return replace(row, verdict=Verdict.LEAK, why=why) if why else replace(row, verdict=Verdict.CLOSED)


def _is_id(text: str) -> bool:
    try:
        return bool(uuid.UUID(text))
    except ValueError:
        return False


def _token(world: World, one: Operation) -> Iterator[Row]:
    """A token of B's list opens nothing of it."""
    page = world.api.send("GET", one.path, world.b.key, query={"pageLimit": "1"})
    token = _json(page).get("pageNextToken")
    if token:
        yield _listed(world, one, "a page token of B", {"pageLimit": "1", "pageNextToken": str(token)})


def _json(answer: Answer) -> Mapping[str, Any]:
    try:
        found = json.loads(answer.content)
    except ValueError:
        return {}
    return found if isinstance(found, Mapping) else {}


# ---- ids in bodies


def bodies(world: World, one: Operation) -> Iterator[Row]:
    """On A's own objects: a foreign id in a body is taken, or refused, as any other."""
    if one.method != "PATCH" or not allowed("owner", one.role):
        return
    if any(name not in world.a.ids for name in one.parameters):
        return
    for name in id_fields(one):
        theirs, nobodys = world.b.ids.get("device_id", world.b.tenant), str(uuid.uuid4())
        answers = [
            world.api.send(one.method, one.fill(world.a.ids), world.keys["owner"], {name: id})
            for id in (theirs, nobodys)
        ]
        same = answers[0].status == answers[1].status and (
            verdict.anonymous(answers[0].content) == verdict.anonymous(answers[1].content)
        )
        row = Row(one.name, "owner", f"foreign {name} in the body", answers[0].status, Verdict.CLOSED)
        yield row if same else replace(row, verdict=Verdict.LEAK, why="answered otherwise than any other id")


# ---- who asks


def roles(world: World, one: Operation) -> Iterator[Row]:
    """Every other key of A, and none: refused for the role, or as the owner is, whatever the ids are."""
    for role in world.keys:
        if role == "owner":
            continue
        if one.parameters and role not in (*STRANGERS, one.role if one.role == "platform" else ""):
            yield _asked(world, one, role, one.parameters)
        if not allowed(role, one.role):
            yield _refused(world, one, role)
        elif one.method == "GET":
            yield _opened(world, one, role)


def _refused(world: World, one: Operation, role: str) -> Row:
    """With A's own ids, or B's where nobody at all asks: these would be the greater loss."""
    whose = world.b if role in STRANGERS else world.a
    ids = {name: whose.ids.get(name) or str(uuid.uuid4()) for name in one.parameters}
    answer = _send(world, one, role, ids)
    asked = "foreign ids" if role in STRANGERS else "own ids"
    row = Row(one.name, role, asked if ids else "", answer.status, Verdict.CLOSED)
    why = verdict.shown(answer, [*world.a.telling, *world.b.telling], list(ids.values()))
    if why or answer.status < 300:
        return replace(row, verdict=Verdict.LEAK, why=why or "it was done")
    wanted = (401,) if role in STRANGERS or not one.role else (SHUT,)
    return (
        row
        if answer.status in wanted
        else replace(row, verdict=Verdict.LEAK, why=f"{wanted[0]} was expected")
    )


def _opened(world: World, one: Operation, role: str) -> Row:
    ids = {name: world.a.ids.get(name, "") for name in one.parameters}
    answer = _send(world, one, role, ids)
    row = Row(one.name, role, "own ids" if ids else "", answer.status, Verdict.OPEN)
    hidden = world.b.telling if role != "platform" else [*world.a.telling, *world.b.telling]
    if why := verdict.shown(answer, hidden):
        return replace(row, verdict=Verdict.LEAK, why=why)
    fine = answer.status == 200 or ("identity-keys" in one.path and answer.status == SHUT)
    return row if fine else replace(row, verdict=Verdict.UNPROVEN, why="200 was expected")


# ---- what B sees


def seen(world: World) -> Mapping[str, bytes]:
    """Everything that B reads of its own, by address, but for what comes by itself."""
    found = {}
    for one in world.operations:
        if one.method == "GET" and allowed("owner", one.role) and set(one.parameters) <= set(world.b.ids):
            path = one.fill(world.b.ids)
            found[path] = _settled(world.api.send("GET", path, world.b.key).content)
    return found


def _settled(content: bytes) -> bytes:
    try:
        said = json.loads(content)
    except ValueError:
        return content
    for item in said.get("items", ()) if isinstance(said, Mapping) else ():
        if isinstance(item, dict):
            for name in LATER:
                item.pop(name, None)
    return json.dumps(said, sort_keys=True).encode()


def changed(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> Iterator[Row]:
    """Whether anything of B is other than it was."""
    for path, content in before.items():
        same = after.get(path) == content
        why = "" if same else "B reads something else than before"
        yield Row(f"GET {path}", "B", "before and after", 200, Verdict.CLOSED if same else Verdict.LEAK, why)
