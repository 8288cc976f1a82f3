"""Becomes the browser: with its pipes where it looks for them, and no news of the network.

Chromium gives up each request that waits for a connection, to 127.0.0.1 too, when an address of
the machine comes or goes, as one does with every container (``ERR_NETWORK_CHANGED``); no option
keeps it from that.  It hears of addresses by a netlink socket, and lives without one.

Sources: the kernel's "Seccomp BPF (SECure COMPuting with filters)", ``linux/filter.h``,
``linux/seccomp.h``, ``linux/prctl.h`` and the tables of system calls.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys

# What the kernel calls `socket`, by machine; elsewhere the browser hears of the network.
_SOCKET = {"x86_64": 41, "aarch64": 198}
_AF_NETLINK = 16
_LOAD, _IS_EQUAL, _RETURN = 0x20, 0x15, 0x06
_CALL, _FIRST_ARGUMENT = 0, 16  # places in the data of a call
_REFUSE = 0x00050000 | 97  # EAFNOSUPPORT
_ALLOW = 0x7FFF0000
_SET_NO_NEW_PRIVS, _SET_SECCOMP, _FILTER = 38, 22, 2


def main(argv: list[str]) -> None:
    """Become the command that follows two numbers: the ends that it reads and writes."""
    commands, answers, *command = argv
    os.dup2(int(commands), 3)
    os.dup2(int(answers), 4)
    call = _SOCKET.get(platform.machine())
    if sys.platform == "linux" and call is not None:
        _refuse_netlink(call)
    os.execvp(command[0], command)  # noqa: S606 - a list of words, no shell


def _refuse_netlink(call: int) -> None:
    """Let `call` fail where it asks for netlink; where that is not allowed, the log says so."""
    # Each step: (what, steps to leave out where it holds, and where not, its value).
    steps = [
        (_LOAD, 0, 0, _CALL),
        (_IS_EQUAL, 0, 3, call),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_IS_EQUAL, 0, 1, _AF_NETLINK),
        (_RETURN, 0, 0, _REFUSE),
        (_RETURN, 0, 0, _ALLOW),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    program = struct.pack("@HP", len(steps), ctypes.addressof(code))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    if prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or prctl(_SET_SECCOMP, _FILTER, program, 0, 0):
        why = os.strerror(ctypes.get_errno())
        sys.stderr.write(f"no seccomp ({why}): expect ERR_NETWORK_CHANGED\n")


if __name__ == "__main__":
    main(sys.argv[1:])
