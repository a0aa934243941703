"""The page: complete, alone, and nothing of a record is markup in it."""

import re
from datetime import UTC
from html.parser import HTMLParser

import pytest

from gateway.audit.controls import CATALOGUE, Framework
from gateway.audit.figures import Figures, Terms
from gateway.audit.records import GrantInfo
from gateway.audit.summary import Evidence, report
from tests.gateway.audit.report_rig import DAY, MONDAY_NOON, event, intent, outcome, ruling, who
from workers.report_page import figure, render

HOSTILE = "\"'></td></style><script>alert(1)</script><img src=http://evil/x onerror=alert(1)>{{ 7 * 191 }}"


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs


def page(framework: Framework, word: str) -> str:
    bad = ruling(word, word, "deny", rules=(word,), tables=(word,))
    good = ruling(word, word, tables=(word,), grant=GrantInfo(word, word, word))
    figures = Figures(Terms(MONDAY_NOON, MONDAY_NOON + 3 * DAY, UTC, bulk_rows=1))
    figures.feed([
        intent(1, MONDAY_NOON, who(word, word), bad),
        intent(2, MONDAY_NOON, who(word), good),
        outcome(3, MONDAY_NOON, who(word), good, 5),
        event(4, MONDAY_NOON, "session", who(word), what="sign-in refused", why=word),
        event(5, MONDAY_NOON, "policy", what=word, changes={word: word}),
    ])  # fmt: skip
    evidence = Evidence("tampered", findings=[{"grade": "tampered", "file": word, "offset": 7, "why": word}], alarms=[word],
                        head_problems=[word], keys=[word], granted=[word + "2"])  # fmt: skip
    return render(report(framework, figures, evidence, MONDAY_NOON))


@pytest.mark.parametrize("framework", sorted(CATALOGUE))
def test_hostile_records_add_no_markup(framework: Framework) -> None:
    harmless, hostile = _Tags(), _Tags()
    harmless.feed(page(framework, "w"))
    hostile.feed(page(framework, HOSTILE))
    assert hostile.tags == harmless.tags
    assert not {"script", "img", "link", "iframe", "object"} & set(hostile.tags)
    assert not [name for name, _ in hostile.attributes if name.startswith("on") or name == "src"]
    assert all(value and value.startswith("#") for name, value in hostile.attributes if name == "href")
    assert "1337" not in page(framework, HOSTILE)


def test_page_says_what_it_found_and_loads_nothing() -> None:
    text = page("soc2", "w")
    assert "default-src &#39;none&#39;" in text or "default-src 'none'" in text
    assert not re.search(r"url\(|@import|https?://", text)
    assert all(each.id in text for each in CATALOGUE["soc2"])
    assert "sluice audit show db1-0.aabbccdd-1" in text
    assert "Do not rely on this report" in text


def test_numbers_have_their_thousands_apart() -> None:
    assert figure(1234567) == "1,234,567"
    assert figure("none") == "none"
