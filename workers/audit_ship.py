"""Shipping the trail to object storage: create-only, resumable, so that nobody on the gateway's host can change what left.

Below the URL: `<host>/chain-…/00000000.seg` (or `.seg.zst`) as in the audit directory, `<host>/heads/00000000.log`, and of
the log of heads that still grows its pieces, `<host>/heads/00000001.log.part-<first byte>-<end>`, which one after the other
are the file. Parquet goes to `parquet/dt=…/hour=…/host=…/`. Needs obstore (the extra `[s3]`).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from workers.audit_parquet import complete
from workers.notary_log import log_files

_PART: Final = re.compile(r"(\d{8}\.log)\.part-(\d{12})-(\d{12})")
_SEGMENT: Final = re.compile(r"(chain-[0-9a-f]{32}/\d{8})\.seg(?:\.zst)?")


class Differs(Exception):
    """What lies there under a name is not what would be written under it."""


class NotInstalled(Exception):
    """The extra is missing; the text says what to install."""


@dataclass(frozen=True, slots=True)
class Shipped:
    """An object that was written: its path below the URL, and its bytes."""

    path: str
    size: int


class Shipper:
    """A place in object storage, by obstore's URLs: s3://bucket/prefix, file:///folder, …; credentials and endpoint come
    from the usual environment. Raises NotInstalled, ValueError for a URL that nothing serves.
    """

    def __init__(self, url: str) -> None:
        try:
            import obstore
            from obstore.exceptions import AlreadyExistsError, BaseError
            from obstore.store import from_url
        except ImportError:
            raise NotInstalled("shipping needs obstore: pip install 'sluice-gateway[s3]'") from None
        self._obstore, self._exists, self.failure = obstore, AlreadyExistsError, BaseError
        try:
            self._store: Any = from_url(url)
        except BaseError as fault:
            raise ValueError(f"{url}: {str(fault).splitlines()[0]}") from None

    def trail(self, directory: Path, host: str) -> Iterator[Shipped]:
        """Writes what is not there yet of an audit directory: complete segments, and the log of heads to its end. Raises
        Differs, OSError, and `failure` where the storage fails.
        """
        there = self._sizes(host)
        segments = {found[1] for path in there if (found := _SEGMENT.search(path))}
        for chain, number in complete(directory):
            name = f"{chain.path.name}/{number:08d}"
            file = next(iter(sorted(chain.path.glob(f"{number:08d}.seg*"))), None)
            if file is None:
                continue  # its time was up, just now
            path = f"{host}/{chain.path.name}/{file.name}"
            if path in there:
                self._same(path, file.stat().st_size, there[path])
            elif name not in segments:
                yield self._put(path, file.read_bytes())
        yield from self._heads(directory, host, there)

    def tree(self, folder: Path, prefix: str) -> Iterator[Shipped]:
        """Writes a folder's files that are not there yet; they never change."""
        there = self._sizes(prefix)
        for file in sorted(folder.rglob("*")):
            if not file.is_file() or file.name.startswith("."):
                continue
            path = f"{prefix}/{file.relative_to(folder).as_posix()}"
            if path in there:
                self._same(path, file.stat().st_size, there[path])
            else:
                yield self._put(path, file.read_bytes())

    def _heads(self, directory: Path, host: str, there: dict[str, int]) -> Iterator[Shipped]:
        """Files that a later one follows go whole; of the last one the bytes that are new."""
        files = log_files(directory)
        for file in files[:-1]:
            path = f"{host}/heads/{file.name}"
            if path not in there:
                yield self._put(path, file.read_bytes())
        if not files:
            return
        last = files[-1]
        parts = [found for path in there if (found := _PART.search(path)) and found[1] == last.name]
        begin = max((int(found[3]) for found in parts), default=0)
        with last.open("rb") as opened:
            opened.seek(begin)
            data = opened.read()
        if data:
            yield self._put(f"{host}/heads/{last.name}.part-{begin:012d}-{begin + len(data):012d}", data)

    def _sizes(self, prefix: str) -> dict[str, int]:
        return {each["path"]: each["size"] for some in self._obstore.list(self._store, prefix) for each in some}

    def _put(self, path: str, data: bytes) -> Shipped:
        try:
            self._obstore.put(self._store, path, data, mode="create", use_multipart=False)
        except self._exists:  # meanwhile, by another run: it must have written the same
            if bytes(self._obstore.get(self._store, path).bytes()) != data:
                raise Differs(f"{path} is there with another content: nothing is ever overwritten") from None
        return Shipped(path, len(data))

    @staticmethod
    def _same(path: str, ours: int, theirs: int) -> None:
        if ours != theirs:
            raise Differs(f"{path} is there with {theirs} bytes, not {ours}: nothing is ever overwritten")
