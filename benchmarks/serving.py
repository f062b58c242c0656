"""What the prediction API answers on loopback: predictions a second, and which side of the wire they cost.

    python benchmarks/serving.py [--seconds 2] [--repeats 3] [--out serving.json]

Figure to reach on 2 CPU cores: 20,000 predictions a second, .npy bodies, batches of 512.

The server is a process of its own with a softmax regression trained on scikit-learn's digits (64 features, 10 classes,
float32, probabilities). The client `jaxattack` is this process: a thread and a connection each ask batch after batch, and every
answer is checked as the client always does. The client `sockets` is a process that sends the same bytes again and again and
reads no more of an answer than its length: it leaves the machine to the server. CPU milliseconds are those of a request, in
either process; `model` is what the server spent waiting for the oracle. Rows run in turn, repeat after repeat, and medians are
shown.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

import httpx
import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

import jaxattack as ja
from jaxattack.oracle.local import from_model
from jaxattack.oracle.remote import connect
from jaxattack.serve import serve
from jaxattack.types import Inputs

SHAPE = (8, 8, 1)


class Row(NamedTuple):
    """One way of asking."""

    format: Literal["npy", "json"]
    dtype: str
    batch: int
    connections: int
    client: Literal["jaxattack", "sockets"] = "jaxattack"


ROWS = (
    Row("npy", "float64", 512, 1),
    Row("npy", "float64", 512, 2),
    Row("npy", "float64", 512, 4),
    Row("npy", "float32", 512, 2),
    Row("npy", "uint8", 512, 2),
    Row("npy", "float64", 4096, 2),
    Row("npy", "float64", 64, 4),
    Row("npy", "float64", 1, 4),
    Row("json", "float64", 512, 2),
    Row("json", "float64", 1, 4),
    Row("json", "float64", 1, 1, "sockets"),
    Row("json", "float64", 1, 4, "sockets"),
    Row("json", "float64", 1, 16, "sockets"),
)


def serve_digits() -> None:
    """Train a softmax regression on digits and serve it until told to stop; prints the URL."""
    dataset = ja.load("digits")
    model = ja.models.build("softmax", dataset.shape, dataset.classes)
    member = np.arange(len(dataset)) % 2 == 0
    variables = ja.training.train_one(model, ja.Recipe(epochs=10), dataset, member)
    oracle = from_model(model, variables, inputs=Inputs.box(0, 255, SHAPE), classes=10, images=True)
    serve(oracle, port=0, ready=lambda url: print(url, flush=True))


@contextmanager
def served() -> Iterator[tuple[str, psutil.Process]]:
    """A server in a process of its own: its URL and the process."""
    with subprocess.Popen([sys.executable, __file__, "--server"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().decode().strip(), psutil.Process(process.pid)
        finally:
            process.terminate()


def model_seconds(url: str) -> float:
    """What the oracle has taken so far."""
    found = re.search(r"jaxattack_model_seconds_total\{.*\} (\S+)", httpx.get(f"{url}/metrics").text)
    assert found
    return float(found[1])


def cpu(process: psutil.Process) -> float:
    """CPU seconds so far."""
    times = process.cpu_times()
    return times.user + times.system


class Asked(NamedTuple):
    """What a client did.

    Attributes:
        requests: that were answered.
        wall: seconds it took.
        cpu: seconds of the client.
    """

    requests: int
    wall: float
    cpu: float


def ask_over_sockets(url: str, body: bytes, connections: int, seconds: float) -> Asked:
    """Send one request again and again over several connections of this process."""
    place = urlsplit(url)
    head = f"POST /predict HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    counts = [0] * connections
    begin, cpu = time.perf_counter(), time.process_time()

    def ask(number: int) -> None:
        with socket.create_connection((place.hostname, place.port)) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while time.perf_counter() < begin + seconds:
                connection.sendall(request)
                received = connection.recv(1 << 16)
                while b"\r\n\r\n" not in received or len(received) < length_of(received):
                    received += connection.recv(1 << 16)
                assert received.startswith(b"HTTP/1.1 200 "), received
                counts[number] += 1

    run_threads(ask, connections)
    return Asked(sum(counts), time.perf_counter() - begin, time.process_time() - cpu)


def length_of(received: bytes) -> int:
    """Bytes of a response, its head included."""
    head, _, _ = received.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    assert length
    return len(head) + 4 + int(length[1])


def run_threads(work: Callable[[int], None], count: int) -> None:
    """Run so many threads, each with its number, to their end."""
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def ask_over_client(row: Row, url: str, x: np.ndarray, seconds: float) -> Asked:
    """Ask through the package's client, checking every answer."""
    oracles = [connect(url, format=row.format) for _ in range(row.connections)]
    for oracle in oracles:  # opens the connection, and compiles for this size
        oracle(x)
    asked = [0] * row.connections
    begin, cpu = time.perf_counter(), time.process_time()

    def ask(number: int) -> None:
        while time.perf_counter() < begin + seconds:
            oracles[number](x)
            asked[number] += 1

    run_threads(ask, row.connections)
    result = Asked(sum(asked), time.perf_counter() - begin, time.process_time() - cpu)
    for oracle in oracles:
        oracle.close()
    return result


def measure(row: Row, url: str, server: psutil.Process, seconds: float) -> dict[str, float]:
    """Ask for so many seconds over so many connections."""
    x = np.random.default_rng(0).uniform(0, 255, (row.batch, *SHAPE)).astype(row.dtype)
    before = cpu(server), model_seconds(url)
    if row.client == "sockets":
        command = [sys.executable, __file__, "--client", url, str(row.connections), str(seconds)]
        body = json.dumps({"inputs": x.tolist()}).encode()
        asked = Asked(*json.loads(subprocess.run(command, input=body, capture_output=True, check=True).stdout))
    else:
        asked = ask_over_client(row, url, x, seconds)
    there, model = (now - then for now, then in zip((cpu(server), model_seconds(url)), before, strict=True))
    return {
        "predictions_per_second": asked.requests * row.batch / asked.wall,
        "client_cpu_ms": 1000 * asked.cpu / asked.requests,
        "server_cpu_ms": 1000 * there / asked.requests,
        "model_ms": 1000 * model / asked.requests,
        "cores_busy": (asked.cpu + there) / asked.wall,
    }


def summary(row: Row, runs: list[dict[str, float]]) -> dict[str, Any]:
    """Medians of the repeats, and the spread of the rate."""
    rates = [run["predictions_per_second"] for run in runs]
    medians = {name: float(np.median([run[name] for run in runs])) for name in runs[0]}
    return row._asdict() | medians | {"least": min(rates), "most": max(rates), "n": len(rates)}


def environment() -> dict[str, Any]:
    """The device and the versions."""
    cpus = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":")[1].strip() for line in cpus if "model name" in line]
    packages = {name: version(name) for name in ("numpy", "jax", "uvicorn", "starlette", "httpx", "h11")}
    busy = {"load_before": round(os.getloadavg()[0], 2)}
    where = {"cpu": names[0] if names else platform.processor(), "cores": os.cpu_count()}
    return where | busy | {"python": platform.python_version()} | packages


def show(results: list[dict[str, Any]], where: dict[str, Any]) -> None:
    """Print the table."""
    table = Table(title=", ".join(f"{key} {value}" for key, value in where.items()))
    headings = "bodies", "client", "batch", "connections", "predictions/s (least-most, n)", "cores busy"
    for heading in (*headings, "CPU ms a request: client", "server", "model"):
        table.add_column(heading, justify="left" if heading in ("bodies", "client") else "right")
    for result in results:
        rate, least, most = (f"{result[name]:,.0f}" for name in ("predictions_per_second", "least", "most"))
        table.add_row(
            f"{result['format']} {result['dtype']}",
            result["client"],
            f"{result['batch']:,}",
            str(result["connections"]),
            f"{rate} ({least}-{most}, {result['n']})",
            f"{result['cores_busy']:.2f}",
            *(f"{result[name]:.2f}" for name in ("client_cpu_ms", "server_cpu_ms", "model_ms")),
        )
    Console(width=max(Console().width, 140)).print(table)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description="Predictions a second over HTTP on loopback.")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, help="write the figures here as JSON")
    parser.add_argument("--server", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--client", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        url, connections, seconds = options.client
        print(json.dumps(ask_over_sockets(url, sys.stdin.buffer.read(), int(connections), float(seconds))))
        return
    if options.server:
        serve_digits()
        return
    where = environment()
    with served() as (url, server):
        rounds = [[measure(row, url, server, options.seconds) for row in ROWS] for _ in range(options.repeats)]
    results = [summary(row, list(runs)) for row, runs in zip(ROWS, zip(*rounds, strict=True), strict=True)]
    show(results, where)
    if options.out:
        options.out.write_text(json.dumps({"rows": results, "environment": where}, indent=1) + "\n")


if __name__ == "__main__":
    main()
