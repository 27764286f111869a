"""Start Ray on this machine, or connect to a cluster; what can go wrong there is one error that says what to do."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from kgrec.cluster.ray_workers import RayWorkers, answers
from kgrec.errors import ClusterError, MissingExtraError, UsageError

if TYPE_CHECKING:
    from kgrec.config import ClusterConfig

LOCAL = "local"
LOOPBACK = "127.0.0.1"
GIB = 1 << 30
_TOKEN = secrets.token_hex(32)
"""Of the clusters that this process starts: others on the machine cannot give them work."""

_IMPORTED: set[str] = set()
"""Whether Ray was imported for local workers: it looks at the environment only then."""


@contextmanager
def connect(where: str, config: ClusterConfig) -> Iterator[RayWorkers]:
    """Have workers as long as the block lasts.

    Args:
        where: ``local``, or ``HOST:PORT`` of the head of a cluster that runs.
        config: how many workers, and what they share in memory.

    Raises:
        MissingExtraError: Ray is not installed.
        UsageError: ``where`` is no address.
        ClusterError: nothing answers there, it is of another version or wants a token.
    """
    if where != LOCAL and not re.fullmatch(r"[\w.:\[\]-]+:\d{1,5}", where):
        raise UsageError(f"{where!r} is no cluster", hint="--cluster local, or HOST:PORT of its head, as 10.0.0.5:6379")
    if where != LOCAL:
        host, _, port = where.rpartition(":")
        if not answers(host, int(port), seconds=5):
            advice = "start a head there with `ray start --head`, or look at the firewall"
            raise ClusterError(f"nothing answers at {where}", hint=advice)
    private = tempfile.mkdtemp(prefix="kgrec-ray-") if where == LOCAL else None
    try:
        with _environment(local=where == LOCAL):
            ray = _import_ray(local=where == LOCAL)
            address = _start(ray, config, private) if private else _join(ray, where)
            try:
                yield RayWorkers(ray, address, _count(ray, config))
            finally:
                with suppress(Exception):  # a cluster that died is no reason to hide what went wrong
                    ray.shutdown()
    finally:
        if private:
            shutil.rmtree(private, ignore_errors=True)


@contextmanager
def _environment(*, local: bool) -> Iterator[None]:
    """Ray takes by environment what must be known before it is imported: no statistics, loopback, a token."""
    wanted = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    if local:  # the last one lets a node have the address of loopback, so all of Ray's ports are bound to it
        wanted |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": _TOKEN, "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _import_ray(*, local: bool) -> Any:
    if local and "ray" in sys.modules and LOCAL not in _IMPORTED:
        problem = "Ray was imported before: without a token, and with ports that others reach"
        raise ClusterError(problem, hint="connect first, import ray later")
    if "ray" not in sys.modules and local:
        _IMPORTED.add(LOCAL)
    try:
        import ray
    except ImportError:
        raise MissingExtraError.of("--cluster", "ray") from None
    if ray.is_initialized():
        raise ClusterError("this process is connected to a cluster already", hint="ray.shutdown() first")
    from ray._private import worker

    worker.print_to_stdstream = lambda *_, **__: None  # a worker's death would be told on stdout, between the data
    return ray


def _start(ray: Any, config: ClusterConfig, folder: str) -> str:
    from kgrec.models.threads import usable_cores

    options: Mapping[str, Any] = {
        "num_cpus": config.workers or usable_cores(),
        "object_store_memory": int(config.memory_gib * GIB),
        "include_dashboard": False,
        "_node_ip_address": LOOPBACK,
        "_temp_dir": folder,
    }
    return _initialise(ray, "Ray does not start on this machine", **options)


def _join(ray: Any, where: str) -> str:
    return _initialise(ray, f"cannot join the cluster at {where}", address=where)


def _initialise(ray: Any, problem: str, **options: Any) -> str:
    try:
        context = ray.init(configure_logging=False, log_to_driver=False, **options)
    except Exception as error:
        text = " ".join(str(error).split())
        if "ersion mismatch" in text:
            raise ClusterError(f"{problem}: {_mismatch(text)}", hint=f"install ray=={ray.__version__} there") from None
        if "uthenticat" in text or "nauthorized" in text or "UNAUTHENTICATED" in text:
            raise ClusterError(
                f"{problem}: it wants a token", hint="set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN"
            ) from None
        hint = (
            "`ray start --address HOST:PORT` on this machine first; if there is a token: RAY_AUTH_MODE, RAY_AUTH_TOKEN"
        )
        raise ClusterError(f"{problem}: {text[:300]}", hint=hint if "address" in options else None) from error
    return str(context.address_info["gcs_address"])


def _mismatch(text: str) -> str:
    """Return the versions of both sides, as Ray tells them."""
    found = re.findall(r"Ray: (\S+) Python: (\S+)", text)
    here = f"here are Python {'.'.join(map(str, sys.version_info[:3]))}"
    return f"it runs Ray {found[0][0]} on Python {found[0][1]}, {here}" if found else "versions differ"


def _count(ray: Any, config: ClusterConfig) -> int:
    cores = int(ray.cluster_resources().get("CPU", 1))
    return max(1, min(config.workers or cores, cores))
