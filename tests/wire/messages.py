"""Hypothesis strategies for what devices may say, and a device's own encoders for it."""

import json
import re
from collections.abc import Callable
from typing import Any

import cbor2
from hypothesis import strategies as st

from provisioning.wire import limits
from provisioning.wire.messages import Get, Result, Results

Body = dict[str, Any]

ENCODERS: dict[str, Callable[[object], bytes]] = {
    "json": lambda body: json.dumps(body).encode(),
    "cbor": cbor2.dumps,
    "nrf": cbor2.dumps,
}


def texts(most: int) -> st.SearchStrategy[str]:
    """Text that the wire lets through: no NUL, no surrogates."""
    return st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=most)


ids = texts(limits.ID)
statuses = st.sampled_from(("READY", "PROVISIONING", "AWAITING", "PROVISIONED", "ERROR", "BLOCKED"))
plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts(20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts(5), inner, max_size=3),
    max_leaves=8,
)
# Over anything: wrong types, huge numbers, NUL and half surrogates.
wild = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=20,
)


@st.composite
def gets(draw: st.DrawFn) -> tuple[Body, Get]:
    """The body of a `get`, each key there or not, and what it means."""
    body: Body = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "id": ids,
                "after": texts(limits.CORRELATION),
                "limit": st.integers(1, 20),
                "rxMaxSize": st.integers(limits.RX_MIN, limits.SIZE_MAX),
                "txMaxSize": st.integers(0, limits.SIZE_MAX),
                "types": st.lists(texts(limits.TYPE), max_size=5),
                "client": st.dictionaries(texts(64), texts(64), max_size=4),
            },
        )
    )
    types = body.get("types")
    return body, Get(
        id=body.get("id"),
        after=body.get("after"),
        limit=body.get("limit", 10),
        rx_max_size=body.get("rxMaxSize", 8192),
        tx_max_size=body.get("txMaxSize"),
        types=None if types is None else frozenset(types),
        client=body.get("client", {}),
    )


values = (
    st.none() | texts(40) | st.fixed_dictionaries({}, optional={"publicKey": texts(40), "csr": texts(40)})
)


@st.composite
def entries(draw: st.DrawFn) -> tuple[Body, Result]:
    """One entry of `results`, and what it means."""
    id = draw(ids)
    if draw(st.booleans()):
        value = draw(values)
        body = {"id": id, "ok": True} | ({} if value is None else {"value": value})
        return body, Result(id=id, ok=True, value=value)
    code, message = draw(st.integers(-(2**31), 2**31 - 1)), draw(texts(40))
    body = {"id": id, "ok": False, "error": {"code": code, "message": message}}
    return body, Result(id=id, ok=False, code=code, message=message)


@st.composite
def reports(draw: st.DrawFn) -> tuple[Body, Results]:
    """The body of a `results`, and what it means."""
    some = draw(st.lists(entries(), max_size=5))
    id = draw(st.none() | ids)
    body = {} if id is None else {"id": id}
    return {**body, "results": [entry for entry, _ in some]}, Results(
        id=id, results=tuple(result for _, result in some)
    )


modem_ids = texts(limits.ID).filter(lambda text: not re.search(r"\.s[1-9]?\Z", text))
helpers = st.sampled_from((".s", *(f".s{number}" for number in range(1, 10))))
bases = st.builds("{}.{:x}".format, st.uuids(), st.integers(0, 2**16))
outputs = st.text("ABCdef0189-_.", max_size=40)


@st.composite
def responses(draw: st.DrawFn) -> tuple[list[object], Result | None]:
    """One response of a modem's library, and what it means for its command."""
    helps = draw(st.booleans())
    id = draw(bases if helps else modem_ids)
    sent = id + draw(helpers) if helps else id
    kind = draw(st.sampled_from((99, 100, 101, 102)))
    if kind == 99:
        code, said = draw(st.integers(0, 2**31 - 1)), draw(texts(1100))
        return [sent, kind, code, said], Result(id=id, ok=False, code=code, message=said[:1024])
    if kind > 100:
        return [sent, kind], None if helps else Result(id=id, ok=True)
    made = draw(st.none() | outputs)
    start, end = draw(st.sampled_from(("", "\r\n"))), draw(st.sampled_from(("", "\r\n", "\r\nOK\r\n")))
    said = start + ("" if made is None else f'%KEYGEN: "{made}"') + end
    return [sent, kind, said], None if helps else Result(id=id, ok=True, value=made)


@st.composite
def modem_reports(draw: st.DrawFn) -> tuple[list[object], Results]:
    """The body of a `results` in `nrf`, and what it means."""
    some = draw(st.lists(responses(), min_size=1, max_size=5))
    return [response for response, _ in some], Results(
        results=tuple(result for _, result in some if result is not None)
    )
