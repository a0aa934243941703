"""Cards and open intents are plain: what is not said has its plain value, and no two share anything."""

from gateway.audit.defined import ColumnsCard, Open, RulingCard, SessionCard
from gateway.audit.records import ColumnsInfo, RulingInfo, SessionInfo


def test_cards_begin_without_a_number() -> None:
    session = SessionCard(SessionInfo("s", "ann"))
    ruling = RulingCard(RulingInfo(1, "h", "select 1", "f", ("SELECT",)))
    columns = ColumnsCard(ColumnsInfo())
    for card in (session, ruling, columns):
        assert (card.mark, card.number, card.encoded) == (None, 0, b"")
    opened = Open(1, session, ruling)
    assert (opened.tags, opened.approval, opened.origin, opened.literals, opened.declared) == (
        None,
        "",
        "",
        b"",
        None,
    )
    assert opened.session is session
    assert opened.ruling.info.statement == "select 1"
