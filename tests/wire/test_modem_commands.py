"""Commands become what Nordic's library takes: its shapes, its bounds, and nothing that breaks an AT line."""

import io
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands import checks
from commands.catalogue import TYPES
from pki.errors import Invalid
from provisioning.wire import correlation, limits
from provisioning.wire.codec import CODECS
from provisioning.wire.errors import Unfit
from provisioning.wire.fit import fit
from provisioning.wire.messages import Get, Item
from tests.wire import golden, messages

NRF = CODECS["nrf"]
COMMAND = "0b5f4c2e-8d6a-4b0e-9f0e-3a1b2c3d4e5f"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
CSR = {"secTag": 7, "attributes": "CN=pump-17", "keyUsage": "101010000"}
Params = Mapping[str, Any]

tags = st.integers(0, checks.SEC_TAG_MOST)
LINE = st.characters(exclude_characters='"\x7f', exclude_categories=["Cs", "Cc"])
lines = st.text(LINE, min_size=1, max_size=128)
pems = st.text(LINE | st.just("\n"), min_size=1, max_size=3000)
usages = st.text("01", min_size=9, max_size=9)
PARAMS: dict[str, st.SearchStrategy[Params]] = {
    "clientPrivateKeyGeneration": st.fixed_dictionaries({"secTag": tags}),
    "cloudAccessKeyGeneration": st.fixed_dictionaries({"secTag": tags}),
    "certificateSigningRequest": st.fixed_dictionaries(
        {"secTag": tags, "attributes": lines, "keyUsage": usages}
    ),
    "serverCertificate": st.fixed_dictionaries({"secTag": tags, "content": pems}),
    "clientCertificate": st.fixed_dictionaries({"secTag": tags, "content": pems}),
    "clientPrivateKey": st.fixed_dictionaries({"secTag": tags, "content": pems, "password": lines}),
    "preSharedKey": st.fixed_dictionaries({"secTag": tags, "identity": lines, "secret": lines}),
    "config": st.dictionaries(messages.texts(64), messages.texts(100), min_size=1, max_size=100),
    "finished": st.just({}),
}
typed = st.sampled_from(sorted(PARAMS)).flatmap(
    lambda name: st.tuples(st.just(name), PARAMS[name], st.integers(0, 0xFFFFF))
)


def item(type: str, params: Params, attempt: int = 0) -> Item:
    return NRF.item(correlation.make(COMMAND, attempt), type, params)


def read(*items: Item) -> list[list[Any]]:
    """What the library, which takes definite lengths and shortest integers only, reads from an answer."""
    payload = NRF.commands("q", "PROVISIONING", items, 3)
    stream = io.BytesIO(payload)
    steps: list[list[Any]] = cbor2.CBORDecoder(stream, allow_indefinite=False).decode()
    assert stream.tell() == len(payload)
    assert cbor2.dumps(steps) == payload
    return steps


def test_every_type_has_a_vector_and_is_tried_here() -> None:
    sent = {
        command["type"]
        for vector in golden.load("nrf")
        if vector["verb"] == "commands"
        for command in vector["value"]["commands"]
    }
    assert sent == set(PARAMS) == set(TYPES)


@given(st.lists(typed, min_size=1, max_size=6))
def test_what_goes_out_is_what_the_library_takes(some: list[tuple[str, Params, int]]) -> None:
    items = [item(*one) for one in some]
    steps = read(*items)
    assert len(steps) == sum(one.steps for one in items)
    for id, kind, *rest in steps:
        assert len(id) <= limits.CORRELATION
        if kind == 0:
            command, parameters, ignored = rest
            assert command in ("%CMNG", "%KEYGEN")
            assert isinstance(parameters, str)
            assert ignored in ([], [513])
        elif kind == 1:
            assert 1 <= len(rest[0]) <= 10
            assert all(isinstance(text, str) for pair in rest[0].items() for text in pair)
        else:
            assert (kind, rest) == (2, [])


@given(typed)
def test_the_last_step_has_the_commands_id_and_the_helpers_have_others(
    one: tuple[str, Params, int],
) -> None:
    base, ids = correlation.make(COMMAND, one[2]), [id for id, *_ in read(item(*one))]
    assert ids[-1] == base
    assert (
        ids[:-1]
        == [base + end for end in (".s", ".s1", ".s2", ".s3", ".s4", ".s5", ".s6", ".s7", ".s8")][
            : len(ids) - 1
        ]
    )
    assert [correlation.helped(id) for id in ids] == [base] * (len(ids) - 1) + [None]


@given(PARAMS["config"])
def test_settings_are_spread_over_steps_and_none_is_lost(pairs: dict[str, str]) -> None:
    steps = read(item("config", pairs))
    assert [pair for step in steps for pair in step[2].items()] == list(pairs.items())
    assert len(steps) == -(-len(pairs) // 10)


@pytest.mark.parametrize(("pairs", "steps"), [(1, 1), (10, 1), (11, 2), (100, 10), (110, 11)])
def test_a_step_holds_ten_settings(pairs: int, steps: int) -> None:
    assert item("config", {f"k{number}": "v" for number in range(pairs)}).steps == steps


def test_more_settings_than_there_are_ids_for_steps_do_not_fit() -> None:
    with pytest.raises(Unfit, match=r"It takes 12 steps, and can have 11\."):
        item("config", {f"k{number}": "v" for number in range(111)})


def test_settings_keep_what_an_at_line_could_not_hold() -> None:
    assert read(item("config", {"motd": 'a "b"\r\n'}))[0][2] == {"motd": 'a "b"\r\n'}


def test_a_setting_that_is_no_text_is_the_callers_mistake() -> None:
    with pytest.raises(TypeError, match="settings are text"):
        item("config", {"k": 1})


def test_a_type_that_is_unknown_is_refused_by_its_name() -> None:
    with pytest.raises(Unfit, match="no way to do makeCoffee"):
        item("makeCoffee", {})


# ---- ids


@pytest.mark.parametrize(
    ("type", "params", "most"),
    [
        ("finished", {}, 0x7FFFFFFF),
        ("clientPrivateKeyGeneration", {"secTag": 1}, 0xFFFFFF),
        ("preSharedKey", {"secTag": 1, "identity": "pump", "secret": "00"}, 0xFFFFF),
    ],
)
def test_ids_are_as_long_as_the_library_has_room_for_and_no_longer(
    type: str, params: Params, most: int
) -> None:
    assert max(len(id) for id, *_ in read(item(type, params, most))) == 45
    if most + 1 in limits.ATTEMPT:
        with pytest.raises(Unfit, match="reset too often"):
            item(type, params, most + 1)


@pytest.mark.parametrize(
    "id", [COMMAND + ".0", COMMAND + ".s10", COMMAND + ".0.s0", COMMAND + ".0s", ".s", ""]
)
def test_what_is_no_helper_steps_id_helps_nothing(id: str) -> None:
    assert correlation.helped(id) is None


# ---- what cannot go into an AT line

FIELDS = {
    "attributes": ("certificateSigningRequest", CSR),
    "keyUsage": ("certificateSigningRequest", CSR),
    "content": ("clientPrivateKey", {"secTag": 1, "content": "PEM", "password": "p"}),
    "password": ("clientPrivateKey", {"secTag": 1, "content": "PEM", "password": "p"}),
    "identity": ("preSharedKey", {"secTag": 1, "identity": "pump", "secret": "00"}),
    "secret": ("preSharedKey", {"secTag": 1, "identity": "pump", "secret": "00"}),
}


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("letter", ['"', "\0", "\r", "\t", "\x1b", "\x7f", "\ud800"], ids=ascii)
def test_a_text_that_would_break_the_line_is_refused_by_its_field_and_not_shown(
    field: str, letter: str
) -> None:
    type, params = FIELDS[field]
    with pytest.raises(Unfit, match=f"^{field} cannot go into") as unfit:
        item(type, {**params, field: f"hush{letter}hush"})
    assert "hush" not in unfit.value.reason
    assert unfit.value.reason.endswith(".")


@pytest.mark.parametrize("field", FIELDS)
def test_a_line_break_is_for_pem_only(field: str) -> None:
    type, params = FIELDS[field]
    if field == "content":
        assert '"a\nb"' in read(item(type, {**params, field: "a\nb"}))[1][3]
    else:
        with pytest.raises(Unfit, match="line breaks"):
            item(type, {**params, field: "a\nb"})


@given(st.text(st.characters(), min_size=1, max_size=60) | lines)
def test_what_an_owner_may_post_as_a_line_goes_into_one_and_nothing_else_does(text: str) -> None:
    params = {"secTag": 1, "identity": text, "secret": "00"}
    try:
        checks.identity(text, NOW)
    except Invalid:
        with pytest.raises(Unfit):
            item("preSharedKey", params)
        return
    assert read(item("preSharedKey", params))[2][2:4] == ["%CMNG", f'0,1,4,"{text}"']


@pytest.mark.parametrize("text", ["{secTag}", "{0}", "{", "}}", "%s", "{password.x}"])
def test_braces_in_a_text_are_text(text: str) -> None:
    params = {"secTag": 1, "content": text, "password": text}
    assert read(item("clientPrivateKey", params))[1][3] == f'0,1,2,"{text}","{text}"'


# ---- what a device can take

CERTIFICATE = len('AT%CMNG=0,7,0,""')


@pytest.mark.parametrize(("letters", "alone"), [(1791 - CERTIFICATE, False), (1792 - CERTIFICATE, True)])
def test_a_long_line_goes_alone(letters: int, alone: bool) -> None:
    assert item("serverCertificate", {"secTag": 7, "content": "x" * letters}).alone is alone


def test_a_line_is_measured_in_bytes() -> None:
    assert item("serverCertificate", {"secTag": 7, "content": "é" * 900}).alone


@given(typed)
def test_the_room_for_results_is_enough_for_what_a_modem_says(one: tuple[str, Params, int]) -> None:
    attributes = one[1].get("attributes", "") if one[0] != "config" else ""
    made = "x" * (565 + len(attributes.encode()))
    said: list[list[object]] = []
    for id, kind, *rest in read(item(*one)):
        # A slot that was empty, whatever comes of the step.
        output = f'%KEYGEN: "{made}"\r\nOK\r\n' if "%KEYGEN" in rest[:1] else "+CME ERROR: 513\r\n"
        said.append([id, 100, output] if kind == 0 else [id, 100 + kind])
    room = item(*one).reply
    assert len(cbor2.dumps(said)) <= room <= len(cbor2.dumps(said)) + 60


def test_a_key_takes_about_as_much_room_as_it_is_known_to() -> None:
    assert item("finished", {}).reply == 48
    assert item("clientPrivateKeyGeneration", {"secTag": 1}).reply == 67 + 640
    assert item("certificateSigningRequest", CSR).reply == 67 + 640 + len("CN=pump-17")


def test_steps_and_not_commands_count_for_the_limit() -> None:
    keys = [item("clientPrivateKeyGeneration", {"secTag": tag}) for tag in range(4)]
    for limit, count in ((1, 0), (2, 1), (3, 1), (5, 2), (8, 4)):
        assert fit(NRF, Get(limit=limit), "PROVISIONING", keys, 4) == count


def test_a_device_that_can_send_little_makes_one_key_at_a_time() -> None:
    keys = [item("clientPrivateKeyGeneration", {"secTag": tag}) for tag in range(3)]
    for room, count in ((1024, 1), (2048, 2), (4096, 3)):
        assert fit(NRF, Get(tx_max_size=room), "PROVISIONING", keys, 3) == count


def test_nothing_to_do_is_no_bytes_whatever_the_rest() -> None:
    assert NRF.commands("q", "READY", [], 7) == b""
    assert NRF.size("q", "READY", 0, 0, 7) == 0
