"""A proof that nothing leaks is worth what it finds where something does."""

import pytest

from tests.isolation import leaky
from tests.isolation.leaky import LEAKS, Leak, Proxy
from tests.isolation.proof import of, prove
from tests.standalone.installation import Installation


def test_behind_an_honest_proxy_nothing_leaks(service: Installation, owners: tuple[str, str]) -> None:
    with leaky.serving(Proxy(service.http, *owners, leaky.nothing)) as url:
        ended = prove(url, **of(owners))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "Nothing leaks." in ended.stdout


@pytest.mark.parametrize("leak", LEAKS, ids=lambda leak: leak.__name__)
def test_every_leak_is_found(service: Installation, owners: tuple[str, str], leak: Leak) -> None:
    with leaky.serving(Proxy(service.http, *owners, leak)) as url:
        ended = prove(url, **of(owners))
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "LEAK" in ended.stdout
    assert "gets at something that is not its own" in ended.stdout


def test_it_does_not_begin_without_two_tenants(url: str, owners: tuple[str, str]) -> None:
    assert "set KEYSEED_ISOLATION_A" in prove(url).stderr
    same = prove(url, **of((owners[0], owners[0])))
    assert (same.returncode, "of the same tenant" in same.stderr) == (2, True)


def test_it_says_where_nobody_answers(owners: tuple[str, str]) -> None:
    ended = prove("http://127.0.0.1:9", **of(owners))
    assert (ended.returncode, "does not answer" in ended.stderr) == (2, True)
    wrong = prove("127.0.0.1", **of(owners))
    assert (wrong.returncode, "is no address" in wrong.stderr) == (2, True)
