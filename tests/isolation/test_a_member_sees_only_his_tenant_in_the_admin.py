"""Every address of the admin, as a member of tenant A, with what belongs to tenant B and with what never was."""

import re
from typing import Any
from uuid import uuid4

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.contrib.messages import get_messages
from django.utils import timezone
from pytest_django.fixtures import Settings

from commands.models import Command
from devices.models import Credential, Device, DeviceCA, IdentityKey, OutboxRow
from tenants import audit
from tenants.admin.scope import Scoped
from tenants.models import AuditEntry, Member, Tenant, Webhook
from tenants.roles import Role
from tests.admin import people
from tests.admin.people import Operator
from tests.isolation.admin_urls import Address, addresses
from tests.rest.cast import CONFIG, person

B = dict[Any, Any]

ALL = addresses()
WITH_IDS = [one for one in ALL if one.parameters]
OPERATORS_ONLY = {"User", "Group", "OutboxRow", "IdentityKey"}
"""Pages that no member ever sees."""

WORDS = {"key": ("block", "unblock", "reset-run", "skip", "activate", "reset_run"), "app_label": ("devices",)}
"""What stands in addresses besides ids."""

MARK = "of-b-only"


@pytest.fixture(autouse=True)
def alone(settings: Settings) -> None:
    """Without Redis, and without the limits of requests."""
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    settings.KEYSEED_KEY_RATE = settings.KEYSEED_STRANGER_RATE = 0


@pytest.fixture
def b(db: None) -> B:
    """Tenant B with one of everything, by model; each shows `MARK` somewhere."""
    owner = person(people.tenant(MARK), Role.OWNER)
    device = owner.device(name=MARK, serialNumber=MARK, tags=[MARK])
    owner.commands(device, {"config": {"marker": MARK}})
    owner.post(f"/v1/claimed-devices/{device}/credentials", {"kind": "password"})
    made = [
        owner.post("/v1/api-keys", {"name": MARK, "role": "viewer"}),
        owner.post(
            "/v1/provisioning-rules", {"name": MARK, "tags": [MARK], "commands": [{"request": CONFIG}]}
        ),
        owner.post("/v1/members", {"userName": MARK, "role": "viewer"}),
        owner.post("/v1/webhooks", {"url": f"https://{MARK}.invalid/", "events": ["command.failed"]}),
    ]
    assert [answer.status for answer in made] == [201] * 4
    now = timezone.now()
    OutboxRow.objects.create(kind="kick", device_id=device, created_at=now, due_at=now, error=MARK)
    IdentityKey.objects.create(device_id=device, public_key=MARK)
    Group.objects.create(name=MARK)
    audit.record("device.tested", "device", device, owner.tenant.id, {"marker": MARK})
    models: set[Any] = {*admin.site._registry, Command, Credential} - {DeviceCA}
    found = {
        model: model._default_manager.order_by("-pk").first() for model in models if model is not DeviceCA
    }
    return {**found, Tenant: owner.tenant, User: User.objects.get(username=MARK)}


@pytest.fixture
def member(db: None, request: pytest.FixtureRequest) -> Operator:
    return people.member("anna", people.tenant("here"), getattr(request, "param", Role.OWNER))


def ids(address: Address, b: B, key: str) -> dict[str, Any]:
    """B's ids for this address."""
    named = {
        "device_id": b[Device].pk,
        "command_id": b[Command].pk,
        "credential_id": b[Credential].pk,
        "key": key,
        "app_label": "devices",
        "content_type_id": ContentType.objects.get_for_model(Device).pk,
    }
    own: Any = b.get(address.model, b[Device])
    return {name: named.get(name, own.pk) for name in address.parameters}


def never(address: Address, theirs: dict[str, Any]) -> dict[str, Any]:
    kept = ("key", "app_label", "content_type_id", "url")
    return {
        name: id if name in kept else (2**31 - 7 if isinstance(id, int) else uuid4())
        for name, id in theirs.items()
    }


def told(answer: Any, sent: dict[str, Any]) -> tuple[object, ...]:
    """What came back, without what was sent and what no two pages share."""
    messages = [str(one) for one in get_messages(answer.wsgi_request)]
    last = [re.sub("“[^”]*”", "“ID”", text) for text in messages[-1:]]
    texts = [answer.getvalue().decode(), re.sub(r"/\d+/", "/ID/", answer.headers.get("Location", "")), *last]
    for id in sorted(map(str, sent.values()), key=len, reverse=True):
        if len(id) > 8:
            texts = [text.replace(id, "ID") for text in texts]
    token = r'(csrfmiddlewaretoken" value="|X-CSRFToken": ")[^"]+'
    return answer.status_code, *(re.sub(token, r"\1", text) for text in texts)


def everything() -> dict[str, list[Any]]:
    """What the database has, but for who is signed in."""
    models = [Device, Command, Credential, AuditEntry, OutboxRow, IdentityKey, Member, User, Group, Webhook]
    rows = {model.__name__: list(model._default_manager.order_by("pk").values()) for model in models}
    for name in {m.__name__: m for m in admin.site._registry}:
        rows.setdefault(name, [])
    for model in admin.site._registry:
        rows[model.__name__] = list(model._default_manager.order_by("pk").values())
    return rows


@pytest.mark.parametrize("member", [Role.OWNER, Role.VIEWER], indirect=True, ids=str)
def test_what_is_bs_answers_as_what_never_was(b: B, member: Operator) -> None:
    before = everything()
    for address in WITH_IDS:
        for key in WORDS["key"] if "key" in address.parameters else ("",):
            theirs = ids(address, b, key)
            nobodys = never(address, theirs)
            for send in (member.client.get, member.client.post):
                data = {"post": "yes", "overlap": "0", "name": "x", "role": "owner"}
                foreign, other = send(address.path(theirs), data), send(address.path(nobodys), data)
                assert told(foreign, theirs) == told(other, nobodys), (address.route, key)
                assert foreign.status_code in (302, 403, 404, 405), (address.route, key)
                assert MARK not in str(told(foreign, theirs)), (address.route, key)
    assert everything() == before


@pytest.mark.parametrize("role", [Role.OWNER, Role.VIEWER])
def test_no_page_without_an_id_shows_anything_of_b(b: B, role: Role) -> None:
    anna = people.member("anna", people.tenant("here"), role)
    tenant, device = b[Tenant].pk, b[Device].pk
    asked = ["", "?q=" + MARK, f"?q={device}", f"?tenant__id__exact={tenant}", f"?tag={MARK}", "?_popup=1"]
    for address in ALL:
        if address.parameters or address.name in ("logout", "login", "jsi18n", "autocomplete"):
            continue
        for query in asked:
            page = anna.client.get(address.path({}) + query, follow=True)
            seen = page.getvalue().decode()
            for echo in ("={}", "%3D{}", '"{}"'):
                seen = seen.replace(echo.format(MARK), "").replace(echo.format(device), "")
            assert MARK not in seen, (address.route, query)
            assert str(device) not in seen, (address.route, query)
    first = people.text(anna.see("/admin/"))
    assert set(re.findall(r"\b[A-Z]{5,} (\d+)", first)) == {"0"}
    assert "of-b" not in anna.see("/admin/search/?s=of-b&extended=1")


def test_nothing_of_b_is_completed(b: B, member: Operator) -> None:
    for model in admin.site._registry:
        for field in model._meta.get_fields():
            if not getattr(field, "many_to_one", False) or not field.concrete:
                continue
            label, name = model._meta.app_label, model._meta.model_name
            asked = f"app_label={label}&model_name={name}&field_name={field.name}&term=of-b"
            answer = member.client.get(f"/admin/autocomplete/?{asked}")
            assert answer.status_code == 403 or answer.json()["results"] == []


def test_nothing_is_put_into_b(b: B, member: Operator) -> None:
    before = everything()
    tenant = b[Tenant].pk
    forms: dict[str, dict[str, object]] = {
        "devices/device": {"name": "mine", "serial_number": "9"},
        "tenants/apikey": {"name": "mine", "role": "owner"},
        "tenants/member": {"user_name": "mine", "role": "owner"},
    }
    for page, fields in forms.items():
        foreign = member.post(f"/admin/{page}/add/", {**fields, "tenant": tenant})
        other = member.post(f"/admin/{page}/add/", {**fields, "tenant": uuid4()})
        assert foreign.status_code == other.status_code == 200
        assert MARK not in foreign.content.decode()
    assert everything() == before


def test_a_list_action_reaches_only_ones_own(b: B, member: Operator) -> None:
    before = everything()
    foreign = {"devices": str(b[Device].pk), "filters": ""}
    for key in ("block", "delete_selected", "reset_run"):
        answer = member.post(f"/admin/devices/device/bulk/{key}/", foreign)
        assert "no longer there" in str(people.said(answer))
        chosen = {"action": key, "_selected_action": str(b[Device].pk), "index": "0"}
        assert MARK not in member.client.post("/admin/devices/device/", chosen, follow=True).content.decode()
    assert everything() == before


def test_every_page_is_scoped_and_says_so() -> None:
    for model, page in admin.site._registry.items():
        assert isinstance(page, Scoped), model
        assert type(page).__mro__.index(Scoped) < type(page).__mro__.index(admin.ModelAdmin)
        assert (page.tenant_path is None) == (model.__name__ in OPERATORS_ONLY), model


@pytest.mark.parametrize("role", list(Role))
def test_what_is_the_installations_is_for_operators_only(b: B, role: Role) -> None:
    anna = people.member("anna", people.tenant("here"), role)
    anna.user.user_permissions.set(people.every_permission())
    for model in admin.site._registry:
        if model.__name__ in OPERATORS_ONLY:
            at = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
            for path in (at, f"{at}add/", f"{at}{b[model].pk}/change/", f"{at}{b[model].pk}/delete/"):
                answer = anna.client.get(path)
                assert answer.status_code in (302, 403), path
                assert answer.status_code == 403 or answer.headers["Location"] == "/admin/"
