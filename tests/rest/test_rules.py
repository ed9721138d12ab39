"""Provisioning rules: written, read, switched on and off, looked at before they do anything."""

import re
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commands.models import Command, Rule, RuleCommand
from commands.placeholders import KNOWN
from tenants.models import Tenant
from tests.pki.make import SESAME
from tests.rest.cast import CONFIG, DEVICES, FINISHED, PSK, Answer, Board, Cast, Person, unknown
from tests.rest.material import authority, encrypted_key, root

RULES = "/v1/provisioning-rules"
FIELDS = {"id", "name", "description", "active", "tags", "commands", "createdAt", "activatedAt", "devices"}
SECRET = str(PSK["preSharedKey"]["secret"])


def body(**fields: Any) -> dict[str, Any]:
    return {"name": "pumps", "tags": ["pumps"], "commands": [{"request": CONFIG}], **fields}


def rule(person: Person, **fields: Any) -> str:
    """A rule of this person's tenant; its id."""
    made = person.post(RULES, body(**fields))
    assert made.status == 201, made.body
    return str(made.body["id"])


def preview(person: Person, id: str) -> dict[str, Any]:
    found = person.post(f"{RULES}/{id}/preview")
    assert found.status == 200, found.body
    return dict(found.body)


def version(person: Person) -> int:
    return Tenant.objects.get(id=person.tenant.id).rules_version


# ---- made and read


def test_a_rule_is_made_as_its_owner_says(cast: Cast) -> None:
    commands = [{"request": CONFIG, "description": "Set up"}, {"request": FINISHED}]
    said = body(description="every pump", tags=["pumps, north", "north"], commands=commands)
    made = cast.admin.post(RULES, said)
    assert made.status == 201
    assert set(made.body) == FIELDS
    assert (made.body["name"], made.body["description"], made.body["active"]) == (
        "pumps",
        "every pump",
        False,
    )
    assert made.body["tags"] == ["pumps", "north"]
    assert made.body["commands"] == [
        {"request": CONFIG, "description": "Set up"},
        {"request": FINISHED, "description": ""},
    ]
    assert (made.body["activatedAt"], made.body["devices"]) == (None, 0)
    assert cast.viewer.get(f"{RULES}/{made.body['id']}").body == made.body
    assert cast.viewer.get(RULES).body == {"items": [made.body], "pageNextToken": None}


def test_every_type_is_taken_and_its_secrets_are_shown_never(cast: Cast) -> None:
    requests: list[dict[str, Any]] = [
        {"clientPrivateKeyGeneration": {"secTag": 1}},
        {
            "certificateSigningRequest": {
                "secTag": 1,
                "attributes": "CN={{device.id}}",
                "keyUsage": "101000000",
            }
        },
        {"serverCertificate": {"secTag": 1, "content": authority().pem}},
        {"clientPrivateKey": {"secTag": 1, "content": encrypted_key(), "password": SESAME}},
        {"preSharedKey": {**PSK["preSharedKey"], "identity": "{{device.serialNumber}}"}},
        {"config": {"topic": "{{device.imei}}/{{device.deviceType}}"}},
    ]
    made = cast.admin.post(RULES, body(commands=[{"request": request} for request in requests]))
    shown = [command["request"] for command in made.body["commands"]]
    requests[3]["clientPrivateKey"] |= {"content": "***", "password": "***"}
    requests[4]["preSharedKey"] |= {"secret": "***"}
    assert shown == requests
    sealed = dict(RuleCommand.objects.values_list("type", "secrets"))
    assert {type for type, secrets in sealed.items() if secrets} == {"clientPrivateKey", "preSharedKey"}
    stored = str(list(RuleCommand.objects.values()))
    for secret in (SECRET, SESAME, encrypted_key().splitlines()[2]):
        assert secret not in stored
    assert preview(cast.viewer, made.body["id"])["commands"][3]["request"] == requests[3]


def test_a_braced_secret_is_a_secret_like_any_other(cast: Cast) -> None:
    shared = {"clientPrivateKey": {"secTag": 1, "content": encrypted_key(), "password": "{{device.id}}"}}
    answer = cast.admin.post(RULES, body(commands=[{"request": shared}]))
    assert (answer.status, answer.fields) == (400, ["commands[0].request.clientPrivateKey.password"])
    assert "{{device.id}}" not in str(answer.body)


def test_a_name_is_taken_once_in_a_tenant(cast: Cast) -> None:
    first = rule(cast.admin)
    answer = cast.admin.post(RULES, body())
    assert (answer.status, answer.body["code"], answer.fields) == (409, "NAME_TAKEN", ["name"])
    rule(cast.stranger)
    second = rule(cast.admin, name="boilers")
    assert cast.admin.patch(f"{RULES}/{second}", {"name": "pumps"}).body["code"] == "NAME_TAKEN"
    assert cast.admin.patch(f"{RULES}/{first}", {"name": "pumps"}).status == 200
    cast.admin.delete(f"{RULES}/{first}")
    assert cast.admin.patch(f"{RULES}/{second}", {"name": "pumps"}).status == 200


def test_a_hundred_rules_are_the_most_and_all_on_one_page(cast: Cast) -> None:
    for number in range(100):
        rule(cast.admin, name=f"rule {number}")
    answer = cast.admin.post(RULES, body(name="one more"))
    assert (answer.status, answer.body["code"]) == (409, "TOO_MANY")
    page = cast.viewer.get(RULES).body
    assert page["pageNextToken"] is None
    assert [one["name"] for one in page["items"]] == [f"rule {number}" for number in range(100)]
    parts = [len(items) for items in cast.viewer.pages(f"{RULES}?pageLimit=40")]
    assert parts == [40, 40, 20]


# ---- what is refused


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": None}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"description": "x" * 201}, "description"),
        ({"active": "true"}, "active"),
        ({"active": 1}, "active"),
        ({"active": None}, "active"),
        ({"tags": []}, "tags"),
        ({"tags": "pumps"}, "tags"),
        ({"tags": None}, "tags"),
        ({"tags": [""]}, "tags"),
        ({"tags": ["x" * 101]}, "tags"),
        ({"tags": [str(n) for n in range(51)]}, "tags"),
        ({"commands": []}, "commands"),
        ({"commands": None}, "commands"),
        ({"commands": [{"request": CONFIG}] * 21}, "commands"),
        ({"commands": [{"request": CONFIG}, {}]}, "commands[1].request"),
        ({"commands": [{"request": {"finish": {}}}]}, "commands[0].request"),
        ({"commands": [{"request": CONFIG, "issue": {}}]}, "commands[0].issue"),
        ({"commands": [{"request": CONFIG, "delay": 1}]}, "commands[0].delay"),
        ({"commands": [{"request": {"config": {"a": "{{x}}"}}}]}, "commands[0].request.config.a"),
        ({"commands": [{"request": {"config": {"{{x}}": 1}}}]}, "commands[0].request.config"),
        ({"templates": []}, "templates"),
    ],
)
def test_what_cannot_be_is_refused_by_name(cast: Cast, wrong: dict[str, Any], field: str) -> None:
    answer = cast.admin.post(RULES, body(**wrong))
    assert (answer.status, answer.body["code"], answer.fields) == (400, "INVALID", [field])
    made = rule(cast.admin)
    changed = cast.admin.patch(f"{RULES}/{made}", wrong)
    assert (changed.status, changed.fields) == (400, [field])
    assert Rule.objects.count() == 1


@pytest.mark.parametrize("field", ["name", "tags", "commands"])
def test_what_is_needed_is_named(cast: Cast, field: str) -> None:
    said = body()
    del said[field]
    answer = cast.admin.post(RULES, said)
    assert (answer.status, answer.fields) == (400, [field])


def test_every_wrong_text_of_all_commands_is_named_with_what_may_stand_there(cast: Cast) -> None:
    csr = {"secTag": -1, "attributes": "CN={{device.id}}", "keyUsage": "1"}
    commands: list[dict[str, Any]] = [
        {"config": {"a": "{{device.secret}}", "b": "{{", "c": "{{device.id}}"}},
        CONFIG,
        {"certificateSigningRequest": csr},
        {"serverCertificate": {"secTag": 1, "content": "{{device.id}}"}},
    ]
    answer = cast.admin.post(RULES, body(commands=[{"request": request} for request in commands]))
    assert answer.fields == [
        "commands[0].request.config.a",
        "commands[0].request.config.b",
        "commands[2].request.certificateSigningRequest.keyUsage",
        "commands[2].request.certificateSigningRequest.secTag",
        "commands[3].request.serverCertificate.content",
    ]
    assert KNOWN in answer.message


def test_no_other_tenants_rule_is_touched(cast: Cast) -> None:
    theirs = rule(cast.stranger)
    for answer in (
        cast.admin.get(f"{RULES}/{theirs}"),
        cast.admin.patch(f"{RULES}/{theirs}", {"active": True}),
        cast.admin.delete(f"{RULES}/{theirs}"),
        cast.admin.post(f"{RULES}/{theirs}/preview"),
        cast.admin.get(f"{RULES}/{unknown()}"),
    ):
        assert (answer.status, answer.body["code"]) == (404, "NOT_FOUND")
    assert cast.admin.get(RULES).body["items"] == []
    assert not Rule.objects.get().active


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    said=st.dictionaries(
        st.sampled_from(["name", "description", "active", "tags", "commands"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.just("{{device.id}}"),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["request", "config", "description", "a"]), inner, max_size=2
                )
            ),
            max_leaves=8,
        ),
    )
)
def test_no_body_whatever_breaks_anything(cast: Cast, said: dict[str, Any]) -> None:
    answers: list[Answer] = [cast.admin.post(RULES, said), cast.admin.post(RULES, {**body(), **said})]
    for answer in answers:
        assert answer.status in (201, 400, 409), answer.body
        if answer.status == 201:
            cast.admin.delete(f"{RULES}/{answer.body['id']}")
            assert UUID(answer.body["id"])


# ---- changed


def test_a_draft_changes_in_everything(cast: Cast) -> None:
    made = rule(cast.admin, commands=[{"request": PSK}])
    change = {
        "name": "boilers",
        "description": "d",
        "tags": ["b", "a"],
        "commands": [{"request": FINISHED, "description": "end"}, {"request": CONFIG, "description": ""}],
    }
    changed = cast.admin.patch(f"{RULES}/{made}", change)
    assert changed.status == 200
    assert {name: changed.body[name] for name in change} == change
    assert cast.admin.patch(f"{RULES}/{made}", {}).body == changed.body
    assert (changed.body["active"], version(cast.admin)) == (False, 0)


def test_what_was_ever_active_keeps_its_tags_and_commands(cast: Cast) -> None:
    made = rule(cast.admin)
    active = cast.admin.patch(f"{RULES}/{made}", {"active": True}).body
    assert active["active"]
    assert active["activatedAt"] is not None
    assert not cast.admin.patch(f"{RULES}/{made}", {"active": False}).body["active"]
    for change in ({"tags": ["x"]}, {"commands": [{"request": FINISHED}]}, {"name": "y", "tags": ["pumps"]}):
        answer = cast.admin.patch(f"{RULES}/{made}", change)
        assert (answer.status, answer.body["code"]) == (409, "RULE_FIXED")
        assert "make a new rule" in answer.message
    changed = cast.admin.patch(f"{RULES}/{made}", {"name": "y", "description": "z", "active": True}).body
    assert (changed["name"], changed["description"], changed["active"]) == ("y", "z", True)
    assert (changed["tags"], changed["activatedAt"]) == (["pumps"], active["activatedAt"])


def test_only_what_makes_a_rule_reach_more_devices_sends_them_looking(cast: Cast) -> None:
    made = rule(cast.admin)
    cast.admin.patch(f"{RULES}/{made}", {"tags": ["x"], "name": "y"})
    assert version(cast.admin) == 0
    for change, wanted in (
        ({"active": True}, 1),
        ({"active": True}, 1),
        ({"description": "z"}, 1),
        ({"active": False}, 1),
        ({"active": True}, 2),
    ):
        cast.admin.patch(f"{RULES}/{made}", change)
        assert version(cast.admin) == wanted
    rule(cast.admin, active=True)
    assert version(cast.admin) == 3
    cast.admin.delete(f"{RULES}/{made}")
    assert (version(cast.admin), version(cast.stranger)) == (3, 0)


def test_a_deleted_rule_is_gone_and_what_it_gave_stays(cast: Cast, device: str, board: Board) -> None:
    made = rule(cast.admin, active=True)
    assert len(board.pull()) == 1
    assert cast.viewer.get(f"{RULES}/{made}").body["devices"] == 1
    assert cast.admin.delete(f"{RULES}/{made}").status == 204
    assert cast.admin.delete(f"{RULES}/{made}").status == 404
    assert not RuleCommand.objects.exists()
    assert len(cast.viewer.get(f"{DEVICES}/{device}/provisioning").body["items"]) == 1


def test_a_rule_made_again_under_its_name_is_another_rule(cast: Cast, device: str, board: Board) -> None:
    cast.admin.delete(f"{RULES}/{rule(cast.admin, active=True)}")
    rule(cast.admin, active=True)
    board.do_all()
    assert cast.viewer.get(RULES).body["items"][0]["devices"] == 1
    assert Command.objects.count() == 1


# ---- looked at before


def test_a_preview_says_who_and_what_and_changes_nothing(cast: Cast, device: str) -> None:
    waits = cast.editor.device(name="w", tags=["pumps", "x"])
    cast.editor.post(f"{DEVICES}/{waits}/block")
    cast.editor.device(tags=["x"])
    cast.stranger.device(tags=["pumps"])
    made = rule(cast.admin, commands=[{"request": {"config": {"sn": "{{device.serialNumber}}"}}}])
    found = preview(cast.viewer, made)
    assert found == {
        "devices": {"matching": 2, "given": 0, "due": 2, "later": 1},
        "items": [
            {"deviceId": device, "name": "pump 17", "serialNumber": "SN-17", "status": "READY"},
            {"deviceId": waits, "name": "w", "serialNumber": "", "status": "BLOCKED"},
        ],
        "commands": [{"request": {"config": {"sn": "SN-17"}}, "description": ""}],
        "problem": None,
    }
    assert preview(cast.viewer, made) == found
    assert not Command.objects.exists()
    assert version(cast.admin) == 0


def test_a_preview_follows_what_was_given(cast: Cast, device: str, board: Board) -> None:
    made = rule(
        cast.admin, active=True, commands=[{"request": {"config": {"sn": "{{device.serialNumber}}"}}}]
    )
    board.pull()
    found = preview(cast.viewer, made)
    assert found["devices"] == {"matching": 1, "given": 1, "due": 0, "later": 0}
    assert (found["items"], found["problem"]) == ([], None)
    assert found["commands"][0]["request"] == {"config": {"sn": "{{device.serialNumber}}"}}
    cast.editor.patch(f"{DEVICES}/{device}", {"tags": []})
    assert preview(cast.viewer, made)["devices"] == {"matching": 0, "given": 1, "due": 0, "later": 0}


def test_a_preview_says_why_the_first_device_would_not_get_it(cast: Cast) -> None:
    cast.editor.device(tags=["pumps"])
    csr = {"secTag": 1, "attributes": "CN={{device.serialNumber}}", "keyUsage": "101000000"}
    found = preview(cast.viewer, rule(cast.admin, commands=[{"request": {"certificateSigningRequest": csr}}]))
    assert "commands[0].request.certificateSigningRequest.attributes" in found["problem"]
    assert found["commands"][0]["request"] == {"certificateSigningRequest": csr}


def test_a_preview_names_a_hundred_devices(cast: Cast) -> None:
    for number in range(101):
        cast.editor.device(name=str(number), tags=["pumps"])
    found = preview(cast.viewer, rule(cast.admin))
    assert found["devices"]["due"] == 101
    assert [one["name"] for one in found["items"]] == [str(number) for number in range(100)]


def test_a_preview_takes_no_body(cast: Cast) -> None:
    assert cast.viewer.post(f"{RULES}/{rule(cast.admin)}/preview", {"limit": 1}).fields == ["limit"]


# ---- as nRF Cloud's own tools use it


def test_onboarding_is_set_up_as_nordics_tools_do_it(cast: Cast) -> None:
    """They look at the tags of the first page, describe the tag, and make the rule; 201 is all they take."""
    name, tag, slot = "nRF Cloud Onboarding", "nrf-cloud-onboarding", 16842753
    for number in range(99):
        rule(cast.admin, name=f"rule {number}")
    assert not [one for one in cast.admin.get(RULES).body["items"] if tag in one["tags"]]
    described = {"tag": tag, "description": "Devices that are onboarded by themselves"}
    assert cast.admin.post("/v1/provisioning/tags", described).status == 201
    requests = [
        {"clientPrivateKeyGeneration": {"secTag": slot}},
        {"cloudAccessKeyGeneration": {"secTag": slot}},
        {"serverCertificate": {"secTag": slot, "content": root()}},
    ]
    commands = [{"request": request} for request in requests]
    said = {"name": name, "description": "", "active": True, "commands": commands, "tags": [tag]}
    assert cast.admin.post(RULES, said).status == 201
    (found,) = [one for one in cast.admin.get(RULES).body["items"] if tag in one["tags"]]
    assert (found["name"], found["active"]) == (name, True)
    device = cast.admin.device(tags=[tag])
    served = Board(device).pull()
    assert [{one["type"]: one["params"]} for one in served] == requests
    assert re.fullmatch(r"[0-9a-f-]{36}", found["id"])
