"""Learned labels on disk: shared by all who append, whole lines only, told to every worker."""

import os
import stat
from pathlib import Path

import pytest

from gateway.classify.learned import Learned
from gateway.errors import State, Unavailable
from tests.workers.relay_rig import no_file_grows
from workers import learned as learned_module
from workers.learned import LabelBook, LabelBooks
from workers.slab import Counter, Slab


def label(table: str, column: str = "a") -> Learned:
    return Learned("public", table, column, "ssn", "copied", ("customers.ssn",))


@pytest.fixture
def slab() -> Slab:
    return Slab(2)


def book(folder: Path, slab: Slab, worker: int = 0) -> LabelBook:
    return LabelBook(folder / "labels" / "shop.jsonl", slab.row(worker))


def test_what_one_worker_appends_another_takes_in_and_a_later_one_finds(tmp_path: Path, slab: Slab) -> None:
    one, other = book(tmp_path, slab), book(tmp_path, slab, 1)
    one.append([label("t"), label("t", "b")])
    assert list(other.labels) == []
    other.catch_up()
    other.append([label("u")])
    one.catch_up()
    assert list(one.labels) == list(other.labels) == list(book(tmp_path, slab).labels)
    assert len(one.labels) == 3
    assert slab.total(Counter.LABELS) == 3


def test_known_labels_are_not_written_again_whoever_wrote_them(tmp_path: Path, slab: Slab) -> None:
    one, other = book(tmp_path, slab), book(tmp_path, slab, 1)
    one.append([label("t"), label("t")])
    other.append([label("t")])  # which it has not seen yet
    one.append([label("t")])
    path = tmp_path / "labels" / "shop.jsonl"
    assert path.read_bytes().count(b"\n") == 1
    assert slab.total(Counter.LABELS) == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("cut", [1, 2, 20, -1])
def test_line_that_was_cut_short_spoils_itself_alone(tmp_path: Path, slab: Slab, cut: int) -> None:
    one = book(tmp_path, slab)
    one.append([label("t")])
    path = tmp_path / "labels" / "shop.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + whole.replace(b'"t"', b'"torn"')[:cut])
    later = book(tmp_path, slab, 1)
    assert [each.table for each in later.labels] == ["t"]
    later.append([label("u")])
    assert [each.table for each in later.labels] == ["t", "u"]
    one.catch_up()
    assert [each.table for each in one.labels] == ["t", "u"]
    assert [each.table for each in book(tmp_path, slab).labels] == ["t", "u"]


def test_label_that_cannot_be_written_is_refused_and_not_in_force(tmp_path: Path, slab: Slab) -> None:
    one = book(tmp_path, slab)
    one.append([label("t")])
    with no_file_grows(), pytest.raises(Unavailable) as caught:
        one.append([label("u")])
    assert caught.value.refused.sqlstate == State.AUDIT
    assert "not run" in caught.value.refused.hint
    assert slab.total(Counter.LABELS) == 1
    one.append([label("u")])
    assert len(book(tmp_path, slab).labels) == 2


def test_there_are_never_more_labels_than_fit(tmp_path: Path, slab: Slab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learned_module, "LABELS_MAX", 2)
    one = book(tmp_path, slab)
    one.append([label("t"), label("u")])
    one.append([label("t")])
    with pytest.raises(Unavailable, match="too many labels"):
        one.append([label("v")])


def test_each_database_has_a_book_of_its_own_whatever_its_name(tmp_path: Path, slab: Slab) -> None:
    books = LabelBooks(tmp_path / "labels", slab.row(0))
    names = ["7123-5", "127.0.0.1:5432/../../x", "h:1/" + "ü" * 100]
    for name in names:
        books.of(name).append([label("t")])
        assert books.of(name) is books.of(name)
    assert len(os.listdir(tmp_path / "labels")) == len(names)
    books.close()


def test_folder_that_cannot_be_used_is_told(tmp_path: Path, slab: Slab) -> None:
    (tmp_path / "labels").write_text("no folder")
    with pytest.raises(Unavailable) as caught:
        LabelBooks(tmp_path / "labels", slab.row(0)).of("shop")
    assert caught.value.refused.sqlstate == State.AUDIT
