"""One `standalone` with a platform key, and two tenants in it."""

from collections.abc import Iterator

import pytest

from provisioning.isolation import material
from provisioning.isolation.api import API
from tests.standalone.installation import Installation

PLATFORM_KEY = "the-platform-key-of-these-tests-0123456789"


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A running installation that counts no requests."""
    settings = {
        "KEYSEED_PLATFORM_KEY": PLATFORM_KEY,
        "KEYSEED_KEY_RATE": "0",
        "KEYSEED_STRANGER_RATE": "0",
    }
    with Installation(tmp_path_factory.mktemp("isolation") / "data", settings=settings) as running:
        yield running


@pytest.fixture(scope="session")
def url(service: Installation) -> str:
    return f"http://127.0.0.1:{service.http}"


@pytest.fixture(scope="session")
def owners(url: str) -> tuple[str, str]:
    """The keys of two owners."""
    api = API(url)
    try:
        return material.new_tenant(api, PLATFORM_KEY, "A"), material.new_tenant(api, PLATFORM_KEY, "B")
    finally:
        api.close()
