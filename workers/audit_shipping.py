"""What of an audit directory goes to a store, under which names.

`<host>/chain-<id>/<segment>.seg` (or `.seg.zst`) and `<host>/heads/<number>.log`, so that what was shipped of a host is an
audit directory again. Only what is complete is shipped; of the newest log of heads, which grows, each run ships what came
since as `<host>/heads/growing/<number>-<from>-<to>.part`: put one behind the other they are the log.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import quote

from workers.audit_trail import COMPRESSED, chains, segment_path
from workers.notary_log import log_files

_PART: Final = re.compile(r".*/growing/(\d{8})-(\d{12})-(\d{12})\.part")


class Objects(Protocol):
    """What shipping asks of a store: `workers.audit_store.Store` is one."""

    def names(self, below: str) -> dict[str, int]: ...

    def create(self, name: str, content: bytes) -> bool: ...


@dataclass(frozen=True, slots=True)
class Cargo:
    """A file's bytes from `start` to `end` (None: to its end) and the object they become."""

    path: Path
    name: str
    start: int = 0
    end: int | None = None

    def content(self) -> bytes:
        """The bytes. Raises OSError."""
        with self.path.open("rb") as file:
            file.seek(self.start)
            return file.read() if self.end is None else file.read(self.end - self.start)


@dataclass(slots=True)
class Shipped:
    """What a run did."""

    objects: int = 0
    octets: int = 0
    there: int = 0  # objects that were there already


@dataclass(slots=True)
class Shipping:
    """One audit directory and one store; `known` are objects that were compared before by this process."""

    directory: Path
    store: Objects
    parquet: Path | None = None
    known: set[str] = field(default_factory=set)

    def run(self, progress: Callable[[Shipped], None] = lambda _: None) -> Shipped:
        """Ships what is missing. Raises OSError, and what the store raises."""
        done = Shipped()
        for cargo in self.cargo():
            if cargo.name in self.known:
                done.there += 1
                continue
            try:
                content = cargo.content()
            except FileNotFoundError:
                continue  # compressed or past its time meanwhile
            if self.store.create(cargo.name, content):
                done.objects, done.octets = done.objects + 1, done.octets + len(content)
            else:
                done.there += 1
            self.known.add(cargo.name)
            progress(done)
        return done

    def cargo(self) -> Iterator[Cargo]:
        """Everything that should be in the store: first the segments, then the heads that speak of them."""
        hosts: set[str] = set()
        for chain in chains(self.directory):
            first = chain.first()
            if first is None:
                continue
            host = quote(first.host, safe="") or "-"
            hosts.add(host)
            live = not chain.is_closed() and chain.is_live()
            numbers = chain.segments()
            for number in numbers[:-1] if live else numbers:
                yield from self._segment(chain.path, host, number)
        for host in sorted(hosts)[:1]:  # an audit directory is one host's
            yield from self._heads(host)
        if self.parquet is not None:
            for path in sorted(self.parquet.rglob("*.parquet")):
                yield Cargo(path, f"parquet/{path.relative_to(self.parquet).as_posix()}")

    def _segment(self, chain: Path, host: str, number: int) -> Iterator[Cargo]:
        plain = segment_path(chain, number)
        name = f"{host}/{chain.name}/{plain.name}"
        if plain.exists():
            yield Cargo(plain, name)
        elif name not in self.known and name not in self.store.names(f"{host}/{chain.name}"):
            yield Cargo(Path(f"{plain}{COMPRESSED}"), name + COMPRESSED)

    def _heads(self, host: str) -> Iterator[Cargo]:
        files = log_files(self.directory)
        for path in files[:-1]:
            yield Cargo(path, f"{host}/heads/{path.name}")
        for path in files[-1:]:
            size, start = path.stat().st_size, 0
            for name in self.store.names(f"{host}/heads/growing"):
                part = _PART.fullmatch("/" + name)
                if part is not None and part[1] == path.name[:8]:
                    start = max(start, int(part[3]))
            if size > start:
                yield Cargo(path, f"{host}/heads/growing/{path.name[:8]}-{start:012d}-{size:012d}.part", start, size)
