"""Run a parser or a renderer in a child process that may fail without hurting anybody else.

A legal workbook of 1.4 kB can abort the process that opens it, one of 1 MB can take a gigabyte.
The child has its own memory, time and file limits and none of our sockets, and what it sends back
is plain data: nothing in the answer can run code here, even if the child was taken over.

Linux only: ``fork``, ``/proc`` and POSIX resource limits.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import resource
import select
import signal
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NoReturn

logger = logging.getLogger(__name__)

MB = 1024 * 1024
FILE_SIZE = MB  # a parser has nothing to write; fonts and tables are read or mapped
OPEN_FILES = 64
SIGNALS_OF_SERVERS = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGABRT,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGALRM,
    signal.SIGCHLD,
)

# An answer is one letter, the length in eight bytes, and the content; before the last one may stand
# any number of parts.
JSON, BYTES, REJECTED, NO_MEMORY, FAILED, PART = b"J", b"B", b"R", b"M", b"F", b"P"
HEADER = 9


class Rejected(Exception):
    """What the user gave cannot be accepted; the message is a sentence for the user."""


class SandboxError(Exception):
    """The child did not come to an end; the message is a sentence for the user."""

    sentence = "文件无法处理。"

    def __init__(self, message: str = "") -> None:
        super().__init__(message or self.sentence)


class OutOfTime(SandboxError):
    """The child used up its processor time or the wall clock."""

    sentence = "文件内容过于复杂，处理超过了时限，已经停止。请拆分或精简后重试。"


class OutOfMemory(SandboxError):
    """The child used up its memory, or its result is longer than allowed."""

    sentence = "文件内容展开后过大，超过了内存限制，已经停止。请拆分或精简后重试。"


class Crashed(SandboxError):
    """The child died, or the function raised something that is not meant for the user."""

    sentence = "文件损坏或内容异常，处理中途出错，已经停止。"


def run(
    function: Callable[..., Any],
    *args: Any,
    memory_mb: int = 1024,
    cpu_seconds: int = 20,
    wall_seconds: float = 60,
    result_mb: int = 64,
) -> Any:
    """Call ``function(*args)`` in a child process and return what it returns.

    The result is either ``bytes`` or plain data (None, bool, numbers, text, lists, dictionaries
    with text keys; tuples come back as lists). ``memory_mb`` counts on top of what this process
    has mapped already. Modules the function needs must be imported before the call: the child is
    a copy of one thread only, and another thread may have held the import lock.

    Raises Rejected when the function raises it, otherwise OutOfTime, OutOfMemory or Crashed.
    """
    limits = (memory_mb * MB, cpu_seconds, wall_seconds, result_mb * MB)
    child, reading = _start(function, args, limits, in_parts=False)
    try:
        answer = _receive(reading, time.monotonic() + wall_seconds, result_mb * MB)
    finally:
        os.close(reading)
        status = _kill_and_reap(child)
    return _open(answer, status)


def stream(
    function: Callable[..., None],
    *args: Any,
    memory_mb: int = 1024,
    cpu_seconds: int = 20,
    wall_seconds: float = 60,
    result_mb: int = 64,
) -> Iterator[bytes]:
    """Call ``function(emit, *args)`` in a child process and give what it emits while it works.

    ``emit`` takes ``bytes``; together they may be ``result_mb``. The wall clock runs while the
    caller works on what he got, too; whoever stops early ends the child. Raises as `run` does,
    possibly after some parts: only a stream that came to its end is whole.
    """
    limits = (memory_mb * MB, cpu_seconds, wall_seconds, result_mb * MB)
    child, reading = _start(function, args, limits, in_parts=True)
    deadline = time.monotonic() + wall_seconds
    try:
        while True:
            answer = _receive(reading, deadline, result_mb * MB)
            if answer is None or answer[:1] != PART or not _is_whole(answer):
                break
            yield answer[HEADER:]
    finally:
        os.close(reading)
        status = _kill_and_reap(child)
    _open(answer, status)


def _start(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    limits: tuple[int, int, float, int],
    *,
    in_parts: bool,
) -> tuple[int, int]:
    """The child's number, and the end of the pipe from which its answer is read."""
    reading, writing = os.pipe()
    try:
        child = _fork()
        if child == 0:
            if in_parts:
                args = (_emitter(writing, limits[3]), *args)
            _live_and_die(function, args, writing, limits)
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    return child, reading


def _fork() -> int:
    """Fork with every signal blocked, so that no handler of ours can raise in the child.

    Python 3.12 warns of forking beside other threads; this child only computes, and its time is
    limited.
    """
    before = signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
    except BaseException:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        raise
    if child:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return child


# In the child


def _live_and_die(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    pipe: int,
    limits: tuple[int, int, float, int],
) -> NoReturn:
    """Everything the child does, from the first line after ``fork`` to its end."""
    try:
        # No finaliser of the parent's objects may run here: a database connection says goodbye.
        gc.disable()
        gc.freeze()
        memory, cpu, wall, longest = limits
        _forget_files(keep=pipe)
        _own_group(wall)
        _limit(memory, cpu)
        kind, content = _call(function, args)
        if len(content) > longest:
            kind, content = NO_MEMORY, b""
        _send(pipe, kind + len(content).to_bytes(8, "big"), content)
    finally:
        os._exit(0)


def _forget_files(keep: int) -> None:
    """Close every inherited descriptor but one; nothing is said on any socket."""
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    os.closerange(3, keep)
    os.closerange(max(keep + 1, 3), highest + 1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in {0, 1, 2} - {keep}:
        os.dup2(nothing, standard)
    if nothing > 2:
        os.close(nothing)


def _own_group(wall_seconds: float) -> None:
    """A session of its own, default signals, and an end even if the parent is gone."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    for number in SIGNALS_OF_SERVERS:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    signal.alarm(int(wall_seconds) + 2)


def _limit(memory: int, cpu_seconds: int) -> None:
    with open("/proc/self/statm", "rb") as statm:
        mapped = int(statm.read().split()[0]) * resource.getpagesize()
    _lower(resource.RLIMIT_AS, mapped + memory)
    _lower(resource.RLIMIT_CPU, cpu_seconds, grace=1)
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_FSIZE, FILE_SIZE)
    _lower(resource.RLIMIT_NOFILE, OPEN_FILES)


def _lower(kind: int, value: int, grace: int = 0) -> None:
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
        grace = min(grace, hard - value)
    resource.setrlimit(kind, (value, value + grace))


def _call(function: Callable[..., Any], args: tuple[Any, ...]) -> tuple[bytes, bytes]:
    try:
        result = function(*args)
        if isinstance(result, bytes):
            return BYTES, result
        return JSON, json.dumps(result, allow_nan=False).encode("ascii")
    except Rejected as error:
        return REJECTED, str(error).encode("utf-8", "replace")
    except MemoryError:
        return NO_MEMORY, b""
    except BaseException as error:
        return FAILED, _where(error).encode("utf-8", "replace")


def _emitter(pipe: int, room: int) -> Callable[[bytes], None]:
    """Sends parts of an answer, as long as there is ROOM for all of them."""

    def emit(content: bytes) -> None:
        nonlocal room
        room -= len(content)
        if room < 0:
            raise MemoryError
        _send(pipe, PART + len(content).to_bytes(8, "big"), content)

    return emit


def _where(error: BaseException) -> str:
    """Kind and place of an error without its message, which may quote a person's data."""
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    places = " < ".join(f"{os.path.basename(f.filename)}:{f.lineno}" for f in reversed(frames))
    return f"{type(error).__name__} at {places}"


def _send(pipe: int, *parts: bytes) -> None:
    for part in parts:
        rest = memoryview(part)
        while rest:
            rest = rest[os.write(pipe, rest[:MB]) :]


# In the parent


def _receive(pipe: int, deadline: float, longest: int) -> bytes | None:
    """Read one answer; None when the time is over first, shorter bytes when the child died."""
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    answer = bytearray()
    wanted = HEADER
    while len(answer) < wanted:
        left = deadline - time.monotonic()
        if left <= 0:
            return None
        if not poll.poll(left * 1000):
            continue
        chunk = os.read(pipe, min(MB, wanted - len(answer)))
        if not chunk:
            break
        answer += chunk
        if len(answer) == HEADER and wanted == HEADER:
            wanted += min(int.from_bytes(answer[1:], "big"), longest)
    return bytes(answer)


def _kill_and_reap(child: int) -> int | None:
    """End the child with all it may have started; its wait status, None if somebody else took it.

    A child that has sent its whole answer has nothing left to do, so killing it loses nothing.
    """
    for kill in (os.killpg, os.kill):
        with suppress(ProcessLookupError, PermissionError):
            kill(child, signal.SIGKILL)
    try:
        return os.waitpid(child, 0)[1]
    except ChildProcessError:
        return None


def _is_whole(answer: bytes) -> bool:
    length = int.from_bytes(answer[1:HEADER], "big")
    return len(answer) >= HEADER and len(answer) - HEADER == length


def _open(answer: bytes | None, status: int | None) -> Any:
    if answer is None:
        raise OutOfTime
    kind, content = answer[:1], answer[HEADER:]
    if not _is_whole(answer):
        raise _reason_of_death(status)
    if kind == BYTES:
        return content
    if kind == REJECTED:
        raise Rejected(content.decode("utf-8", "replace"))
    if kind == NO_MEMORY:
        raise OutOfMemory
    if kind == JSON:
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            raise Crashed from None
    logger.warning("sandbox: %s", content[:500].decode("utf-8", "replace"))
    raise Crashed


def _reason_of_death(status: int | None) -> SandboxError:
    if status is not None and os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        logger.warning("sandbox: child ended by signal %s", number)
        if number in (signal.SIGXCPU, signal.SIGALRM):
            return OutOfTime()
    return Crashed()
