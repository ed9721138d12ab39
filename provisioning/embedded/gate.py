"""The sign-in: who a CONNECT is from and whether the password is right; look-ups run in threads."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from provisioning.embedded import rules
from provisioning.embedded.limits import Limits
from provisioning.embedded.packets import Connect
from provisioning.embedded.rules import Admission, Device, Identity, Refusal, ServiceAccount

logger = logging.getLogger(__name__)

# (device id, password) -> for how long it may come in, None: not at all; may block, may raise
SignIn = Callable[[str, str], Admission | None]


class Gate:
    """Decides on each CONNECT. A look-up that fails or takes too long refuses with the code "try again"."""

    def __init__(self, sign_in: SignIn, service: ServiceAccount, limits: Limits) -> None:
        self._sign_in = sign_in
        self._service = service
        self._limits = limits
        self._threads = ThreadPoolExecutor(limits.sign_in_threads, thread_name_prefix="mqtt-sign-in")

    def identify(self, connect: Connect) -> Identity | Refusal:
        return rules.identify(connect, self._service)

    async def check_password(
        self, device: Device, password: str, hung_up: Callable[[], bool]
    ) -> Admission | Refusal:
        """Look a device's password up; not for a client that left while it stood in line."""

        def look_up() -> Admission | None:
            return None if hung_up() else self._sign_in(device.id, password)

        try:
            async with asyncio.timeout(self._limits.sign_in_seconds):
                admitted = await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        except TimeoutError:
            return Refusal(rules.UNAVAILABLE, "the sign-in took too long")
        except Exception as error:  # noqa: BLE001  whatever the look-up raises, the answer is no
            logger.error("sign-in of device %s could not be checked: %.200r", device.id, error)
            return Refusal(rules.UNAVAILABLE, "the sign-in could not be checked")
        return admitted or Refusal(rules.NOT_AUTHORIZED, "no such device, blocked, or another password")

    def close(self) -> None:
        """Let the look-ups under way finish, forget those in line, end the threads."""
        self._threads.shutdown(wait=True, cancel_futures=True)
