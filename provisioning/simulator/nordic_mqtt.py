"""Nordic's client over MQTT: one connection an exchange, since its radio is off while it works.

Source: WIRE.md 1.2, 1.7, 8.2.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cbor2

from provisioning.simulator.connection import Broker, Connection, SignInRefused
from provisioning.simulator.nordic import Ask, Busy, NotClaimed, NotServed, Refused, TooLarge
from provisioning.simulator.nordic_codec import Settings

DOWN_VERBS = ("commands", "accepted", "rejected")
SIGN_IN_SECONDS = 30


class MqttTransport:
    """`password` is asked for at each sign-in: a JWT must be young, a secret stays what it is.

    `timeout` is in seconds; without an answer the same message is sent again, `tries` times in all.
    `modest`: `get` has an empty payload, and tells nothing of the client.
    """

    def __init__(
        self,
        at: Broker,
        device: str,
        password: Callable[[], str],
        *,
        root: str = "prov/v1",
        timeout: float = 10,
        tries: int = 3,
        modest: bool = False,
    ) -> None:
        self.at = at
        self.device = device
        self.password = password
        self.root = root
        self.timeout = timeout
        self.tries = tries
        self.modest = modest

    def get(self, ask: Ask) -> bytes | None:
        """As Transport: an empty payload means that there is nothing to do."""
        payload = self._exchange("get", b"" if self.modest else cbor2.dumps(_about(ask)), "commands")
        if len(payload) > ask.settings.rx:
            raise TooLarge(
                f"An answer of {len(payload)} bytes does not fit the receive buffer of {ask.settings.rx}."
            )
        return payload or None

    def report(self, responses: bytes, settings: Settings) -> None:
        """As Transport: an empty `accepted` means that they are stored."""
        answer = self._exchange("results", responses, "accepted")
        if answer:
            raise Refused("accepted", f"should be empty and has {len(answer)} bytes")

    def topic(self, verb: str) -> str:
        """The device's topic for a verb."""
        return f"{self.root}/{self.device}/nrf/{verb}"

    def _exchange(self, verb: str, payload: bytes, wanted: str) -> bytes:
        try:
            got, answer = asyncio.run(self._talk(verb, payload, wanted))
        except SignInRefused as error:
            raise NotClaimed(str(error)) from error
        except TimeoutError as error:
            raise Busy(f"no answer to {verb} in {self.tries} times {self.timeout:g} s") from error
        if got == "rejected":
            raise _rejection(answer)
        return answer

    async def _talk(self, verb: str, payload: bytes, wanted: str) -> tuple[str, bytes]:
        """The verb and payload of the first answer that is one to what was sent."""
        inbox = _Inbox({self.topic(verb): verb for verb in (wanted, "rejected")})
        connection = Connection(self.at, self.device, self.password(), inbox)
        with ThreadPoolExecutor(1) as threads:
            try:
                await asyncio.wait_for(connection.open(threads), SIGN_IN_SECONDS)
                connection.subscribe(self.topic(verb) for verb in DOWN_VERBS)
                await asyncio.wait_for(asyncio.shield(inbox.ready), self.timeout)
                for _ in range(self.tries):
                    connection.publish(self.topic(verb), payload)
                    done, _ = await asyncio.wait([inbox.answer], timeout=self.timeout)
                    if done:
                        return inbox.answer.result()
                raise TimeoutError
            finally:
                connection.close()


class _Inbox:
    """Hears one exchange: whether the subscriptions stand, then the answer."""

    def __init__(self, verbs: dict[str, str]) -> None:
        loop = asyncio.get_running_loop()
        self.verbs = verbs
        self.ready: asyncio.Future[None] = loop.create_future()
        self.answer: asyncio.Future[tuple[str, bytes]] = loop.create_future()

    def subscribed(self, granted: bool) -> None:
        if granted:
            self.ready.set_result(None)
        else:
            self.ready.set_exception(SignInRefused("the broker does not grant the device its topics"))

    def heard(self, topic: str, payload: bytes) -> None:
        if topic in self.verbs and not self.answer.done():
            self.answer.set_result((self.verbs[topic], payload))

    def lost(self) -> None:
        for waited in (self.ready, self.answer):
            if not waited.done():
                waited.set_exception(ConnectionError("the broker hung up"))
                waited.exception()  # seen; whoever waits for it sees it again


def _about(ask: Ask) -> dict[str, Any]:
    """The map of WIRE.md 2.1."""
    about: dict[str, Any] = {"rxMaxSize": ask.settings.rx, "txMaxSize": ask.settings.tx}
    if ask.limit is not None:
        about["limit"] = ask.limit
    if ask.after:
        about["after"] = ask.after
    return about


def _rejection(payload: bytes) -> NotServed:
    """What `rejected` means to the client (WIRE.md 4.1)."""
    try:
        body = cbor2.loads(payload)
    except (ValueError, TypeError, EOFError, RecursionError, cbor2.CBORError):
        body = None
    match body:
        case {"code": "NOT_CLAIMED" | "BLOCKED" as code, "message": str(message)}:
            return NotClaimed(f"{code}: {message}")
        case {"code": "THROTTLED" | "INTERNAL" as code, "message": str(message)}:
            later = body.get("retryAfter")
            return Busy(f"{code}: {message}", float(later) if isinstance(later, int | float) else None)
        case {"code": str(code), "message": str(message)}:
            return Refused(code, message)
    return Refused("rejected", "is no CBOR map with code and message")
