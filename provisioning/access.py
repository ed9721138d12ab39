"""What a client may do on a broker that asks us: WIRE.md 1.3, 1.7. Pure: no I/O.

`user` is whom the broker let in: a device, by its id, or the service's one account.
"""

import hmac
from dataclasses import dataclass
from typing import Final

from provisioning.embedded import rules
from provisioning.embedded.rules import ServiceAccount
from provisioning.wire import topics

# Where RabbitMQ's MQTT plugin keeps what a client has subscribed to: one queue a client and quality of service.
_QUEUE: Final = "mqtt-subscription-"
_QUEUE_ENDS: Final = ("qos0", "qos1")
EXCHANGE: Final = "amq.topic"
VHOST: Final = "/"


@dataclass(frozen=True, slots=True)
class Access:
    """The rules of one installation. `group` is the gateways' shared subscription, empty where there is none."""

    root: str
    service: ServiceAccount | None
    group: str = ""

    def is_service(self, user: str) -> bool:
        """Whether this is the account of the gateway and the workers."""
        return self.service is not None and user == self.service.user

    def is_known(self, user: str) -> bool:
        """Whether this can be anybody's user name at all."""
        return self.is_service(user) or rules.is_device_id(user)

    def service_signs_in(self, password: str) -> bool:
        """Whether this is the service's password, in constant time."""
        own = self.service.password if self.service else ""
        given = password.encode("utf-8", "surrogatepass")
        return bool(own) and hmac.compare_digest(given, own.encode())

    def client_id_allowed(self, user: str, client_id: str) -> bool:
        """Whether this user may have the session with this name. Nobody may have one without."""
        if self.is_service(user):
            return bool(client_id) and rules.service_client_id_allowed(client_id)
        return rules.is_device_id(user) and rules.client_id_allowed(user, client_id)

    def may_publish(self, user: str, topic: str) -> bool:
        """A device sends `get` and `results` of its own, the service to devices."""
        if self.is_service(user):
            return _plain(topic) and rules.service_may_publish(topic, self.root)
        return rules.is_device_id(user) and rules.may_publish(user, topic, self.root)

    def may_subscribe(self, user: str, topic_filter: str) -> bool:
        """A device hears what is below its own id; the service what devices send, in its group or plainly."""
        if self.is_service(user):
            return topic_filter in self._of_the_service()
        return rules.is_device_id(user) and rules.may_subscribe(user, topic_filter, self.root)

    def _of_the_service(self) -> tuple[str, ...]:
        plain = topics.subscriptions(self.root)
        return plain + tuple(f"$share/{self.group}/{one}" for one in plain if self.group)

    # ---- RabbitMQ, where topics are routing keys and subscriptions are queues

    def may_use(self, user: str, kind: str, name: str, permission: str) -> bool:
        """Whether `user` may `permission` (configure, write, read) the queue or exchange with this name."""
        if kind == "exchange":
            return name == EXCHANGE and permission in ("read", "write") and self.is_known(user)
        return kind == "queue" and self._is_queue_of(user, name)

    def may_route(self, user: str, exchange: str, permission: str, key: str) -> bool:
        """Whether `user` may send (write) or bind (read) with this routing key."""
        topic = topic_of(key)
        if exchange != EXCHANGE or topic is None:
            return False
        if permission == "write":
            return self.may_publish(user, topic)
        return permission == "read" and self.may_subscribe(user, topic)

    def _is_queue_of(self, user: str, name: str) -> bool:
        client_id = name.removeprefix(_QUEUE)
        if client_id == name or not client_id.endswith(_QUEUE_ENDS):
            return False
        return self.client_id_allowed(user, client_id[: -len(_QUEUE_ENDS[0])])


def topic_of(key: str) -> str | None:
    """The topic that RabbitMQ made a routing key of, None where there is none: `.` was `/`, `*` was `+`."""
    return None if "/" in key or "+" in key else key.replace(".", "/").replace("*", "+")


def _plain(topic: str) -> bool:
    return "+" not in topic and "#" not in topic
