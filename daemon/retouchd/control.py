"""The daemon's socket for commands: one JSON object a line in, one out, for the owner only.

    request  {"do": "retry" | "skip" | "pause" | "resume" | "drain" | "look", "about": "..."}
    answer   {"said": "..."}   or   {"failed": "...", "exit_code": 1}

The socket lies in the state folder with mode 0600, and the kernel is asked who calls: other users are turned
away whatever the folder's permissions are. The loop of the service answers; no thread touches the journal.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from retouchd.errors import BadRequest, RetouchdError
from retouchd.state.lock import NotItsUser

SOCKET_NAME = "control.sock"
_MAX_BYTES = 1 << 16
_PATIENCE_S = 1.0
_ANSWER_S = 30.0

Answerer = Callable[[str, str], str]


class Refused(RetouchdError):
    """What the daemon answered when it could not do what it was asked."""

    def __init__(self, message: str, exit_code: int) -> None:
        self._code = exit_code
        super().__init__(message)

    @property
    def exit_code(self) -> int:  # type: ignore[override]
        """What the daemon's own class would end a command with."""
        return self._code


@contextlib.contextmanager
def _short(state_dir: Path) -> Iterator[str]:
    """The socket's address. Through a descriptor: addresses hold 107 bytes, paths of state folders more."""
    fd = os.open(state_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{fd}/{SOCKET_NAME}"
    finally:
        os.close(fd)


class Control:
    """The daemon's end."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / SOCKET_NAME
        self._path.unlink(missing_ok=True)  # of a daemon that is gone: we hold the lock of the folder
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            with _short(state_dir) as address:
                self._socket.bind(address)
        finally:
            os.umask(before)
        self._socket.listen(8)
        self._socket.setblocking(False)

    @property
    def fd(self) -> int:
        """What to sleep on."""
        return self._socket.fileno()

    def step(self, answer: Answerer) -> None:
        """Answer everybody who waits."""
        while True:
            try:
                caller, _ = self._socket.accept()
            except OSError:
                return
            with caller:
                caller.settimeout(_PATIENCE_S)
                # A caller that hangs or goes away costs a second, and nothing else.
                with contextlib.suppress(OSError):
                    caller.sendall(_line(_reply(caller, answer)))

    def close(self) -> None:
        """Take the socket away."""
        self._socket.close()
        self._path.unlink(missing_ok=True)


def _reply(caller: socket.socket, answer: Answerer) -> dict[str, Any]:
    if not _may(caller):
        return {"failed": "only the owner of the daemon may do this", "exit_code": 77}
    try:
        asked = _read(caller)
        return {"said": answer(asked["do"], asked["about"])}
    except RetouchdError as error:
        return {"failed": str(error), "exit_code": error.exit_code}


def _may(caller: socket.socket) -> bool:
    size = struct.calcsize("3i")
    _, uid, _ = struct.unpack("3i", caller.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return uid in {0, os.geteuid()}


def _read(caller: socket.socket) -> dict[str, str]:
    data = b""
    while not data.endswith(b"\n") and len(data) <= _MAX_BYTES:
        piece = caller.recv(4096)
        if not piece:
            break
        data += piece
    try:
        asked = json.loads(data)
    except (ValueError, RecursionError):
        raise BadRequest("no JSON") from None
    if not isinstance(asked, dict) or not isinstance(asked.get("do"), str):
        raise BadRequest(str(asked))
    return {"do": asked["do"], "about": str(asked.get("about", ""))}


def _line(message: dict[str, Any]) -> bytes:
    return json.dumps(message, ensure_ascii=True).encode("ascii") + b"\n"


def ask(state_dir: Path, what: str, about: str = "") -> str | None:
    """What the running daemon answers; None when none listens.

    Raises:
        NotItsUser: its socket is another user's.
        Refused: it could not do it.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(_ANSWER_S)
        try:
            with _short(state_dir) as address:
                line.connect(address)
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
            return None
        except PermissionError:
            raise NotItsUser(state_dir) from None
        line.sendall(_line({"do": what, "about": about}))
        with line.makefile("rb") as answer:
            told = answer.readline(_MAX_BYTES)
    if not told:
        return None
    message = json.loads(told)
    if "failed" in message:
        raise Refused(message["failed"], message["exit_code"])
    return str(message["said"])
