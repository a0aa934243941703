"""Objects that are created and never changed: in a bucket of S3's kind, or below a directory."""

import hashlib
import os
import re
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError
from obstore.store import LocalStore, S3Store

_MD5: Final = re.compile(r'"?[0-9a-f]{32}"?')  # what S3 gives as ETag of an object put in one piece without KMS
_CHUNK: Final = 1 << 20


class StoreError(Exception):
    """The store did not do as asked; the text says what it said."""


class Conflict(StoreError):
    """An object is there with another content."""


class Store:
    """`s3://bucket/prefix`, credentials and endpoint as AWS's own tools take them from the environment, or
    `file:///path`. Raises ValueError for another address, StoreError.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._store: S3Store | LocalStore
        try:
            if parts.scheme == "s3" and parts.netloc:
                plain = os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")
                prefix = parts.path.strip("/") or None
                self._store = S3Store(parts.netloc, prefix=prefix, client_options={"allow_http": plain})
            elif parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
                self._store = LocalStore(Path(unquote(parts.path)), mkdir=True)
            else:
                raise ValueError("a store is s3://BUCKET/PREFIX or file:///DIRECTORY")
        except BaseError as error:
            raise StoreError(_first(error)) from None

    def names(self, below: str) -> dict[str, int]:
        """The objects whose names start with a folder, with their sizes in bytes."""
        try:
            return {each["path"]: each["size"] for part in obstore.list(self._store, below) for each in part}
        except NotFoundError:
            return {}
        except (BaseError, OSError) as error:
            raise StoreError(_first(error)) from None

    def create(self, name: str, content: bytes) -> bool:
        """Puts a new object; False where it is there with this very content. Raises Conflict, StoreError."""
        if self._there(name, content):  # asked first: what is there already need not travel again
            return False
        try:
            obstore.put(self._store, name, content, mode="create", use_multipart=False)
        except AlreadyExistsError:  # meanwhile
            self._there(name, content)
            return False
        except (BaseError, OSError) as error:
            raise StoreError(_first(error)) from None
        return True

    def _there(self, name: str, content: bytes) -> bool:
        """Whether the object is there, with this content. Raises Conflict where it has another."""
        try:
            there = obstore.head(self._store, name)
            same = there["size"] == len(content)
            tag = there["e_tag"] or ""
            if same and isinstance(self._store, S3Store) and _MD5.fullmatch(tag):
                same = tag.strip('"') == hashlib.md5(content, usedforsecurity=False).hexdigest()
            elif same:
                same = bytes(obstore.get(self._store, name).bytes()) == content
        except (NotFoundError, FileNotFoundError):
            return False
        except (BaseError, OSError) as error:
            raise StoreError(_first(error)) from None
        if not same:
            raise Conflict(f"{name} is there with another content; it was not touched")
        return True


def _first(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:500] if str(error).strip() else type(error).__name__
