"""Many connections from one thread, so that the load itself takes little of the machine and waits for no lock."""

from __future__ import annotations

import json
import selectors
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class Outcome:
    """What came of a load: seconds of the answers that were let in, how many were refused (429, 503), and failed."""

    times: list[float] = field(default_factory=list)
    refused: int = 0
    failed: int = 0

    def figures(self) -> dict[str, float]:
        """Return counts, and milliseconds of the answers that were let in."""
        p50, p99 = np.percentile(np.array(self.times or [np.nan]) * 1000, [50, 99])
        return {"p50 ms": p50, "p99 ms": p99, "failed": float(self.failed), "refused": float(self.refused)}


class _Connection:
    def __init__(self, port: int, number: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.next, self.begun, self.read = number, 0.0, b""

    def answer(self) -> int:
        """Take in what came; return the status of an answer that is whole, else 0."""
        came = self.socket.recv(1 << 18)
        if not came:
            return 599
        self.read += came
        head, found, body = self.read.partition(b"\r\n\r\n")
        if not found:
            return 0
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        if len(body) < length:
            return 0
        self.read = b""
        return int(head[9:12])


def requests(path: str, bodies: Sequence[dict[str, Any]]) -> list[bytes]:
    """Return the bytes of requests."""
    texts = [json.dumps(body).encode() for body in bodies]
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: "
    return [head.encode() + str(len(text)).encode() + b"\r\n\r\n" + text for text in texts]


def drive(
    port: int, sent: Sequence[bytes], clients: int, more: Callable[[Outcome], bool], pause: float = 0.02
) -> Outcome:
    """Send requests over and over on so many connections, each when its last one was answered, while ``more`` says so.

    Every connection begins at another place of ``sent`` and goes on in steps of ``clients``; who was refused asks again
    after ``pause`` seconds, far sooner than the server says.
    """
    found, chooser = Outcome(), selectors.DefaultSelector()
    waiting: list[tuple[float, _Connection]] = []

    def send(one: _Connection) -> None:
        one.begun = time.perf_counter()
        one.socket.sendall(sent[one.next % len(sent)])
        one.next += clients

    connections = [_Connection(port, number) for number in range(clients)]
    for one in connections:
        chooser.register(one.socket, selectors.EVENT_READ, one)
        send(one)
    open_ = clients
    while open_ and (more(found) or len(waiting) < open_):
        for key, _ in chooser.select(0.005):
            one = key.data
            status = one.answer()
            if not status:
                continue
            now = time.perf_counter()
            if status in (429, 503):
                found.refused += 1
                waiting.append((now + pause, one))
                continue
            found.failed += status >= 400
            found.times.append(now - one.begun)
            if status == 599:
                chooser.unregister(one.socket)
                open_ -= 1
            elif more(found):
                send(one)
            else:
                waiting.append((float("inf"), one))
        now = time.perf_counter()
        for place in [k for k, (when, _) in enumerate(waiting) if when <= now and more(found)][::-1]:
            send(waiting.pop(place)[1])
    for one in connections:
        one.socket.close()
    return found
