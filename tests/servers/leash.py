"""Becomes the given command, which ends when the process that started it ends, however it ends.

Arguments: pid of the owner, signal number, user id and group id (`-1`: unchanged), command and its arguments.
A program of its own because the death signal must be set after the change of user, which clears it, and
before the exec, which keeps it, and because Python's `preexec_fn` is unsafe in a process with threads.
"""

import ctypes
import os
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1


def command(argv: list[str], *, signal: int, uid: int = -1, gid: int = -1) -> list[str]:
    """The command line that runs `argv` as that user on the leash of this process.

    The leash is tied to the thread that runs it, not to the process: Linux knows no other.
    """
    return [sys.executable, "-IS", str(Path(__file__)), *map(str, (os.getpid(), signal, uid, gid)), *argv]


def _become(owner: int, signal: int, uid: int, gid: int, argv: list[str]) -> None:
    if uid != -1:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal)
    # The owner may have died before the line above.
    if os.getppid() != owner:
        sys.exit("the process that wanted this server is gone")
    os.execv(argv[0], argv)


if __name__ == "__main__":
    _owner, _signal, _uid, _gid = map(int, sys.argv[1:5])
    _become(_owner, _signal, _uid, _gid, sys.argv[5:])
