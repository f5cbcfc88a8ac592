from __future__ import annotations

import os
import resource
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from xianning import sandbox
from xianning.sandbox import MB, Crashed, OutOfMemory, OutOfTime, Rejected, SandboxError


def echo(value: Any) -> Any:
    return value


def take_memory() -> int:
    return len(bytearray(4096 * MB))


def take_memory_bit_by_bit() -> int:
    return len([bytes(MB) + bytes([i % 256]) for i in range(100_000)])


def loop() -> NoReturn:
    while True:
        len("")


def sleep() -> None:
    time.sleep(60)


def abort() -> None:
    os.abort()


def overflow_the_stack() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def leave_early() -> None:
    os._exit(0)


def huge_bytes() -> bytes:
    return bytes(3 * MB)


def huge_text() -> str:
    return "退" * MB


def refuse() -> None:
    raise Rejected("第 3 行不对")


def fail() -> None:
    raise KeyError("421299196503010013")


def leave_by_exception() -> None:
    raise SystemExit(0)


def not_plain() -> object:
    return {"a": object()}


def not_a_number() -> float:
    return float("nan")


def write_much(path: str) -> None:
    Path(path).write_bytes(bytes(2 * MB))


def children() -> set[str]:
    return set(Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text().split())


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -3,
        0.1,
        "阿依古丽·买买提𬭎",
        [],
        [1, [None, "x"]],
        {"rows": [["t", "=1"]]},
        b"",
        b"%PDF-1.7\0\xff",
        "x" * 300_000,
    ],
)
def test_plain_results_come_back_equal(value: object) -> None:
    assert sandbox.run(echo, value) == value


@pytest.mark.parametrize(
    ("function", "error", "limits"),
    [
        (take_memory, OutOfMemory, {}),
        (take_memory_bit_by_bit, OutOfMemory, {"memory_mb": 64}),
        (loop, OutOfTime, {"cpu_seconds": 1}),
        (loop, OutOfTime, {"wall_seconds": 0.3}),
        (sleep, OutOfTime, {"wall_seconds": 0.3}),
        (abort, Crashed, {}),
        (overflow_the_stack, Crashed, {}),
        (leave_early, Crashed, {}),
        (leave_by_exception, Crashed, {}),
        (fail, Crashed, {}),
        (not_plain, Crashed, {}),
        (not_a_number, Crashed, {}),
        (huge_bytes, OutOfMemory, {"result_mb": 2}),
        (huge_text, OutOfMemory, {"result_mb": 2}),
    ],
)
def test_a_child_that_goes_wrong_ends_in_one_sentence_and_leaves_nothing(
    function: Callable[[], Any], error: type[SandboxError], limits: dict[str, Any]
) -> None:
    before = children()
    started = time.monotonic()
    with pytest.raises(error) as caught:
        sandbox.run(function, **limits)
    assert str(caught.value).endswith(("。", "！"))
    assert time.monotonic() - started < 10
    assert children() == before, "a zombie or a living child is left"


def test_the_user_error_of_the_function_passes_through() -> None:
    with pytest.raises(Rejected, match=r"^第 3 行不对$"):
        sandbox.run(refuse)


def test_the_log_names_the_place_but_not_the_data(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(Crashed):
        sandbox.run(fail)
    assert "KeyError at test_sandbox.py" in caplog.text
    assert "421299" not in caplog.text


def test_the_child_cannot_fill_the_disk(tmp_path: Path) -> None:
    with pytest.raises(Crashed):
        sandbox.run(write_much, str(tmp_path / "big"))
    assert (tmp_path / "big").stat().st_size <= sandbox.FILE_SIZE


def environment_of_child(number: int) -> dict[str, Any]:
    try:
        os.fstat(number)
        open_there = True
    except OSError:
        open_there = False
    return {
        "open": open_there,
        "descriptors": len(os.listdir("/proc/self/fd")),
        "leader": os.getsid(0) == os.getpid(),
        "core": resource.getrlimit(resource.RLIMIT_CORE)[0],
        "cpu": resource.getrlimit(resource.RLIMIT_CPU)[0],
    }


def test_the_child_has_no_socket_of_ours_and_says_nothing_on_it() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        seen = sandbox.run(environment_of_child, ours.fileno(), cpu_seconds=7)
        theirs.setblocking(False)
        with pytest.raises(BlockingIOError):
            theirs.recv(1)  # neither a byte nor an end of file
        ours.sendall(b"x")
        assert theirs.recv(1) == b"x"
    assert seen == {
        "open": False,
        "descriptors": 5,  # the three standard ones, the pipe, and the listing itself
        "leader": True,
        "core": 0,
        "cpu": 7,
    }


class SaysGoodbye:
    """Like a database connection: writes when it is finalised."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.me = self  # only the garbage collector can end it

    def __del__(self) -> None:
        os.write(self.descriptor, b"bye")


def collect() -> int:
    import gc

    return gc.collect()


def test_no_finaliser_of_the_parent_runs_in_the_child(tmp_path: Path) -> None:
    import gc

    gc.disable()
    try:
        with (tmp_path / "log").open("wb", buffering=0) as log:
            SaysGoodbye(log.fileno())
            sandbox.run(collect)
            assert (tmp_path / "log").read_bytes() == b""
            gc.collect()
            assert (tmp_path / "log").read_bytes() == b"bye"
    finally:
        gc.enable()


def grandchild(path: str) -> NoReturn:
    if os.fork() == 0:
        time.sleep(0.8)
        Path(path).write_text("still here")
        os._exit(0)
    while True:
        time.sleep(1)


def test_what_the_child_started_dies_with_it(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    with pytest.raises(OutOfTime):
        sandbox.run(grandchild, str(mark), wall_seconds=0.3)
    time.sleep(0.8)
    assert not mark.exists()


def test_many_threads_at_once_each_get_their_own_answer() -> None:
    answers: dict[int, Any] = {}

    def one(number: int) -> None:
        try:
            answers[number] = sandbox.run(
                echo if number % 4 else abort, *([number] * (number % 4 > 0))
            )
        except SandboxError as error:
            answers[number] = type(error)

    threads = [threading.Thread(target=one, args=(n,)) for n in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert answers == {n: n if n % 4 else Crashed for n in range(24)}


def test_signal_handlers_of_the_server_stay_and_do_not_run_in_the_child() -> None:
    received: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: received.append(number))
    try:
        with pytest.raises(Crashed):
            sandbox.run(terminate_me)
        assert received == []
        os.kill(os.getpid(), signal.SIGTERM)
        assert received == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)


def terminate_me() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(5)


def test_the_parent_does_not_grow() -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

    sandbox.run(echo, bytes(MB))
    before = resident()
    for _ in range(20):
        with pytest.raises(OutOfMemory):
            sandbox.run(take_memory)
        sandbox.run(echo, bytes(MB))
    assert resident() - before < 20 * MB
