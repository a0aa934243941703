"""Sidecars of complete segments, `<audit dir>/index/<chain hex>-<8 digits>.idx`: what `gateway.audit.sidecar` sums up.

They are derived: whoever may write makes those that are missing, and they may be deleted at any time.
"""

import contextlib
import os
from collections.abc import Generator
from pathlib import Path

from gateway.audit import sidecar
from gateway.audit.segment import SegmentReader
from gateway.audit.sidecar import Summarizer, Summary
from workers.audit_trail import ChainFiles, promised, segment_path, segment_pieces


def index_path(chain: ChainFiles, number: int) -> Path:
    """Where a segment's sidecar is."""
    return chain.path.parent / "index" / f"{chain.id.hex()}-{number:08d}.idx"


def load(chain: ChainFiles, number: int) -> Summary | None:
    """The sidecar of a segment, where there is one that can be used."""
    try:
        found = sidecar.from_bytes(index_path(chain, number).read_bytes())
    except OSError:
        return None
    if found is None or (found.chain, found.segment) != (chain.id, number):
        return None
    return found if found.length == _length(chain, number, found.length) else None


def _length(chain: ChainFiles, number: int, known: int) -> int:
    """How long a complete segment is: as promised, or where nothing follows as its file, which in a copy may have grown; of
    a compressed one what is known already.
    """
    limit = promised(chain, number)
    if limit is None:
        with contextlib.suppress(FileNotFoundError):
            return segment_path(chain.path, number).stat().st_size
    return known if limit is None else limit


def build(chain: ChainFiles, number: int) -> Summary | None:
    """Reads a complete segment and writes its sidecar, where the directory can be written. None for a segment that cannot be
    read to its end: it is searched as it is.
    """
    steps = building(chain, number)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: Summary | None = end.value
            return found


def building(chain: ChainFiles, number: int) -> Generator[None, None, Summary | None]:
    """The same in steps, a piece of the segment each."""
    reader, length = SegmentReader(), 0
    summarizer: Summarizer | None = None
    try:
        for data in segment_pieces(chain, number):
            length += len(data)
            frames = reader.feed(data)
            if reader.damage is not None or reader.header is None:
                return None
            summarizer = summarizer or Summarizer(reader.header)
            for frame in frames:
                summarizer.read(frame)
            yield
    except (OSError, ValueError):
        return None
    limit = promised(chain, number)
    if summarizer is None or (limit is not None and limit != length) or reader.pending:
        return None
    summary = summarizer.summary(length)
    with contextlib.suppress(OSError):
        _write(index_path(chain, number), sidecar.to_bytes(summary))
    return summary


def is_complete(chain: ChainFiles, number: int) -> bool:
    """Whether nothing will be appended to a segment any more: another follows, or nobody writes the chain."""
    return chain.header(number + 1) is not None or not chain.is_live()


def _write(path: Path, data: bytes) -> None:
    owner = path.parent.parent.stat()
    path.parent.mkdir(mode=0o750, exist_ok=True)
    made = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        made.write_bytes(data)
        made.chmod(0o440)
        if os.geteuid() == 0:  # the gateway's user reads and removes it
            for each in (path.parent, made):
                os.chown(each, owner.st_uid, owner.st_gid)
        made.rename(path)
    except OSError:
        made.unlink(missing_ok=True)
        raise
