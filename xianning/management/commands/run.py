"""`manage.py run [--demo]`: prepare what is missing, then serve pages and do background work.

Web server and worker are children of this command: Ctrl-C or SIGTERM stops both, and when one
dies the other is stopped too. This process reads the settings before a demo's keys exist, so it
touches no database: `manage.py prepare` and the two children get the keys in their surroundings.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from xianning.privacy import new_keys

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(Exception):
    """A signal asked us to end."""


class Command(BaseCommand):
    help = "准备好数据库并启动网站和后台任务"
    # Those of `prepare` count: here the demo's keys may still be missing.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--demo", action="store_true", help="演示方式：虚构数据，本机访问")
        parser.add_argument("--port", type=int, default=os.environ.get("PORT") or 8000)
        parser.add_argument("--workers", type=int, default=2, help="网站进程数")

    def handle(self, *_: Any, demo: bool, port: int, workers: int, **__: Any) -> None:
        if not 0 < port < 65536:
            raise CommandError(f"端口 {port} 不在 1 到 65535 之间。 PORT must be 1 to 65535.")
        _refuse_taken(port)
        demo = demo or settings.DEMO
        os.umask(0o077)  # what is written below var is nobody else's
        var = Path(settings.VAR_DIR)
        var.mkdir(mode=0o700, parents=True, exist_ok=True)
        var.chmod(0o700)
        surroundings = os.environ | (_demo_secrets(var) if demo else {})
        children: dict[str, subprocess.Popen[bytes]] = {}
        for number in SIGNALS:
            signal.signal(number, _stop)
        try:
            self._prepare(surroundings, demo)
            for name, command in (("网站", _web(port, workers)), ("后台任务", _manage("worker"))):
                # A session of its own: Ctrl-C reaches only this process, which ends both in order.
                children[name] = subprocess.Popen(command, env=surroundings, start_new_session=True)
            if _wait_for(port, children):
                self._tell(port, demo)
            name, code = _first_to_end(children)
            raise CommandError(
                f"{name}进程意外结束（{code}），已全部停止。 A process ended: see above."
            )
        except Stopped:
            self.stdout.write("\n正在停止…… Stopping.")
        finally:
            _end(list(children.values()))

    def _prepare(self, surroundings: dict[str, str], demo: bool) -> None:
        command = _manage("prepare", *(["--demo"] if demo else []))
        done = subprocess.run(command, env=surroundings, check=False, start_new_session=True)
        if done.returncode:
            raise CommandError("准备工作没有完成，原因见上。 Set-up failed: see above.")

    def _tell(self, port: int, demo: bool) -> None:
        self.stdout.write(f"\n网址： http://127.0.0.1:{port}/　（按 Ctrl-C 停止）")
        if not demo:
            return
        from xianning.management.commands.load_demo import SIGN_INS  # only a demo needs the app

        self.stdout.write("\n演示账号（用户名　密码　职责）：")
        for username, password, office in SIGN_INS:
            self.stdout.write(f"  {username:<16}{password}　{office}")
        self.stdout.flush()


def _refuse_taken(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise CommandError(
                f"端口 {port} 已被占用：系统可能已在运行；或用 PORT=… 换一个端口。"
                f" Port {port} is in use."
            ) from None


def _demo_secrets(var: Path) -> dict[str, str]:
    """Environment of a demo: keys of its own below VAR, made at the first start."""
    files = {"SECRET_KEY": secrets.token_urlsafe(60), "FIELD_KEYS": new_keys()}
    found = {"DEMO": "1", "SECURE": "0"}
    for name, fresh in files.items():
        if os.environ.get(name) or os.environ.get(f"{name}_FILE"):
            continue
        path = var / f"demo_{name.lower()}"
        if not path.exists():
            # Half a key must never stay under the final name.
            draft = path.with_suffix(".new")
            draft.unlink(missing_ok=True)
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(fresh)
            draft.rename(path)
        found[f"{name}_FILE"] = str(path)
    return found


def _manage(*words: str) -> list[str]:
    return [sys.executable, str(settings.BASE_DIR / "manage.py"), *words]


def _web(port: int, workers: int) -> list[str]:
    # One thread a process: several fight for the interpreter and halve the rate. The time limit
    # lies above the longest cage of an upload (60 s), so that the cage answers first.
    return [
        sys.executable, "-m", "gunicorn", "xianning.wsgi", "--bind", f"127.0.0.1:{port}",
        "--workers", str(workers), "--worker-class", "sync", "--timeout", "90",
        "--graceful-timeout", "20", "--max-requests", "5000", "--max-requests-jitter", "500",
        "--worker-tmp-dir", "/dev/shm" if os.path.isdir("/dev/shm") else "/tmp",
        "--chdir", str(settings.BASE_DIR), "--log-level", "warning", "--preload",
        "--no-control-socket",
    ]  # fmt: skip


def _wait_for(port: int, children: dict[str, subprocess.Popen[bytes]]) -> bool:
    """Wait until the server accepts connections; False when a child ended before."""
    while all(child.poll() is None for child in children.values()):
        with socket.socket() as probe:
            probe.settimeout(0.5)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.1)
    return False


def _first_to_end(children: dict[str, subprocess.Popen[bytes]]) -> tuple[str, int]:
    """Wait until a child ends by itself, which is always a failure: its name and exit code."""
    while True:
        for name, child in children.items():
            code = child.poll()
            if code is not None:
                return name, code
        time.sleep(0.5)


def _stop(*_: Any) -> None:
    raise Stopped


def _end(children: list[subprocess.Popen[bytes]]) -> None:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    for child in children:
        if child.poll() is None:
            child.terminate()
    for child in children:
        try:
            child.wait(25)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        with contextlib.suppress(ProcessLookupError):  # what a killed child left behind
            os.killpg(child.pid, signal.SIGKILL)
