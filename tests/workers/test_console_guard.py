"""Names that are answered to, requests that pages of ours sent, and cookies."""

import pytest

from workers.console_guard import Site, equal, own_path, site_of

CONSOLE, ADMIN = "https://sluice.example.com", "10.1.2.3:6480"


def host(*values: str, scheme: str = "http") -> Site | None:
    return site_of([(b"host", value.encode("latin-1")) for value in values], scheme, CONSOLE, ADMIN)


@pytest.mark.parametrize(
    ("name", "origin"),
    [
        ("sluice.example.com", CONSOLE), ("SLUICE.example.com", CONSOLE), ("localhost:6480", "http://localhost:6480"),
        ("127.0.0.1", "http://127.0.0.1"), ("127.8.9.1:1", "http://127.8.9.1:1"), ("[::1]:6480", "http://[::1]:6480"),
        (ADMIN, f"http://{ADMIN}"),
    ],
)  # fmt: skip
def test_own_names_are_answered(name: str, origin: str) -> None:
    assert host(name) == Site(origin)


@pytest.mark.parametrize(
    "name",
    ["", "example.com", "sluice.example.com:444", "sluice.example.com.", "127.0.0.1.nip.io", "localhost.evil.com",
     "10.1.2.3", "10.1.2.3:80", "localhost:6480/x", "localhost@evil", "[::1", "::1", "local\xe9host",
     "[::2]:6480", "0.0.0.0:6480"],
)  # fmt: skip
def test_other_names_are_not(name: str) -> None:
    assert host(name) is None


def test_one_host_header_is_what_there_is() -> None:
    assert host() is None
    assert host("localhost", "localhost") is None


@pytest.mark.parametrize(
    ("headers", "own"),
    [
        ({"origin": CONSOLE}, True),
        ({"origin": CONSOLE, "sec-fetch-site": "same-origin"}, True),
        ({"origin": "null", "sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"origin": "null"}, False),
        ({}, False),
        ({"origin": CONSOLE, "sec-fetch-site": "same-site"}, False),
        ({"origin": CONSOLE, "sec-fetch-site": "none"}, False),
        ({"origin": "https://evil.example.com", "sec-fetch-site": "same-origin"}, False),
        ({"origin": "http://sluice.example.com"}, False),
        ({"origin": CONSOLE + ".evil.com"}, False),
    ],
)
def test_only_pages_of_this_origin_send(headers: dict[str, str], own: bool) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    assert Site(CONSOLE).sent_this(raw) is own
    assert Site(CONSOLE).sent_this([*raw, (b"origin", b"https://evil.example.com")]) is False
    assert Site(CONSOLE).sent_this([*raw, (b"sec-fetch-site", b"cross-site")]) is False


def test_a_cookie_of_https_is_bound_to_its_host() -> None:
    made = Site(CONSOLE).cookie("sluice", "abc")
    assert made == "__Host-sluice=abc; Path=/; HttpOnly; SameSite=Lax; Secure"
    assert Site("http://127.0.0.1:6480").cookie("sluice", "", 0) == "sluice=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"


@pytest.mark.parametrize(
    ("sent", "value"),
    [
        (["__Host-sluice=abc"], "abc"), (["a=b; __Host-sluice=abc; c=d"], "abc"), (["a=b", "__Host-sluice=abc"], "abc"),
        (["sluice=abc"], ""), (["__Host-sluice=abc; __Host-sluice=def"], ""), (["__Host-sluice"], ""), ([], ""),
        (["__Host-sluice=abc", "__Host-sluice=abc"], ""), (["__host-sluice=abc"], ""),
    ],
)  # fmt: skip
def test_a_cookie_counts_where_it_is_there_once(sent: list[str], value: str) -> None:
    assert Site(CONSOLE).cookie_of([(b"cookie", one.encode()) for one in sent], "sluice") == value


def test_pages_to_go_on_with_are_ours() -> None:
    assert [own_path(one) for one in ("/", "/approvals/h1", "/approvals/a-12")] == ["/", "/approvals/h1", "/approvals/a-12"]
    for bad in ("", "//x", "/x", "/approvals/", "/approvals/a/b", "/approvals/h1\n", "https://x/", "/approvals/" + "x" * 65):
        assert own_path(bad) == "/"


def test_secrets_are_compared_whatever_they_are() -> None:
    assert equal("abc", "abc")
    assert not any(equal(bad, "abc") for bad in ("", "ab", "abcd", "\udcff", "äöü"))
