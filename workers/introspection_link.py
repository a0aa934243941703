"""A worker asks the admin process about a token that only its issuer can read: a connection of a Unix socket a question."""

import json
from pathlib import Path
from typing import Any, Final

import trio

from workers.run_folder import RunFolder

SOCKET: Final = "introspection.sock"
TOKEN_BYTES_MAX: Final = 8192
ANSWER_BYTES_MAX: Final = 65_536
PATIENCE_SECONDS: Final = 6.0


class NotAsked(Exception):
    """The issuer could not be asked: one line that says why."""


async def ask(run_dir: Path, token: str) -> dict[str, Any]:
    """As a worker: the issuer's answer. Raises NotAsked."""
    folder = RunFolder(run_dir)
    try:
        with trio.fail_after(PATIENCE_SECONDS):
            async with await trio.open_unix_socket(folder.socket_path(SOCKET)) as stream:
                await stream.send_all(token.encode())
                await stream.send_eof()
                found = json.loads(await read_all(stream, ANSWER_BYTES_MAX))
    except (OSError, ValueError, trio.TooSlowError, trio.BrokenResourceError) as error:
        raise NotAsked("nobody can be asked about the token just now") from error
    finally:
        folder.close()
    if not isinstance(found, dict) or "error" in found:
        raise NotAsked(str(found["error"]) if isinstance(found, dict) else "the answer is none")
    return found


async def read_all(stream: trio.SocketStream, size_max: int) -> bytes:
    """All that comes, up to so many bytes."""
    content = b""
    while part := await stream.receive_some(65_536):
        content += part
        if len(content) > size_max:
            raise trio.BrokenResourceError
    return content
