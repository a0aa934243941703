"""Shipping to S3's interface as AWS documents it (signature 4, If-None-Match, ListObjectsV2), played by a local server
that checks what it is sent; and to a folder.
"""

import hashlib
import hmac
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import pytest
from click.testing import CliRunner, Result

from tests.gateway.audit.trail_rig import write_trail
from workers.audit_group import audit
from workers.audit_ship import Differs, Shipper
from workers.audit_trail import read_all

KEY, SECRET, REGION, BUCKET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "us-east-1", "trail"
AUTHORIZATION = re.compile(r"AWS4-HMAC-SHA256 Credential=(\S+?), ?SignedHeaders=(\S+?), ?Signature=([0-9a-f]{64})")


class Bucket(ThreadingHTTPServer):
    """One bucket."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.objects: dict[str, bytes] = {}
        self.refused: list[str] = []
        self.failing = 0  # requests to come that are answered with 503


def signed(handler: "Handler", body: bytes) -> bool:
    """Whether the request bears the signature of AWS's "Authenticating Requests (AWS Signature Version 4)"."""
    found = AUTHORIZATION.fullmatch(handler.headers.get("Authorization", ""))
    if not found:
        return False
    identity, names, signature = found.groups()
    parts = urlsplit(handler.path)
    query = "&".join(f"{quote(k, safe='-_.~')}={quote(v, safe='-_.~')}" for k, v in sorted(parse_qsl(parts.query, True)))
    headers = "".join(f"{name}:{' '.join((handler.headers[name] or '').split())}\n" for name in names.split(";"))
    content = handler.headers["x-amz-content-sha256"]
    if content not in ("UNSIGNED-PAYLOAD", hashlib.sha256(body).hexdigest()):
        return False
    path = quote(unquote(parts.path), safe="/-_.~")
    request = "\n".join([handler.command, path, query, headers, names, content])
    date = handler.headers["x-amz-date"]
    scope = f"{date[:8]}/{REGION}/s3/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", date, scope, hashlib.sha256(request.encode()).hexdigest()])
    key = f"AWS4{SECRET}".encode()
    for each in (date[:8], REGION, "s3", "aws4_request"):
        key = hmac.digest(key, each.encode(), "sha256")
    expected = hmac.digest(key, text.encode(), "sha256").hex()
    return identity == f"{KEY}/{scope}" and hmac.compare_digest(signature, expected)


class Handler(BaseHTTPRequestHandler):
    """S3, as far as shipping needs it."""

    server: Bucket
    protocol_version = "HTTP/1.1"

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), "ETag": '"x"', **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def take(self) -> tuple[str, bytes] | None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = unquote(urlsplit(self.path).path)
        if self.server.failing:
            self.server.failing -= 1
            self.answer(503)
        elif not signed(self, body) or not path.startswith(f"/{BUCKET}"):
            self.server.refused.append(path)
            self.answer(403)
        else:
            return path.removeprefix(f"/{BUCKET}").strip("/"), body
        return None

    def do_PUT(self) -> None:
        taken = self.take()
        if taken is None:
            return
        if self.headers.get("If-None-Match") != "*":
            self.server.refused.append("a put that could overwrite")
            self.answer(400)
        elif taken[0] in self.server.objects:
            self.answer(412)
        else:
            self.server.objects[taken[0]] = taken[1]
            self.answer(200)

    def do_HEAD(self) -> None:
        taken = self.take()
        if taken is not None:
            data = self.server.objects.get(taken[0])
            size = {"Content_Length": str(len(data))} if data is not None else {}
            self.answer(200 if data is not None else 404, Last_Modified="Sat, 31 Jan 2026 10:00:00 GMT", **size)

    def do_GET(self) -> None:
        if self.take() is None:
            return
        prefix = dict(parse_qsl(urlsplit(self.path).query)).get("prefix", "")
        found = "".join(
            f"<Contents><Key>{name}</Key><LastModified>2026-01-31T10:00:00.000Z</LastModified><ETag>x</ETag>"
            f"<Size>{len(data)}</Size><StorageClass>STANDARD</StorageClass></Contents>"
            for name, data in sorted(self.server.objects.items())
            if name.startswith(prefix)
        )
        self.answer(200, f"<ListBucketResult><IsTruncated>false</IsTruncated>{found}</ListBucketResult>".encode())

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    server = Bucket()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    for name, value in {
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": REGION,
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
        "AWS_ALLOW_HTTP": "true",
    }.items():
        monkeypatch.setenv(name, value)
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def trail(tmp_path: Path) -> Path:
    folder = tmp_path / "audit"
    write_trail(folder, 4, chains=2, segments=2)
    (folder / "heads").mkdir()
    (folder / "heads" / "00000000.log").write_bytes(b"closed")
    (folder / "heads" / "00000001.log").write_bytes(b"growing")
    return folder


def ship(trail: Path, *arguments: str) -> Result:
    return CliRunner().invoke(audit, ["--dir", str(trail), "ship", *arguments])


def test_trail_is_shipped_once_and_only_what_is_new_again(trail: Path, bucket: Bucket) -> None:
    done = ship(trail, "--to", f"s3://{BUCKET}/fleet")
    assert done.exit_code == 0, done.output
    assert bucket.refused == []
    shipped = {name.removeprefix("fleet/db0/"): data for name, data in bucket.objects.items()}
    segments = {f"{file.parent.name}/{file.name}": file.read_bytes() for file in trail.glob("chain-*/*.seg")}
    assert len(segments) == 4
    heads = {"heads/00000000.log": b"closed", "heads/00000001.log.part-000000000000-000000000007": b"growing"}
    assert shipped == segments | heads
    assert "0 new objects" in ship(trail, "--to", f"s3://{BUCKET}/fleet").output
    with (trail / "heads" / "00000001.log").open("ab") as grown:
        grown.write(b" on")
    assert "1 new objects, 3 bytes" in ship(trail, "--to", f"s3://{BUCKET}/fleet").output
    assert bucket.objects["fleet/db0/heads/00000001.log.part-000000000007-000000000010"] == b" on"


def test_nothing_is_overwritten(trail: Path, bucket: Bucket) -> None:
    assert ship(trail, "--to", f"s3://{BUCKET}/fleet").exit_code == 0
    victim = next(name for name in bucket.objects if name.endswith(".seg"))
    bucket.objects[victim] += b"more"
    said = ship(trail, "--to", f"s3://{BUCKET}/fleet")
    assert said.exit_code == 1
    assert "ever overwritten" in said.output
    assert bucket.objects[victim].endswith(b"more")


def test_storage_that_stumbles_is_asked_again_and_one_that_refuses_is_told(trail: Path, bucket: Bucket) -> None:
    bucket.failing = 2
    assert ship(trail, "--to", f"s3://{BUCKET}/fleet").exit_code == 0
    said = ship(trail, "--to", "s3://another/fleet")
    assert said.exit_code == 1
    assert said.output.count("\n") == 1


def test_folder_can_be_read_like_the_trail_itself(trail: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy"
    target.mkdir()
    lake = tmp_path / "lake"
    assert ship(trail, "--to", f"file://{target}", "--parquet", str(lake)).exit_code == 0
    assert {each.id for each in read_all(target / "db0")} == {each.id for each in read_all(trail)}
    assert {file.relative_to(lake) for file in lake.rglob("*.parquet")} == {
        file.relative_to(target / "parquet") for file in (target / "parquet").rglob("*.parquet")
    }


def test_put_that_loses_a_race_compares(trail: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy"
    target.mkdir()
    racing = Shipper(f"file://{target}").trail(trail, "db0")
    first = next(racing)
    second = Shipper(f"file://{target}")
    assert len(list(second.trail(trail, "db0"))) == 5
    assert len(list(racing)) == 5  # written by the other: the same bytes
    assert (target / first.path).exists()
    (target / first.path).write_bytes(b"x")
    with pytest.raises(Differs):
        list(second.trail(trail, "db0"))


def test_put_that_loses_a_race_against_another_content_is_told(trail: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy"
    target.mkdir()
    racing = Shipper(f"file://{target}").trail(trail, "db0")
    next(racing)
    for each in Shipper(f"file://{target}").trail(trail, "db0"):
        (target / each.path).write_bytes(bytes(each.size))
    with pytest.raises(Differs, match="another content"):
        list(racing)


def test_place_that_nothing_serves_is_wrong_usage(trail: Path) -> None:
    assert ship(trail, "--to", "gopher://x").exit_code == 2
