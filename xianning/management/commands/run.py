"""`manage.py run [--demo]`: prepare what is missing, then serve pages and do background work.

Web server and worker are children of this command: Ctrl-C or SIGTERM stops both, and when one
dies the other is stopped too.
"""

from __future__ import annotations

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
    # This process only starts others; its own settings may still lack the demo's keys.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--demo", action="store_true", help="演示方式：虚构数据，本机访问")
        parser.add_argument("--port", type=int, default=int(os.environ.get("PORT") or 8000))
        parser.add_argument("--workers", type=int, default=2, help="网站进程数")

    def handle(self, *_: Any, demo: bool, port: int, workers: int, **__: Any) -> None:
        _refuse_taken(port)
        surroundings = dict(os.environ)
        if demo:
            surroundings |= _demo_secrets(Path(settings.VAR_DIR))
        self._prepare(surroundings, demo)
        children = [
            subprocess.Popen(command, env=surroundings, start_new_session=True)
            for command in (_web(port, workers), _manage("worker"))
        ]
        try:
            for number in SIGNALS:
                signal.signal(number, _stop)
            _wait_for(port, children)
            self._tell(port, demo)
            sys.exit(_watch(children))
        except Stopped:
            self.stdout.write("\n正在停止……")
        finally:
            _end(children)

    def _prepare(self, surroundings: dict[str, str], demo: bool) -> None:
        command = _manage("prepare", *(["--demo"] if demo else []))
        if subprocess.run(command, env=surroundings, check=False).returncode:
            raise CommandError("准备工作没有完成，原因见上。")

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
    var.mkdir(mode=0o700, parents=True, exist_ok=True)
    files = {"SECRET_KEY": secrets.token_urlsafe(60), "FIELD_KEYS": new_keys()}
    found = {"DEMO": "1", "SECURE": "0"}
    for name, fresh in files.items():
        if os.environ.get(name) or os.environ.get(f"{name}_FILE"):
            continue
        path = var / f"demo_{name.lower()}"
        if not path.exists():
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(fresh)
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
    ]  # fmt: skip


def _wait_for(port: int, children: list[subprocess.Popen[bytes]]) -> None:
    """Return when the server accepts connections."""
    for _ in range(300):
        if any(child.poll() is not None for child in children):
            return
        with socket.socket() as probe:
            probe.settimeout(0.5)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)


def _watch(children: list[subprocess.Popen[bytes]]) -> int:
    """Wait until one child ends by itself; that is always a failure."""
    while True:
        for child in children:
            code = child.poll()
            if code is not None:
                return code or 1
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
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
