"""Values inside documents are found by their keys, in documents that are cut off too."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.classify.documents import BARE, KEYS_MAX, by_key, is_document


def test_json_xml_and_hstore_give_their_values_by_key() -> None:
    assert by_key(['{"mail": "a@b.example", "n": {"age": 17, "say \\"x\\"": "y\\u00e9"}}']) == {
        "mail": ["a@b.example"], "age": ["17"], 'say "x"': ["yé"],
    }  # fmt: skip
    assert by_key(['<p:person id="7"><p:phone>030 1</p:phone></p:person>']) == {"phone": ["030 1"], "id": ["7"]}
    assert by_key(['"mail"=>"a@b.example", "gone"=>NULL']) == {"mail": ["a@b.example"]}
    assert by_key(['["x", "y"]', '{"tags": ["u", "v"]}']) == {BARE: ["x", "y", "u", "v"], "tags": ["u"]}


def test_a_document_that_is_cut_off_gives_what_is_whole() -> None:
    assert by_key(['{"a": "1", "b": "2", "c": "thr']) == {"a": ["1"], "b": ["2"]}


def test_keys_are_bounded() -> None:
    many = "{" + ", ".join(f'"k{number}": 1' for number in range(KEYS_MAX * 2)) + "}"
    assert len(by_key([many])) == KEYS_MAX


def test_documents_in_text_columns_are_known() -> None:
    assert is_document(['{"a": 1}', "[]", '[{"b": 2}]'])
    assert is_document(["<a>1</a>"])
    assert not is_document(["{curly} words", "[note] x", "plain"])
    assert not is_document([])


@given(st.lists(st.text(alphabet='{}[]":,<>=/\\ab1 ', max_size=60), max_size=5))
def test_any_text_is_read_without_error(values: list[str]) -> None:
    for key, held in by_key(values).items():
        assert len(key) <= 70
        assert all(held)
