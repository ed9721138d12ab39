"""A private PostgreSQL forgets everything when it is closed."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import psycopg

from tests.servers import find, leash, ports
from tests.servers.server import NotStarted, Server

USER = DATABASE = "keyseed"
MAX_CONNECTIONS = 100
FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class Postgres(Server):
    """`with Postgres(folder) as postgres:` gives an empty database at `postgres.url`.

    `durable` keeps PostgreSQL's own settings of what reaches the disk, for measuring; without it a crash of
    the machine may lose data, for speed. PostgreSQL refuses to run as root: root runs it as `postgres` or
    `nobody`, with its data in a folder of its own below /tmp, because that user may not reach `folder`.
    `home` is where the data is; only who is killed leaves it behind.
    """

    name = "postgres"
    stop_signal = signal.SIGINT
    death_signal = signal.SIGQUIT

    def __init__(
        self, folder: Path, *, port: int | None = None, password: str | None = None, durable: bool = False
    ) -> None:
        super().__init__(folder, port)
        self.password = password or secrets.token_hex(16)
        self.durable = durable
        self.home = folder / "postgres"
        self._programs = Path()

    @property
    def url(self) -> str:
        """For DATABASE_URL: a superuser of this server, and its database."""
        return self.url_of(DATABASE)

    def url_of(self, database: str) -> str:
        """The same for another database of this server, as tests' own is."""
        return f"postgres://{USER}:{self.password}@{ports.HOST}:{self.port}/{database}"

    def prepare(self) -> None:
        self._programs = find.postgres()
        if os.geteuid() == 0:
            self._give_away()
        else:
            self.home.mkdir(mode=0o700)
        self._initdb()

    def command(self) -> list[str]:
        settings = {
            "listen_addresses": ports.HOST,
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": str(MAX_CONNECTIONS),
            **({} if self.durable else FORGETFUL),
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [str(self._programs / "postgres"), "-D", str(self.home / "data"), *options]

    def answers(self) -> bool:
        try:
            with self._connected() as connection:
                return connection.execute("SELECT 1").fetchone() == (1,)
        except psycopg.OperationalError:
            return False

    def start(self) -> None:
        super().start()
        with self._connected() as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                connection.execute(f"CREATE DATABASE {DATABASE}")

    def close(self) -> None:
        super().close()
        shutil.rmtree(self.home, ignore_errors=True)

    def _connected(self) -> psycopg.Connection:
        return psycopg.connect(self.url_of("postgres"), connect_timeout=2, autocommit=True)

    def _give_away(self) -> None:
        owner = _account()
        self.account = (owner.pw_uid, owner.pw_gid)
        self.home = Path(tempfile.mkdtemp(prefix="keyseed-postgres-", dir="/tmp"))
        os.chown(self.home, *self.account)
        if self._run("postgres", "--version").returncode != 0:
            self._programs = _copied(self._programs, self.home / "programs")
            for path in self.home.rglob("*"):
                os.chown(path, *self.account, follow_symlinks=False)

    def _initdb(self) -> None:
        secret = self.home / "password"
        secret.write_text(self.password)
        secret.chmod(0o600)
        if os.geteuid() == 0:
            os.chown(secret, *self.account)
        sync = [] if self.durable else ["--no-sync"]
        access = ["-U", USER, "-A", "scram-sha-256", f"--pwfile={secret}"]
        done = self._run("initdb", "-D", str(self.home / "data"), "-E", "UTF8", "--no-locale", *access, *sync)
        self.log.write_bytes(done.stdout)
        if done.returncode != 0:
            raise NotStarted(self._trouble("could not make its data folder"))

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        uid, gid = self.account
        argv = [str(self._programs / program), *arguments]
        return subprocess.run(
            leash.command(argv, signal=signal.SIGKILL, uid=uid, gid=gid),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd="/",
            check=False,
        )


def _account() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


def _copied(programs: Path, target: Path) -> Path:
    """A copy, with its libraries, of an installation that others cannot reach: a virtualenv below /root."""
    install = programs.parent
    package = install.parent
    copy = target / package.name / install.name
    shutil.copytree(install, copy, ignore=shutil.ignore_patterns("include"))
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, target / libraries.name)
    return copy / programs.name
