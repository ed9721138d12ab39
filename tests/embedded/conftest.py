from collections.abc import Iterator

import pytest

from provisioning.embedded.broker import EmbeddedBroker
from tests.embedded.people import new_broker


@pytest.fixture(scope="package")
def broker() -> Iterator[EmbeddedBroker]:
    """One broker that all tests share, as devices do."""
    broker = new_broker()
    yield broker
    broker.stop()


@pytest.fixture
def port(broker: EmbeddedBroker) -> int:
    return broker.port
