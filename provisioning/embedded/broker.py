"""The MQTT broker of `manage.py standalone`: amqtt in a thread of its own, under our rules. Knows no Django.

amqtt gives the life cycle, the packets and the protocol handler. Its sign-in is not used: it ends the session
of a client id before the password is checked, keeps the connection of a client that sends no CONNECT, and
waits instead of refusing when there are too many.
"""

import asyncio
import contextlib
import logging
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from amqtt.broker import Broker
from amqtt.contexts import BrokerConfig, ListenerConfig, ListenerType
from amqtt.mqtt.connack import ConnackPacket
from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler
from amqtt.session import Session
from amqtt.utils import gen_client_id

from provisioning.embedded import rules
from provisioning.embedded.gate import Gate, SignIn
from provisioning.embedded.limits import Limits
from provisioning.embedded.listener import bind, make_room
from provisioning.embedded.packets import Connect, Malformed, UnsupportedVersion
from provisioning.embedded.rules import Admission, Device, Identity, Refusal, ServiceAccount
from provisioning.embedded.sessions import Router, SessionHandler
from provisioning.embedded.stream import PacketReader, PacketWriter

logger = logging.getLogger(__name__)

_LISTENER = "default"
# Read ahead of a packet's length; small, so that what is refused by its length is not in memory.
_READ_AHEAD = 8 * 1024
_ACCEPT_BACKLOG = 512


class CannotListen(OSError):
    """The address cannot be listened on; the message says why and what to do."""


class _Connection:
    """A connection from its first byte on, and the device it says it is."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limits: Limits) -> None:
        self.writer = PacketWriter(writer, limits)
        self.reader = PacketReader(reader, self.writer, limits)
        self.device_id: str | None = None

    @property
    def peer(self) -> str:
        host, port = self.writer.get_peer_info()
        return f"{host}:{port}"


class _Broker(Broker):
    def __init__(self, gate: Gate, root: str, limits: Limits) -> None:
        # An explicit, empty list of plugins: the default ones let anyone in and publish $SYS.
        super().__init__(BrokerConfig(listeners={_LISTENER: ListenerConfig(bind=":0")}, plugins={}))
        self._gate = gate
        self._limits = limits
        self._router = Router(root, limits)
        self._connections: dict[_Connection, asyncio.Task[None]] = {}
        self._listener: asyncio.Server | None = None

    async def listen(self, host: str, port: int) -> int:
        """Take the address, without serving yet; returns the port. Raises OSError."""
        self._listener = await asyncio.start_server(
            self._accept,
            sock=bind(host, port),
            limit=_READ_AHEAD,
            backlog=_ACCEPT_BACKLOG,
            start_serving=False,
        )
        actual: int = self._listener.sockets[0].getsockname()[1]
        return actual

    async def _create_server_instance(
        self,
        listener_name: str,
        listener_type: ListenerType,
        address: str | None,
        port: int,
        ssl_context: ssl.SSLContext | None,
    ) -> asyncio.Server:
        """The listener of `listen`; amqtt's own reads 64 KiB ahead and logs a taken port with a traceback."""
        if self._listener is None:
            raise CannotListen("listen() comes before start()")
        await self._listener.start_serving()
        return self._listener

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= self._limits.connections:
            logger.warning("refused a connection: %d are open", len(self._connections))
            writer.transport.abort()
            return
        connection = _Connection(reader, writer, self._limits)
        self._connections[connection] = asyncio.get_running_loop().create_task(self._serve(connection))

    async def _serve(self, connection: _Connection) -> None:
        try:
            await self._sign_in_and_talk(connection)
        except UnsupportedVersion as error:
            self._refuse(connection, Refusal(rules.UNACCEPTABLE_VERSION, str(error)))
        except (Malformed, OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            logger.debug("connection from %s ended: %r", connection.peer, error)
        except Exception:
            logger.exception("connection from %s ended by an error of the broker", connection.peer)
        finally:
            await connection.writer.close()
            self._connections.pop(connection, None)

    async def _sign_in_and_talk(self, connection: _Connection) -> None:
        connect = await connection.reader.connect()
        identity, admission = self._gate.identify(connect), Admission()
        if isinstance(identity, Device):
            # Before the look-up: who is kicked while signing in must not get in by what was true before.
            connection.device_id = identity.id
            answer = await self._gate.check_password(
                identity, connect.password or "", connection.reader.hung_up
            )
            if isinstance(answer, Refusal):
                identity = answer
            else:
                admission = answer
        if isinstance(identity, Refusal):
            self._refuse(connection, identity, connect)
        elif not connection.reader.hung_up():
            await self._talk(connection, connect, identity, admission)

    @staticmethod
    def _refuse(connection: _Connection, refusal: Refusal, connect: Connect | None = None) -> None:
        who = f"{connect.user!r:.80} as {connect.client_id!r:.80}" if connect else "a client"
        logger.info("refused %s from %s: %s", who, connection.peer, refusal.reason)
        connection.writer.write(ConnackPacket.build(0, refusal.code).to_bytes())

    async def _talk(
        self, connection: _Connection, connect: Connect, identity: Identity, admission: Admission
    ) -> None:
        session = Session()
        session.client_id = connect.client_id or gen_client_id()
        session.clean_session = True
        session.username = connect.user
        session.remote_address, session.remote_port = connection.writer.get_peer_info()
        handler = SessionHandler(
            self.plugins_manager,
            identity=identity,
            client_id=session.client_id,
            out=connection.writer,
            router=self._router,
            limits=self._limits,
        )
        self._router.add(handler)
        ending = _end_later(handler, admission)
        try:
            await self._handle_client_session(
                connection.reader, connection.writer, session, handler, self._servers[_LISTENER], _LISTENER
            )
        finally:
            if ending is not None:
                ending.cancel()
            self._router.remove(handler)
            if self._sessions.get(session.client_id, (None, None))[1] is handler:
                del self._sessions[session.client_id]
            logger.debug("session %s ended: %s", session.client_id, connection.reader.ended_by)

    async def _authenticate(self, session: Session, _: ListenerConfig) -> bool:
        """Nobody comes this far who has not signed in."""
        return True

    async def _client_message_loop(self, client_session: Session, handler: BrokerProtocolHandler) -> None:
        """Wait for the end. The handler answers by itself; amqtt's loop loses what came just before it."""
        try:
            if isinstance(handler, SessionHandler):
                await handler.ended.wait()
        finally:
            await handler.stop()

    def kick(self, device_id: str) -> None:
        """Cut every connection of a device, also one that is signing in."""
        for connection in list(self._connections):
            if connection.device_id == device_id:
                connection.writer.abort()

    async def end(self) -> None:
        """Stop listening, cut all connections, stop amqtt."""
        if self._listener is not None:
            self._listener.close()
        for connection, task in list(self._connections.items()):
            connection.writer.abort()
            task.cancel()
        await asyncio.gather(*self._connections.values(), return_exceptions=True)
        await self.shutdown()


def _end_later(handler: SessionHandler, admission: Admission) -> asyncio.TimerHandle | None:
    """WIRE.md 9.2: a session that was signed in by a token ends with it."""
    if admission.seconds is None:
        return None
    loop = asyncio.get_running_loop()
    return loop.call_later(admission.seconds, handler.end, "the token that it signed in by has expired")


@dataclass(frozen=True, slots=True)
class _Running:
    """What other threads need of a broker that serves."""

    thread: threading.Thread
    loop: asyncio.AbstractEventLoop
    broker: _Broker
    port: int
    stopping: asyncio.Event

    def call(self, function: Callable[..., None], *args: object) -> None:
        """Run a function in the broker's thread; does nothing when that is over."""
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(function, *args)


class EmbeddedBroker:
    """An MQTT 3.1.1 broker in a thread of this process.

    Devices sign in with their id and password, which `sign_in` checks: called in threads, may block, and what
    it raises refuses. `service` is the account of the gateway and the publisher. Nothing is kept for a client
    that is away. Raises ValueError for a root that no subscription can be held under.
    """

    def __init__(
        self,
        host: str,
        port: int,
        root: str,
        sign_in: SignIn,
        service: ServiceAccount,
        *,
        limits: Limits | None = None,
    ) -> None:
        rules.check_root(root)
        self._host = host
        self._wanted_port = port
        self._root = root
        self._sign_in = sign_in
        self._service = service
        self._limits = limits or Limits()
        self._running: _Running | None = None

    @property
    def port(self) -> int:
        """The port listened on, also when port 0 asked for any. Raises RuntimeError while it does not run."""
        if self._running is None:
            raise RuntimeError("the broker does not run")
        return self._running.port

    def start(self) -> None:
        """Return once clients can connect. Raises CannotListen, or RuntimeError when it runs already."""
        if self._running is not None:
            raise RuntimeError("the broker runs already")
        for name in ("amqtt", "transitions"):
            logging.getLogger(name).setLevel(logging.WARNING)
        started: Future[_Running] = Future()
        thread = threading.Thread(target=self._run, args=(started,), name="mqtt-broker", daemon=True)
        thread.start()
        try:
            self._running = started.result()
        except Exception:
            thread.join()
            raise

    def kick(self, device_id: str) -> None:
        """End the live sessions of a device, `id` and `id-...`, at once. From any thread; does not wait."""
        if self._running is not None:
            self._running.call(self._running.broker.kick, device_id)

    def stop(self) -> None:
        """Cut all connections and end all threads. Does nothing when it does not run."""
        running, self._running = self._running, None
        if running is not None:
            running.call(running.stopping.set)
            running.thread.join()

    def _run(self, started: "Future[_Running]") -> None:
        gate = Gate(self._sign_in, self._service, self._limits)
        try:
            asyncio.run(self._serve(gate, started))
        except BaseException as error:
            if started.done():
                logger.exception("the embedded broker ended by an error")
            else:
                started.set_exception(error)
        finally:
            gate.close()

    async def _serve(self, gate: Gate, started: "Future[_Running]") -> None:
        broker = _Broker(gate, self._root, make_room(self._limits))
        try:
            port = await broker.listen(self._host, self._wanted_port)
        except OSError as error:
            raise CannotListen(
                f"MQTT cannot listen on {self._host}:{self._wanted_port}: {error.strerror or error}. "
                "Stop what listens there, or choose another address."
            ) from None
        await broker.start()
        stopping = asyncio.Event()
        started.set_result(
            _Running(threading.current_thread(), asyncio.get_running_loop(), broker, port, stopping)
        )
        await stopping.wait()
        await broker.end()
