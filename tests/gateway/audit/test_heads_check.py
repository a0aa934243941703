"""The proof of a log of heads: good logs in any pieces, and every change of anything that was signed."""

from collections.abc import Sequence

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.audit import heads, merkle
from gateway.audit.heads import Checkpoint, Head, Key, LogHeader, LogWriter, Seal, TreeHead
from gateway.audit.heads_check import LogCheck
from gateway.audit.segment import cut

LOG, NOW = b"l" * 16, 1_700_000_000_000_000_000
OLD, NEW, FOREIGN = (Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in (1, 2, 3))


def public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()


def verify(raw: bytes, signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(raw).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def head(n: int) -> Head:
    return Head(bytes([n]) * 16, n, 4096, b"d" * 32, 77, 70, b"r" * 32)


def made(successor: Ed25519PrivateKey = NEW, endorser: Ed25519PrivateKey | None = OLD) -> list[bytes]:
    """Two files: five entries signed by the old key, then three by its successor."""
    tree = merkle.Tree()
    writer = LogWriter(LOG, tree, public(OLD), OLD.sign)
    first = heads.encode_header(LogHeader(1, LOG, "host", 0, 0, NOW))
    writer.append(NOW, Key(public(OLD)))
    first += writer.take(NOW)
    for n in range(4):
        writer.append(NOW + n, Checkpoint(heads.heads_root((head(n), head(9))), (head(n), head(9))))
        first += writer.take(NOW + n)
    second = heads.encode_header(LogHeader(1, LOG, "host", 1, 5, NOW))
    word = endorser.sign(heads.endorsement(LOG, public(successor))) if endorser else b""
    writer = LogWriter(LOG, tree, public(successor), successor.sign)
    writer.append(NOW + 10, Key(public(successor), word))
    writer.append(NOW + 11, Seal(head(4), 1, NOW, NOW + 2))
    second += writer.take(NOW + 11)
    writer.append(NOW + 12, Checkpoint(merkle.EMPTY, ()))
    return [first, second + writer.take(NOW + 12)]


FILES = made()


def checked(files: Sequence[bytes], trusted: bytes | None = public(NEW), piece: int = 1 << 20) -> LogCheck:
    check = LogCheck(verify, trusted)
    seen = []
    for number, data in enumerate(files):
        check.begin(number)
        for at in range(0, len(data), piece):
            seen += check.feed(data[at : at + piece])
        check.end()
    check.finish()
    assert [each.place for each in seen] == list(range(len(seen)))
    assert len(seen) == len(check.leaves)
    return check


def worst(check: LogCheck) -> set[str]:
    return {each.grade for each in check.problems}


def tree_heads(data: bytes) -> list[TreeHead]:
    start = heads.read_header(data)
    assert isinstance(start, tuple)
    frames, _, _ = cut(data, start[1], 0)
    return [heads.decode(each) for each in frames if each.kind == heads.TREE_HEAD]


@pytest.mark.parametrize("piece", [1, 7, 100, 1 << 20])
@pytest.mark.parametrize("trusted", [public(OLD), public(NEW), None])
def test_good_log_is_good_in_any_pieces(piece: int, trusted: bytes | None) -> None:
    check = checked(FILES, trusted, piece)
    assert check.problems == []
    assert len(check.leaves) == 8
    assert check.key == public(NEW)
    assert [place for place, _ in check.keys] == [0, 5]
    assert check.tree_head is not None
    assert check.tree_head.root == merkle.root(check.leaves)


def test_every_flipped_bit_is_found() -> None:
    for number, data in enumerate(FILES):
        for at in range(len(data)):
            changed = list(FILES)
            changed[number] = data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]
            check = checked(changed)
            assert check.problems, (number, at)


def test_log_of_another_key_is_replaced() -> None:
    assert [each.why for each in checked(FILES, public(FOREIGN)).problems] == [
        "the log is signed by a key that is not yours: it was replaced"
    ]


@pytest.mark.parametrize("endorser", [None, FOREIGN, NEW])
def test_key_without_the_old_one_s_word_is_found(endorser: Ed25519PrivateKey | None) -> None:
    check = checked(made(FOREIGN, endorser), public(OLD))
    assert any("without the old one's word" in each.why and each.file == 1 for each in check.problems)


def test_unsigned_end_is_no_part_of_the_log() -> None:
    whole = FILES[1]
    for cut_at in range(len(whole) - 1, len(whole) - 150, -1):
        check = checked([FILES[0], whole[:cut_at]])
        assert worst(check) <= {"note"}
        assert len(check.leaves) == 7
    assert worst(checked([*FILES, b""])) == {"note"}


def test_damage_before_whole_records_is_no_torn_end() -> None:
    data = bytearray(FILES[0])
    data[400] ^= 255
    assert "tampered" in worst(checked([bytes(data)], public(OLD)))


def test_files_that_are_gone_or_swapped_are_missed() -> None:
    check = LogCheck(verify)
    check.begin(1)
    check.feed(FILES[1])
    check.end()
    assert any("are missing" in each.why for each in check.problems)
    assert "tampered" in worst(checked([FILES[1], FILES[0]]))
    assert "tampered" in worst(checked([FILES[0], FILES[0]]))


def test_kept_tree_head_tells_a_log_that_was_cut_or_rewritten() -> None:
    check = checked(FILES)
    for data in FILES:
        for kept in tree_heads(data):
            assert check.extends(kept) == ""
    newest = tree_heads(FILES[1])[-1]
    assert "was cut" in checked(FILES[:1]).extends(newest) or "does not know" in checked(FILES[:1]).extends(newest)
    other = made()
    tree = merkle.Tree()
    writer = LogWriter(LOG, tree, public(OLD), OLD.sign)
    writer.append(NOW + 5, Key(public(OLD)))
    rewritten = heads.encode_header(LogHeader(1, LOG, "host", 0, 0, NOW)) + writer.take(NOW + 5)
    assert "rewritten" in checked([rewritten], public(OLD)).extends(tree_heads(other[0])[0])
    forged = TreeHead(newest.size, bytes(32), newest.time_ns, newest.key, newest.signature)
    assert "does not hold" in check.extends(forged)


def test_empty_log_is_unreadable() -> None:
    assert worst(checked([])) == {"unreadable"}


@settings(max_examples=200)
@given(st.data())
def test_whatever_the_bytes_nothing_but_findings_comes_out(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["random", "spliced"]))
    if kind == "random":
        files = [data.draw(st.binary(max_size=300))]
    else:
        at, to = sorted(data.draw(st.tuples(st.integers(0, len(FILES[0])), st.integers(0, len(FILES[0])))))
        files = [FILES[0][:at] + FILES[0][to:], FILES[1]]
    check = checked(files, piece=data.draw(st.integers(1, 400)))
    assert check.problems or files == FILES
