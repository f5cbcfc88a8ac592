"""How large an upload may be, and what every kind of it shares."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from xianning import sandbox
from xianning.sandbox import MB, Rejected, SandboxError

WORKBOOK_BYTES = 40 * MB  # 100,000 people in fifty columns take 27 MB
SCAN_BYTES = 10 * MB


def limit_size(size: int, limit: int) -> None:
    """Raises Rejected when SIZE (bytes) is over LIMIT."""
    if size > limit:
        raise Rejected(
            f"文件大小为 {size / MB:.1f} MB，超过上限 {limit // MB} MB。请拆分或压缩后再上传。"
        )


def in_sandbox(function: Callable[[bytes], Any], data: bytes, broken: str, **limits: int) -> Any:
    """``function(data)`` in the sandbox; a death there is the file's fault and is told as such.

    ``limits`` as for ``sandbox.run``. Raises Rejected: the function's own, ``broken`` after an
    exception or a crash (the log says which), or the sentence of the limit that was met.
    """
    try:
        return sandbox.run(function, data, **limits)
    except sandbox.Crashed:
        raise Rejected(broken) from None
    except SandboxError as error:
        raise Rejected(str(error)) from None


def stream_in_sandbox(
    function: Callable[..., None], data: bytes, broken: str, **limits: int
) -> Iterator[bytes]:
    """What ``function(emit, data)`` emits in the sandbox; raises as `in_sandbox` does."""
    try:
        yield from sandbox.stream(function, data, **limits)
    except sandbox.Crashed:
        raise Rejected(broken) from None
    except SandboxError as error:
        raise Rejected(str(error)) from None
