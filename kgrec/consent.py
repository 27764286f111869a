"""What a workspace may do beyond itself: which host gets which secret, and which files outside it are read.

A kgrec.toml may come from a stranger. It can name any host, any variable of the environment and any path; whether that
is followed is the user's to decide, and is kept outside every workspace: in ``trust.toml`` under
``$XDG_CONFIG_HOME/kgrec`` (``~/.config/kgrec``). What is not decided yet is asked on a terminal, and refused elsewhere
with a hint that names the command to run.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kgrec.artifacts import replacing, storage_errors
from kgrec.config import Config
from kgrec.errors import ConfigError, ConsentError, KgrecError
from kgrec.places import address, base, is_pattern, matching
from kgrec.settings import Settings, flatten

NO_SECRET = ""
"""Stands for "no variable": a host that is sent texts, but no key."""


_PORTS = {"http": 80, "https": 443, "postgresql": 5432, "postgres": 5432, "s3": None, "gs": None, "ray": None}
"""Schemes of addresses, and the port that need not be stated."""


def trust_file() -> Path:
    """Return the file that keeps what the user allowed."""
    home = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(home) / "kgrec" / "trust.toml"


def origin(url: str) -> str:
    """Return scheme, host and port of an address: what a secret is given to.

    Raises:
        ConfigError: it is no http or https address, or holds a user's name or password.
    """
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"{_shown(url)} is no address: {error}", hint="for example https://host/v1") from None
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ConfigError(f"{_shown(url)} is no address", hint="for example https://host/v1")
    if parts.username is not None or parts.password is not None:
        raise ConfigError(
            f"the address of {parts.hostname} holds a password", hint="name a variable with api_key_env instead"
        )
    if not re.fullmatch(r"[\w.:,-]+", parts.hostname):  # what is spelt %2C here may be read as another host there
        raise ConfigError(f"{_shown(url)} is no address", hint="write the host as it is")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    default = _PORTS[parts.scheme]
    return f"{parts.scheme}://{host}" + ("" if port in (None, default) else f":{port}")


def is_loopback(address: str) -> bool:
    """Say whether an origin is this very machine, by its number; a name may lead anywhere."""
    host = urlsplit(address).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def outside(root: Path, path: Path) -> Path | None:
    """Return where a path leads if that is outside of ``root``, links followed; None where it stays inside."""
    target = (root / path.expanduser()).resolve()
    return None if target.is_relative_to(root.resolve()) else target


def paths_of(config: Config, root: Path) -> list[Path]:
    """Return the files and folders that a kgrec.toml names: data, keywords, and options of parts that lie on disk."""
    found: list[Path] = []
    for path in config.data.paths():
        if not address(path):
            found.append(base((root / path).absolute()))
            if is_pattern(root / path):  # a link within the folder may lead anywhere
                with suppress(KgrecError, OSError):
                    found += [file for file in matching(root / path) if outside(root, file)]
    return found + paths_in(config.model_dump(exclude={"data"}, exclude_defaults=True), root)


def paths_in(options: object, root: Path) -> list[Path]:
    """Return the files and folders that options of parts name: those that exist."""
    found: list[Path] = []
    for value in (part for text in _texts(options) for part in {text, text.partition(":")[2]} if part):
        # transformers:FOLDER is a part's name and a folder
        with suppress(OSError, ValueError, RuntimeError):  # a text that can be no path
            path = Path(value).expanduser()
            found += [path] if (root / path).exists() else []
            # A part may look for a path in the current folder, too; a mere name is a name.
            if os.sep in value and (Path.cwd() / path).exists():
                found.append(Path.cwd() / path)
    return found


def addresses_of(config: Config) -> list[str]:
    """Return the addresses that a kgrec.toml reads data from."""
    return [url for path in config.data.paths() if (url := address(path))]


def check_paths(config: Config, root: Path) -> None:
    """Make sure that the user allows every file outside of the workspace that its kgrec.toml names.

    Raises:
        ConsentError: one is not allowed, and nobody could be asked.
    """
    for url in addresses_of(config):
        Consent.load(ask_on_terminal).source(url)
    _check(paths_of(config, root), root)


def check_options(options: object, root: Path) -> None:
    """Make sure of the same for options that an artifact keeps: it may have come with the workspace.

    Raises:
        ConsentError: as of :func:`check_paths`.
    """
    _check(paths_in(options, root), root)


def _check(paths: Iterable[Path], root: Path) -> None:
    asked = [path for path in paths if outside(root, path)]
    consent = Consent.load(ask_on_terminal) if asked else None
    for path in asked:
        consent = consent.path(root, path) if consent else None


def allow_paths(root: Path, paths: Iterable[Path]) -> None:
    """Keep that a workspace may read what the user named on the command line; relative to the current folder."""
    known = list(paths)
    hosts = [_source(url) for path in known if (url := address(path))]
    targets = [base(path).expanduser().resolve() for path in known if not address(path)]
    far = [(str(root.resolve()), str(target)) for target in targets if not target.is_relative_to(root.resolve())]
    if far or hosts:
        Consent.load().allow(hosts=hosts, paths=far)


def _source(url: str) -> tuple[str, str]:
    """Return origin of an address of data and the variable whose value its host is sent."""
    found = origin(url.partition("#")[0])
    return found, "PGPASSWORD" if found.startswith("postgres") and os.environ.get("PGPASSWORD") else NO_SECRET


_HOSTS: set[str] = set()
_PATHS: set[Path] = set()
_NAMED: set[str] = set()


def allow_typed(settings: Settings, root: Path) -> None:
    """Let this process reach the hosts and files that the user typed as settings (``--set``): it is no stranger's wish.

    Variables that kgrec.toml names are still asked about: the user did not type them.
    """
    for key, value in flatten(settings.config.model_dump()).items():
        stated = settings.origins.get(key)
        if key.endswith("_env") and stated != "--set":
            _NAMED.update(_texts(value))
        if stated == "--set":
            _allow_values(_texts(value), root)


def _allow_values(values: Iterable[str], root: Path) -> None:
    for value in values:
        if url := address(value):
            with suppress(ConfigError):
                _HOSTS.add(origin(url.partition("#")[0]))
            continue
        for text in filter(None, (value, value.partition(":")[2])):
            with suppress(OSError, ValueError, RuntimeError):
                path = Path(text).expanduser()
                _PATHS.update(base(one).resolve() for one in (root / path, path) if base(one).exists())


def _texts(value: object) -> Iterator[str]:
    """Yield all texts inside of nested tables; those of one line, for nothing else names a file."""
    if isinstance(value, str):
        if value and len(value) < 4096 and "\n" not in value:
            yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part)


@dataclass(frozen=True, slots=True)
class Consent:
    """What the user allowed so far.

    Attributes:
        file: where it is kept.
        hosts: pairs of origin and name of the variable whose value it may get; :data:`NO_SECRET` for none.
        paths: pairs of workspace and file or folder outside of it that is read.
        codes: pairs of workspace and digest of its own plugin, whose code is run.
        ask: puts a question to the user and returns the answer; None where nobody can be asked.
    """

    file: Path = field(default_factory=trust_file)
    hosts: frozenset[tuple[str, str]] = frozenset()
    paths: frozenset[tuple[str, str]] = frozenset()
    codes: frozenset[tuple[str, str]] = frozenset()
    ask: Callable[[str], bool] | None = None

    @classmethod
    def load(cls, ask: Callable[[str], bool] | None = None) -> Consent:
        """Read what was allowed.

        Raises:
            ConfigError: the file cannot be read; nothing counts as allowed then.
        """
        import tomlkit
        from tomlkit.exceptions import TOMLKitError

        file = trust_file()
        try:
            document: Any = tomlkit.parse(file.read_text(encoding="utf-8")).unwrap()
            hosts = frozenset((str(one["origin"]), str(one["variable"])) for one in document.get("host", []))
            paths = frozenset((str(one["workspace"]), str(one["path"])) for one in document.get("path", []))
            codes = frozenset((str(one["workspace"]), str(one["sha256"])) for one in document.get("code", []))
        except FileNotFoundError:
            return cls(file, ask=ask)
        except (OSError, UnicodeDecodeError, TOMLKitError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(f"{file} cannot be read: {error}", hint="fix or remove it") from None
        return cls(file, hosts, paths, codes, ask)

    def host(self, url: str, variable: str = NO_SECRET) -> Consent:
        """Return this consent, with ``url`` getting texts and the value of ``variable``, if the user agrees.

        Args:
            url: address that kgrec.toml names.
            variable: of the environment, whose value is sent along; empty for none.

        Raises:
            ConsentError: it is not allowed; the hint says how to allow it.
        """
        wanted = (origin(url), variable)
        if wanted in self.hosts or self._typed(*wanted) or (not variable and is_loopback(wanted[0])):
            return self
        secret = f" and the secret ${variable}" if variable else ""
        question = f"this workspace wants to send texts{secret} to {wanted[0]}"
        command = f"kgrec trust host {wanted[0]}" + (f" {variable}" if variable else "")
        self._decide(question, command)
        return self.allow(hosts=[wanted])

    def source(self, url: str) -> Consent:
        """Return this consent, with data being read from an address, if the user agrees.

        Raises:
            ConsentError: it is not allowed; the hint says how to allow it.
        """
        wanted = _source(url)
        if wanted in self.hosts or self._typed(*wanted):
            return self
        secret = f" with the secret ${wanted[1]}" if wanted[1] else ""
        command = f"kgrec trust host {wanted[0]}" + (f" {wanted[1]}" if wanted[1] else "")
        self._decide(f"this workspace wants to read data from {wanted[0]}{secret}", command)
        return self.allow(hosts=[wanted])

    def path(self, root: Path, path: Path) -> Consent:
        """Return this consent, with a path outside of the workspace being read, if the user agrees.

        Raises:
            ConsentError: it is not allowed; the hint says how to allow it.
        """
        target = outside(root, path)
        if target is None:
            return self
        home = str(root.resolve())
        allowed = {Path(known) for workspace, known in self.paths if workspace == home}
        if any(target.is_relative_to(known) for known in allowed | _PATHS):
            return self
        self._decide(f"this workspace wants to read {target}, which is outside of it", f"kgrec trust path {target}")
        return self.allow(paths=[(home, str(target))])

    def code(self, home: Path, digest: str) -> Consent:
        """Return this consent, with the workspace's own plugin being run as it stands, if the user agrees.

        Args:
            home: the workspace, resolved.
            digest: SHA-256 of the plugin's text.

        Raises:
            ConsentError: it is not allowed; the hint says how to allow it.
        """
        if (str(home), digest) in self.codes:
            return self
        changed = any(workspace == str(home) for workspace, _ in self.codes)
        told = "was changed since it was allowed" if changed else "is code that nobody allowed yet"
        self._decide(
            f"kgrec_plugins.py of {home} {told}: it can do all that you can",
            f"read it, then kgrec trust code -w {home}",
        )
        return self.allow(code=[(str(home), digest)])

    def _typed(self, address: str, variable: str) -> bool:
        """Say whether the user typed this address; a variable that kgrec.toml names is not typed with it."""
        return address in _HOSTS and variable not in _NAMED

    def _decide(self, question: str, command: str) -> None:
        if self.ask is None or not self.ask(f"{question}. Allow it?"):
            raise ConsentError(question, hint=f"if that is what you want: {command}")

    def allow(
        self,
        *,
        hosts: Iterable[tuple[str, str]] = (),
        paths: Iterable[tuple[str, str]] = (),
        code: Iterable[tuple[str, str]] = (),
    ) -> Consent:
        """Keep that something is allowed and return the consent that knows it; of a workspace's code the last text."""
        codes = dict(self.codes) | dict(code)
        made = Consent(self.file, self.hosts | set(hosts), self.paths | set(paths), frozenset(codes.items()), self.ask)
        made.save()
        return made

    def withdraw(self, text: str) -> tuple[Consent, int]:
        """Forget all that concerns an origin, a variable, a workspace or a path; also return how much that was."""
        hosts = frozenset(pair for pair in self.hosts if text not in pair)
        paths = frozenset(pair for pair in self.paths if text not in pair)
        codes = frozenset(pair for pair in self.codes if text not in pair)
        made = Consent(self.file, hosts, paths, codes, self.ask)
        made.save()
        before = len(self.hosts) + len(self.paths) + len(self.codes)
        return made, before - len(hosts) - len(paths) - len(codes)

    def save(self) -> None:
        """Write the file; only its owner may read it."""
        import tomlkit

        document = {
            "host": [{"origin": address, "variable": variable} for address, variable in sorted(self.hosts)],
            "path": [{"workspace": workspace, "path": path} for workspace, path in sorted(self.paths)],
            "code": [{"workspace": workspace, "sha256": digest} for workspace, digest in sorted(self.codes)],
        }
        with storage_errors(self.file):
            self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with replacing(self.file, mode=0o600) as aside:
            aside.write_text(tomlkit.dumps(document), encoding="utf-8")


def ask_on_terminal(question: str) -> bool:
    """Ask a yes-or-no question on a terminal; False where there is none. Only a typed ``yes`` agrees."""
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    print(f"{question} [yes/No] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().casefold() in ("yes", "y")


def _shown(url: str) -> str:
    """Return an address as an error may show it: without what stands before an @, and not too long."""
    return repr(url.rpartition("@")[2][:80])
