"""Patterns of names in which `*` stands for any characters, and nothing else stands for anything."""

import re
from functools import lru_cache


@lru_cache(maxsize=1024)
def _compiled(pattern: str, any_character: str) -> re.Pattern[str]:
    parts = (re.escape(part) for part in pattern.split("*"))
    return re.compile(f"{any_character}*".join(parts), re.DOTALL)


def fits(text: str, pattern: str) -> bool:
    """Whether the whole text is what the pattern says, upper and lower case told apart."""
    return _compiled(pattern, ".").fullmatch(text) is not None


def fits_path(text: str, pattern: str) -> bool:
    """As `fits`, where a `*` ends at the next slash."""
    return _compiled(pattern, "[^/]").fullmatch(text) is not None
