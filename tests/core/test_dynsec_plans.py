"""The commands for the dynamic security plugin bring any state of a device to what the database says, and no other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from devices import passwords
from provisioning.dynsec import records
from provisioning.dynsec.plan import Found, plan, same
from provisioning.dynsec.records import BARE, User, Wanted

ROOT = "prov/v1"
DEVICE = UUID(int=1)
OWN = records.role_name(DEVICE)
RIGHTS = records.device_acls(ROOT, DEVICE)
LABELS = ("", BARE, *map(records.label, "abcx"))


@dataclass
class Plugin:
    """What the plugin does with its commands, for one device; `password` is whose it has."""

    client: dict[str, Any] | None = None
    acls: Sequence[Mapping[str, object]] | None = None
    opened: list[bool] = field(default_factory=list)

    def do(self, command: Mapping[str, Any]) -> None:
        given = {
            name: value for name, value in command.items() if name not in ("command", "username", "rolename")
        }
        match command["command"]:
            case "createClient":
                assert self.client is None
                self.client = {
                    "textname": "",
                    "password": None,
                    "roles": [],
                    "groups": [],
                    "enabled": True,
                } | given
            case "modifyClient":
                assert self.client is not None
                self.client |= given
            case "deleteClient":
                assert self.client is not None
                self.client = None
            case "disableClient" | "enableClient" as word:
                assert self.client is not None
                self.client["enabled"] = word == "enableClient"
            case "createRole":
                assert self.acls is None
                self.acls = command["acls"]
            case "modifyRole":
                assert self.acls is not None
                self.acls = command["acls"]
            case "deleteRole":
                assert self.client is None, "Mosquitto 2.0 crashes"
                self.acls = None
        if self.client and self.client["roles"]:
            assert self.acls is not None
        self.opened.append(self.open)

    @property
    def found(self) -> Found | None:
        if self.client is None:
            return None
        roles = [role["rolename"] for role in self.client["roles"]]
        return Found(self.client["textname"], self.client["enabled"], roles, self.client["groups"])

    @property
    def open(self) -> bool:
        """Whether the device gets anything: by a certificate its roles alone count."""
        return bool(self.client and (self.client["roles"] or self.client["groups"]))


wanteds = st.none() | st.builds(
    Wanted,
    st.booleans(),
    st.lists(st.sampled_from("abc"), unique=True).map(lambda ids: dict.fromkeys(ids, "$7$1$s$h")),
    st.booleans(),
).filter(lambda one: bool(one.passwords or one.certified))


@st.composite
def plugins(draw: st.DrawFn) -> Plugin:
    acls = draw(st.sampled_from([None, RIGHTS, RIGHTS[:1], RIGHTS[::-1]]))
    if draw(st.booleans()):
        return Plugin(None, acls)
    roles = draw(st.sampled_from([[], [{"rolename": OWN}], [{"rolename": OWN}, {"rolename": "other"}]]))
    label = draw(st.sampled_from(LABELS))
    client = {
        "textname": label,
        "password": None if label in ("", BARE) else label,
        "roles": roles if acls is not None else [],
        "groups": draw(st.sampled_from([[], ["all"]])),
        "enabled": draw(st.booleans()),
    }
    return Plugin(client, acls)


@given(plugins(), wanteds, st.booleans())
def test_after_its_commands_a_device_has_what_it_should(
    plugin: Plugin, wanted: Wanted | None, told: bool
) -> None:
    secret = "the newest" if told and wanted and wanted.newest else None
    todo = plan(ROOT, DEVICE, wanted, plugin.found, plugin.acls, secret)
    for command in todo.commands:
        plugin.do(command)
    if wanted is None:
        assert (plugin.client, plugin.acls) == (None, None)
        return
    if wanted.blocked:
        assert not any(plugin.opened)
        assert not plugin.open
        assert not (plugin.client and plugin.client["enabled"])
        return
    valid = {records.label(one) for one in wanted.passwords}
    if plugin.client and plugin.client["enabled"]:
        assert plugin.client["textname"] in valid | ({BARE} if wanted.certified else set())
        assert (plugin.client["password"] is None) == (plugin.client["textname"] == BARE)
        assert [role["rolename"] for role in plugin.client["roles"]] == [OWN]
        assert plugin.client["groups"] == []
        assert plugin.acls is not None
        assert same(plugin.acls, RIGHTS)
    else:
        assert not plugin.open
        assert todo.lost
    assert wanted.certified is False or plugin.open
    if secret:
        assert not todo.lost


@given(plugins(), wanteds, st.booleans())
def test_a_second_look_finds_nothing_to_do(plugin: Plugin, wanted: Wanted | None, told: bool) -> None:
    secret = "the newest" if told and wanted and wanted.newest else None
    for command in plan(ROOT, DEVICE, wanted, plugin.found, plugin.acls, secret).commands:
        plugin.do(command)
    assert plan(ROOT, DEVICE, wanted, plugin.found, plugin.acls, secret).commands == []


def test_no_password_shows_in_what_is_printed() -> None:
    wanted = Wanted(passwords={"a": "$7$1$s$h"})
    assert "open-sesame" not in repr(plan(ROOT, DEVICE, wanted, None, None, "open-sesame"))
    assert "open-sesame" not in repr(User("gateway", "open-sesame"))


def test_the_file_holds_what_mosquitto_hashes() -> None:
    """The plugin's words for our stored form, for one that may sign in and one that is blocked."""
    digest = passwords.digest("open-sesame")
    _, _, rounds, salt, derived = digest.split("$")
    other = UUID(int=2)
    file: Any = records.file(
        ROOT,
        [User("gateway", "g", topics=True), User("admin", "a", admin=True)],
        {DEVICE: Wanted(passwords={"a": digest}), other: Wanted(blocked=True, certified=True)},
    )
    clients = {one["username"]: one for one in file["clients"]}
    known = clients[str(DEVICE)]
    assert (known["password"], known["salt"], known["iterations"]) == (derived, salt, int(rounds))
    assert known["roles"] == [{"rolename": OWN}]
    assert clients[str(other)] == {"username": str(other), "textname": BARE, "roles": [], "disabled": True}
    assert [role["rolename"] for role in clients["gateway"]["roles"]] == ["keyseed topics"]
    assert [role["rolename"] for role in clients["admin"]["roles"]] == ["keyseed admin"]
    allowed = {kind for kind, allow in file["defaultACLAccess"].items() if allow}
    assert allowed == {"unsubscribe"}


@given(st.text(max_size=40) | st.uuids().map(str))
def test_only_a_canonical_id_is_a_device(name: str) -> None:
    device = records.device_of(name)
    assert device is None or str(device) == name
    assert records.owner_of(f"device {name}") == device
    assert records.owner_of(name) is None or name.startswith("device ")
