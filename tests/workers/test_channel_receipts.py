"""Receipts outlive the process that wrote them."""

from pathlib import Path

from workers.channel_receipts import Receipts


def test_what_was_kept_is_there_again_and_what_was_let_go_is_not(tmp_path: Path) -> None:
    kept = Receipts(tmp_path / "state")
    kept["h1", "slack:#dba"] = "C1/1.2"
    kept["h1", "email:"] = "<x@y>"
    kept["h1", "slack:#dba"] = "C1/1.3"
    del kept["h1", "email:"]
    kept.close()
    again = Receipts(tmp_path / "state")
    assert dict(again) == {("h1", "slack:#dba"): "C1/1.3"}
    assert again.pop(("h1", "email:"), None) is None
    assert len(again) == 1
    again.close()
    assert (tmp_path / "state" / "receipts.db").stat().st_mode & 0o777 == 0o600
