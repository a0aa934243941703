"""Cutting a text: its tokens in columns with brackets matched, where each statement begins and ends, and each term."""

from parser.reading import BRACKETS_MAX, Unread, Words
from parser.tokens import Kind, Tokens

_PADDING = 6
_CLASS = {
    Kind.QUOTED: '"',
    Kind.STRING: "'",
    Kind.BITS: "0",
    Kind.HEX: "0",
    Kind.INTEGER: "0",
    Kind.NUMERIC: "0",
    Kind.PARAM: "$",
}


def columns(tokens: Tokens) -> Words:
    """The tokens in columns, brackets matched. Raises Unread where brackets do not pair or are nested too deep."""
    kinds, texts = tokens.kinds, tokens.texts
    marked = _CLASS.get
    word = [marked(kind, text) for kind, text in zip(kinds, texts, strict=True)]
    match: dict[int, int] = {}
    if "(" in word or "[" in word or ")" in word or "]" in word:
        opened: list[int] = []
        for at, w in enumerate(word):
            if w == "(" or w == "[":
                opened.append(at)
                if len(opened) > BRACKETS_MAX:
                    raise Unread("brackets are nested too deep")
            elif w == ")" or w == "]":
                if not opened or (word[opened[-1]] == "(") is not (w == ")"):
                    raise Unread("brackets do not pair")
                match[opened.pop()] = at
        if opened:
            raise Unread("brackets do not pair")
    return Words(
        word + [""] * _PADDING, texts + [""] * _PADDING, kinds + [Kind.SELF] * _PADDING, match, tokens
    )


def cut(words: Words) -> list[tuple[int, int]]:
    """Where each statement begins and ends: at semicolons outside of brackets and of BEGIN ATOMIC … END."""
    word, match, end = words.word, words.match, len(words.tokens)
    if ";" not in word:
        return [(0, end)]
    places = []
    at = begin = 0
    atomic = False
    while at < end:
        w = word[at]
        if w == "(":
            at = match[at]
        elif w == "atomic" and word[at - 1] == "begin" and at - 1 > begin and _makes_function(words, begin):
            atomic = True
        elif atomic and w == "end" and word[at - 1] in (";", "atomic"):
            atomic = False
        elif w == ";" and not atomic:
            if begin < at:
                places.append((begin, at))
            begin = at + 1
        at += 1
    if begin < end:
        places.append((begin, end))
    return places


def terms(words: Words, start: int, end: int, by: tuple[str, ...]) -> list[tuple[int, int]]:
    """The operands of AND or OR, or of both, between two tokens: outside of brackets, CASE and BETWEEN."""
    word, match = words.word, words.match
    found = []
    cases = betweens = 0
    begin = at = start
    while at < end:
        w = word[at]
        if w == "(" or w == "[":
            at = match[at]
        elif w == "case":
            cases += 1
        elif w == "end" and cases:
            cases -= 1
        elif w == "between" and not cases:
            betweens += 1
        elif w == "and" and betweens and not cases:
            betweens -= 1
        elif w in by and not cases:
            found.append((begin, at))
            begin = at + 1
        at += 1
    found.append((begin, end))
    return found


def _makes_function(words: Words, at: int) -> bool:
    word = words.word
    if word[at] != "create":
        return False
    at += 3 if word[at + 1] == "or" and word[at + 2] == "replace" else 1
    return word[at] in ("function", "procedure")
