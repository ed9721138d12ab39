"""Programs from Debian packages, unpacked into `.servers` of the project: the machine itself is not changed.

Works without root, and where apt was never updated: package lists, downloads and files are all in `.servers`.
"""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STORE = Path(__file__).parents[2] / ".servers"
ROOT = STORE / "root"
PROGRAMS = STORE / "bin"
# The C library must be the one that the machine's own loader belongs to.
NEVER_UNPACKED = ("libc6_", "libc-bin_")

WRAPPER = """\
#!/bin/sh
export LD_LIBRARY_PATH="{libraries}" FONTCONFIG_FILE="{fonts}"
exec "{program}" "$@"
"""
FONTS = """\
<fontconfig><dir>{root}/usr/share/fonts</dir><dir>/usr/share/fonts</dir><cachedir>{store}/fonts</cachedir></fontconfig>
"""


class NoPackage(RuntimeError):
    """The package could not be brought; the text is what apt said."""


def program(name: str, package: str, path: str) -> Path:
    """A command `name` for the program at `path` of a package. Raises NoPackage.

    A full path is a program that is here already and lacks only the libraries that the package brings.
    """
    command, target = PROGRAMS / name, ROOT / path
    with _alone():
        if not command.exists():
            _unpack(package)
            if not target.exists():
                raise NoPackage(f"the package {package} did not bring {target}")
            _wrap(command, target)
    return command


def _unpack(package: str) -> None:
    if not shutil.which("apt-get") or not shutil.which("dpkg"):
        raise NoPackage(f"{package} is not here and there is no apt to bring it")
    archives = STORE / "cache" / "archives"
    shutil.rmtree(archives, ignore_errors=True)
    (archives / "partial").mkdir(parents=True)
    (STORE / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    download = ("install", "--download-only", "--no-install-recommends", "--yes", package)
    if problem := _apt(*download):
        # The lists are empty or old. Whether every source could be reached does not matter, the package does.
        _apt("update")
        problem = _apt(*download)
    if problem:
        raise NoPackage(f"apt could not bring {package}:\n{problem}")
    for archive in archives.glob("*.deb"):
        if not archive.name.startswith(NEVER_UNPACKED):
            subprocess.run(["dpkg", "-x", archive, ROOT], check=True)
    shutil.rmtree(archives)


def _apt(*arguments: str) -> str:
    """Nothing when it worked, else the end of what apt said."""
    settings = {
        "Dir::State::Lists": STORE / "lists",
        "Dir::Cache": STORE / "cache",
        "Dir::Cache::pkgcache": "",
        "Dir::Cache::srcpkgcache": "",
        "Debug::NoLocking": "true",
        # As root, apt would fetch as a user who may not write here.
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
    }
    options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    done = subprocess.run(
        ["apt-get", "-q", *options, *arguments],
        env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return (done.stdout + done.stderr)[-3_000:] if done.returncode else ""


def _wrap(command: Path, target: Path) -> None:
    folders = sorted({library.parent for library in ROOT.glob("**/*.so*") if library.is_file()})
    fonts = STORE / "fonts.conf"
    fonts.write_text(FONTS.format(root=ROOT, store=STORE))
    text = WRAPPER.format(libraries=":".join(map(str, folders)), fonts=fonts, program=target)
    command.parent.mkdir(exist_ok=True)
    command.write_text(text)
    command.chmod(0o755)


@contextmanager
def _alone() -> Iterator[None]:
    STORE.mkdir(exist_ok=True)
    with (STORE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
