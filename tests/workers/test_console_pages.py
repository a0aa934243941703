"""Templates escape, and the files that pages load are known by their content."""

import re
from typing import Any

import msgspec

from gateway.approvals.statements import Held
from gateway.identity.keys import IssuerKeys
from gateway.identity.principal import Principal
from workers.console_pages import FILES, STATIC, Pages
from workers.console_rows import row
from workers.console_sessions import Session


def test_what_is_hostile_is_escaped_and_what_is_missing_is_an_error() -> None:
    page = Pages().render("message", session=None, error="<script>x</script>", hint="'\"&").decode()
    assert "<script>x" not in page
    assert "&lt;script&gt;x&lt;/script&gt;." in page


def told(**more: Any) -> dict[str, Any]:
    held = Held(
        id="h1", state="pending", binding=b"", shape=b"", session="s1", user="ada", issuer="local", actors=(), account="",
        token_id="t", model="", run="", database="prod", environment="production", role="r", statement="update t set a = $1",
        kinds=("UPDATE",), tables=("t",), labels=(), rules=("r",), words="w", approvals=("shop",), reason="", ticket="",
        in_transaction=False, since=1.0, until=2.0,
    )  # fmt: skip
    shown = {"kind": "statement", "approved_by": [], "missing": {"shop": 1}, "unfit": "", "step_up": None}
    facts = {**msgspec.to_builtins(held), **shown, **more}
    return {name: fact for name, fact in facts.items() if name != "preview" or name in more}


def shown(**more: Any) -> str:
    which = told(**more)
    given = {
        "one": row(which), "told": which, "refused": None, "place": 0, "count": 1, "around": ("", ""), "by": "bo (local)",
        "again": False, "link": "", "mark": "m", "live": "/live/h1",
    }  # fmt: skip
    who = Principal("bo", "local", (), (), 9e9, "t")
    session = Session(who, "token", "csrf", IssuerKeys({}), 0.0)
    return Pages().render("request", session=session, **given).decode()


def test_a_request_shows_what_is_known_of_it_and_leaves_no_empty_boxes() -> None:
    plain = shown()
    for word in ("What it would change", "Risk", "more like it", "New since", "Labels", "Parameters"):
        assert word not in plain, word
    sample = {"table": "t", "columns": ["id", "<b>"], "before": [["1", None]], "after": [["2", "<i>x</i>"]]}
    tables = [{"table": "t", "inserted": 0, "updated": 1234, "deleted": 0}]
    preview = {"why": "", "command": "UPDATE", "rows": 1234, "tables": tables, "notes": ["a sequence moved"], "replaces": ""}
    full = shown(
        previews=True, preview=preview, samples=[sample], risk="high", risk_why=["no WHERE", "labels"], alike=3,
        alike_ids=["h1", "h2", "h3"],
        since_last=["another table: t"], text="update t set a = 'x'", parameters=["1", None],
    )  # fmt: skip
    for word in ("UPDATE 1,234", "a sequence moved", "&lt;i&gt;x&lt;/i&gt;", "high risk", "no WHERE; labels",
                 "2 more like it wait", 'value="h1,h2,h3"', "another table: t", "With its values",
                 "Parameters"):  # fmt: skip
        assert word in full, word
    assert "It is being tried" in shown(previews=True, preview=None)
    assert "What it would change" not in shown(previews=True, awaits_preview=True), "who asks is not told"
    assert "Not previewed: lock" in shown(previews=True, preview={**preview, "why": "lock", "replaces": "t: 3"})


def test_files_are_found_under_their_own_mark_alone() -> None:
    pages = Pages()
    for name in STATIC:
        _, _, mark, _ = pages.address(name).split("/")
        assert pages.file(mark, name) == (FILES / name).read_bytes()
        assert pages.file("0" * 16, name) is None
    assert pages.file("x", "base.html.j2") is None


def test_no_template_holds_a_script_a_style_or_an_event_of_its_own() -> None:
    for file in FILES.glob("*.j2"):
        text = file.read_text()
        assert not re.search(r"<style|style=|\son[a-z]+=|javascript:|\|\s*safe", text), file.name
        assert all("src=" in one for one in re.findall(r"<script[^>]*>", text)), file.name
    script = (FILES / "console.js").read_text()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|DOMParser", script)
    assert "url(" not in (FILES / "console.css").read_text()
