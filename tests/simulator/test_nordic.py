"""Nordic's client: what it takes and refuses, in which order it works, and what it reports."""

import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.simulator.modem import Modem
from provisioning.simulator.nordic import (
    Ask,
    Busy,
    Client,
    NotClaimed,
    Refused,
    Step,
    Summary,
    Unsendable,
    execute,
    run,
)
from provisioning.simulator.nordic_codec import (
    AtCommand,
    Config,
    Finished,
    Response,
    Settings,
    Undecodable,
    decode,
    encode,
)

from . import nordic_ends as ends
from .nordic_ends import CONFIGURED, ENDORSED, LAST, MADE, Scripted, Table

TAG = 16842753
DELETE = AtCommand(f"{MADE}.s", "%CMNG", f"3,{TAG},2", (513,))
MAKE = AtCommand(MADE, "%KEYGEN", f"{TAG},2,1")
ENDORSE = AtCommand(ENDORSED, "%KEYGEN", f"{TAG},8,1")
CONFIGURE = Config(CONFIGURED, {"provisioning/interval-sec": "99"})
END = Finished(LAST)
QUICK = Settings(pace=0.0001)


def wire(*items: Any) -> bytes:
    return cbor2.dumps(list(items))


def at(id: str, name: str = "%CMNG", parameters: str = "1", ignored: Sequence[int] = ()) -> list[Any]:
    return [id, 0, name, parameters, list(ignored)]


def client(terminal: Scripted, table: Table, settings: Settings = QUICK) -> tuple[Client, list[float]]:
    waits: list[float] = []
    return Client(terminal, table, settings, sleep=waits.append), waits


# The vectors


@pytest.mark.parametrize(
    ("payload", "commands"),
    [
        (ends.COMMANDS_1, [END]),
        (ends.COMMANDS_2, [DELETE, MAKE]),
        (ends.COMMANDS_3, [ENDORSE]),
        (ends.COMMANDS_4, [CONFIGURE]),
    ],
)
def test_the_vectors_are_read(payload: str, commands: list[Any]) -> None:
    assert decode(bytes.fromhex(payload)) == commands


@pytest.mark.parametrize(
    ("payload", "replies", "answer"),
    [
        (ends.COMMANDS_1, [], ends.RESPONSES_1),
        (ends.COMMANDS_2, [], ends.RESPONSES_2),
        (ends.COMMANDS_3, [], ends.RESPONSES_3),
        (ends.COMMANDS_3, ["ERROR"], ends.RESPONSES_3_FAILED),
        (ends.COMMANDS_4, [], ends.RESPONSES_4),
    ],
)
def test_the_vectors_are_answered(payload: str, replies: list[str], answer: str) -> None:
    batch = execute(Scripted(replies), decode(bytes.fromhex(payload)))
    assert encode(batch.responses).hex() == answer


@pytest.mark.parametrize(
    ("response", "serial", "answer"),
    [
        ((f"{MADE}.s", 99, 514, ""), False, ends.RESPONSES_2_FAILED),
        ((LAST, 102), True, ends.INDEFINITE_ACK),
        ((LAST, 99, 520, "ERROR"), True, ends.INDEFINITE_ERROR),
    ],
)
def test_the_vectors_of_single_responses_are_written(response: Response, serial: bool, answer: str) -> None:
    assert encode([response], serial_modem_style=serial).hex() == answer


# What is refused


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"", "no CBOR"),
        (b"\x80", "not 80"),
        (b"\xa0", "no array"),
        (b"\x9f" + wire([LAST, 2])[1:] + b"\xff", "no CBOR of definite lengths"),
        (b"\x81\x9f" + wire(LAST, 2)[1:] + b"\xff", "no CBOR of definite lengths"),
        (b"\x81\x82\x7f" + cbor2.dumps(LAST) + b"\xff\x02", "no CBOR of definite lengths"),
        (b"\x98\x01" + wire([LAST, 2])[1:], "shortest form"),
        (wire([LAST, 2])[:-1] + b"\x18\x02", "shortest form"),
        (wire([LAST, 2])[:-1] + b"\x19\x00\x02", "shortest form"),
        (wire([LAST, 2]) + b"\x00", "too much"),
        (wire([LAST, 2])[:-1], "no CBOR"),
        (b"\xff\xff", "no CBOR"),
        (wire([b"id", 2]), "does not begin"),
        (wire([1, 2]), "does not begin"),
        (wire([LAST]), "does not begin"),
        (wire([LAST, True]), "does not begin"),
        (wire("text"), "does not begin"),
        (wire(["", 2]), "0 characters"),
        (wire(["x" * 46, 2]), "46 characters"),
        (wire([LAST, 3]), "none of the kinds"),
        (wire([LAST, 2, 0]), "other fields"),
        (wire([LAST, 0, "%CMNG", "1"]), "other fields"),
        (wire([LAST, 0, "%CMNG", b"1", []]), "other fields"),
        (wire([LAST, 1]), "other fields"),
        (wire(at(LAST, ignored=range(7))), "7 codes"),
        (wire(at(LAST, ignored=[-1])), "unsigned"),
        (wire([LAST, 0, "%CMNG", "1", [True]]), "unsigned"),
        (wire([LAST, 0, "%CMNG", "1", ["513"]]), "unsigned"),
        (wire([LAST, 1, {str(key): "" for key in range(11)}]), "11 pairs"),
        (wire([LAST, 1, {"a": 1}]), "text and text"),
        (wire([LAST, 1, {1: "a"}]), "text and text"),
        (wire([LAST, 1, {}])[:-1] + bytes.fromhex("a2616161626161 6162"), "too much"),
        (wire(*([LAST, 2] for _ in range(11))), "more than the 10"),
        (wire(at(LAST, parameters="x" * (1792 - len("AT%CMNG=")))), "1792 bytes and a NUL"),
    ],
)
def test_what_the_library_refuses_is_refused_with_a_reason(payload: bytes, why: str) -> None:
    with pytest.raises(Undecodable, match=why):
        decode(payload)


@pytest.mark.parametrize(
    ("payload", "settings"),
    [
        (wire(["x" * 45, 2]), Settings()),
        (wire(at(LAST, ignored=range(6))), Settings()),
        (wire([LAST, 1, {str(key): "" for key in range(10)}]), Settings()),
        (wire([LAST, 1, {"b": "", "a": ""}]), Settings()),
        (wire(*([LAST, 2] for _ in range(10))), Settings()),
        (wire(*([LAST, 2] for _ in range(5))), Settings(records=5)),
        (wire(at(LAST, parameters="x" * (1791 - len("AT%CMNG=")))), Settings()),
        (wire(at(LAST, parameters="x" * 2000)), Settings(at_cmd_len=2048)),
    ],
)
def test_what_just_fits_is_taken(payload: bytes, settings: Settings) -> None:
    assert decode(payload, settings)


def test_a_smaller_build_takes_less() -> None:
    with pytest.raises(Undecodable, match="more than the 5"):
        decode(wire(*([LAST, 2] for _ in range(6))), Settings(records=5))


@given(st.binary(max_size=60))
def test_rubbish_is_refused_and_nothing_else(payload: bytes) -> None:
    with suppress(Undecodable):
        assert decode(payload)


# Work


def test_commands_are_done_in_order_with_the_radio_off() -> None:
    terminal = Scripted(["OK\r\n", '%KEYGEN: "a.b"\r\nOK\r\n'])
    batch = execute(terminal, [DELETE, MAKE, END])
    assert terminal.lines == ["AT+CFUN=4", f"AT%CMNG=3,{TAG},2", f"AT%KEYGEN={TAG},2,1", "AT+CFUN=1"]
    assert batch.responses == (
        (f"{MADE}.s", 100, "OK\r\n"),
        (MADE, 100, '%KEYGEN: "a.b"\r\nOK\r\n'),
        (LAST, 102),
    )
    assert (batch.after, batch.finished) == (LAST, True)


def test_what_stands_behind_a_failure_is_not_done_and_not_answered() -> None:
    terminal = Scripted(["+CME ERROR: 514\r\n"])
    batch = execute(terminal, [CONFIGURE, DELETE, MAKE, END])
    assert batch.responses == ((CONFIGURED, 101), (f"{MADE}.s", 99, 514, "+CME ERROR: 514\r\n"))
    assert (batch.after, batch.finished) == (f"{MADE}.s", False)
    assert f"AT%KEYGEN={TAG},2,1" not in terminal.lines


def test_a_code_to_ignore_is_success() -> None:
    batch = execute(Scripted(["+CME ERROR: 513\r\n"]), [DELETE, END])
    assert batch.responses == ((f"{MADE}.s", 100, "+CME ERROR: 513\r\n"), (LAST, 102))


def test_finished_is_answered_last_wherever_it_stood() -> None:
    batch = execute(Scripted(), [END, CONFIGURE])
    assert batch.responses == ((CONFIGURED, 101), (LAST, 102))


def test_an_error_without_a_code_is_code_0() -> None:
    assert execute(Scripted(["ERROR\r\n"]), [MAKE]).responses == ((MADE, 99, 0, "ERROR\r\n"),)


def test_a_build_that_looks_for_codes_only_reports_a_plain_error_as_a_reply() -> None:
    batch = execute(Scripted(["ERROR\r\n"]), [MAKE, END], Settings(plain_error_passes=True))
    assert batch.responses == ((MADE, 100, "ERROR\r\n"), (LAST, 102))


def test_an_error_within_a_reply_is_none() -> None:
    reply = '%CMNG: 1,4,"d","+CME ERROR: 513"\r\nOK\r\n'
    assert execute(Scripted([reply]), [MAKE]).responses == ((MADE, 100, reply),)


def test_a_configuration_is_kept_without_touching_the_radio() -> None:
    terminal = Scripted()
    assert execute(terminal, [CONFIGURE]).responses == ((CONFIGURED, 101),)
    assert (terminal.lines, terminal.settings) == ([], {"provisioning/interval-sec": "99"})


def test_a_real_modem_does_a_real_command() -> None:
    modem = Modem.make()
    batch = execute(modem, decode(bytes.fromhex(ends.COMMANDS_2)))
    assert batch.responses[0] == (f"{MADE}.s", 100, "+CME ERROR: 513\r\n")
    assert [(tag, kind) for tag, kind, _ in modem.store.listed()] == [(TAG, 2)]


# The loop


def test_it_asks_until_it_is_finished() -> None:
    table = Table([bytes.fromhex(ends.COMMANDS_2), bytes.fromhex(ends.COMMANDS_1)])
    summary = run(Scripted(), table, QUICK)
    assert [ask.after for ask in table.asked] == ["", MADE]
    assert [answer.hex() for answer in table.reported] == [ends.RESPONSES_2, ends.RESPONSES_1]
    assert (summary.finished, summary.polls, summary.failures) == (True, 2, [])


def test_it_stops_when_there_is_nothing_to_do() -> None:
    table = Table([bytes.fromhex(ends.COMMANDS_2), None])
    summary = run(Scripted(), table, QUICK)
    assert (summary.finished, summary.polls) == (False, 2)


def test_it_keeps_asking_where_it_is_told_to() -> None:
    table = Table([None, None, bytes.fromhex(ends.COMMANDS_1)])
    walker, waits = client(Scripted(), table, Settings(interval=5, pace=0.5))
    assert walker.run(until_finished=True).finished
    assert waits == [2.5, 2.5]


def test_it_gives_up_after_so_many_requests() -> None:
    summary = client(Scripted(), Table())[0].run(until_finished=True, polls=3)
    assert (summary.finished, summary.polls) == (False, 3)


def test_it_backs_off_from_a_busy_service_and_starts_anew_after_an_answer() -> None:
    busy = Busy("500")
    table = Table([busy, busy, busy, bytes.fromhex(ends.COMMANDS_2), busy, Busy("429", 7)])
    walker, waits = client(Scripted(), table, Settings(first_backoff=30, longest_backoff=100, pace=0.1))
    walker.run()
    assert waits == pytest.approx([3, 6, 10, 3, 7])


def test_what_was_not_stored_is_asked_for_and_done_again() -> None:
    commands = bytes.fromhex(ends.COMMANDS_2)
    table = Table([commands, commands, bytes.fromhex(ends.COMMANDS_1)], [Refused(204, ""), OSError("reset")])
    terminal = Scripted()
    summary = run(terminal, table, QUICK)
    assert [ask.after for ask in table.asked] == ["", MADE, MADE]
    assert terminal.lines.count(f"AT%KEYGEN={TAG},2,1") == 2
    assert summary.finished
    assert summary.responses == [(LAST, 102)]


def test_finished_counts_only_once_it_is_stored() -> None:
    table = Table([bytes.fromhex(ends.COMMANDS_1)], [Busy("500")])
    assert not run(Scripted(), table, QUICK).finished


@pytest.mark.parametrize("error", [NotClaimed("403"), Refused(415, ""), ConnectionError("away")])
def test_any_other_answer_ends_it(error: Exception) -> None:
    with pytest.raises(type(error)):
        run(Scripted(), Table([error]), QUICK)


def test_commands_that_cannot_be_taken_are_not_done() -> None:
    terminal, table = Scripted(), Table([wire(at(LAST), at("x" * 46))])
    with pytest.raises(Undecodable):
        run(terminal, table, QUICK)
    assert (terminal.lines, table.reported) == ([], [])


def test_responses_that_do_not_fit_the_send_buffer_are_lost() -> None:
    table = Table([wire(at(LAST))])
    with pytest.raises(Unsendable, match="send buffer of 100"):
        run(Scripted(["x" * 100]), table, Settings(tx=100))
    assert table.reported == []


def test_a_client_in_the_serial_modems_style_answers_so() -> None:
    table = Table([bytes.fromhex(ends.COMMANDS_1)])
    run(Scripted(), table, Settings(serial_modem_style=True))
    assert table.reported[0].hex() == ends.INDEFINITE_ACK


def test_an_older_client_tells_no_limit() -> None:
    assert Ask("", Settings(records=5)).limit == 5
    assert Ask("", Settings(tells_limit=False)).limit is None


def test_what_was_done_is_told_and_kept() -> None:
    told: list[Step] = []
    summary = run(
        Scripted(["ERROR"]), Table([wire([CONFIGURED, 1, {"a": "secret"}], at(MADE))]), watch=told.append
    )
    assert told == summary.steps == [Step(CONFIGURED, "config a", "OK"), Step(MADE, "AT%CMNG=1", "ERROR")]
    assert summary.failures == [(MADE, 99, 0, "ERROR")]


def test_a_second_run_of_one_boot_remembers_where_it_was() -> None:
    table = Table([bytes.fromhex(ends.COMMANDS_2), None])
    walker, _ = client(Scripted(), table)
    assert walker.run() == Summary(False, 2, walker_steps(), [(f"{MADE}.s", 100, ""), (MADE, 100, "")])
    walker.run()
    assert table.asked[-1].after == MADE


def walker_steps() -> list[Step]:
    return [Step(f"{MADE}.s", DELETE.line, ""), Step(MADE, MAKE.line, "")]


def test_the_simulator_shares_no_code_with_the_service() -> None:
    parts = ("modem", "nordic", "nordic_http", "nordic_mqtt")
    program = f"""
import importlib, sys
for part in {parts}:
    importlib.import_module(f"provisioning.simulator.{{part}}")
ours = {{".".join(name.split(".")[:2]) for name in sys.modules if name.startswith("provisioning.")}}
assert ours == {{"provisioning.simulator"}}, ours
assert not set(sys.modules) & {{"commands", "devices", "pki", "tenants", "django"}}
"""
    subprocess.run([sys.executable, "-c", program], check=True)
