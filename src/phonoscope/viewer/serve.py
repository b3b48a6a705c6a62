"""Starting and stopping the viewer: a socket on this machine alone, one address with a token, one process."""

from __future__ import annotations

import asyncio
import logging
import socket
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path

from phonoscope.errors import ExperimentError, MissingExtraError
from phonoscope.viewer.guard import new_token
from phonoscope.viewer.session import Session

HOST = "127.0.0.1"


def _is_fault(record: logging.LogRecord) -> bool:
    """Whether a line of the server's log is worth showing: requests that end because the viewer is stopped are not."""
    cause = record.exc_info[1] if record.exc_info else None
    return not isinstance(cause, asyncio.CancelledError) and "timeout graceful shutdown" not in record.getMessage()


def serve(
    folders: Sequence[Path],
    *,
    port: int = 0,
    browser: bool = True,
    trust_imports: bool = False,
    announce: Callable[[str], None] = print,
) -> None:
    """Show runs on a local page until interrupted.

    Parameters
    ----------
    folders
        Of one to four finished runs.
    port
        0 for any free one.
    browser
        Open the page in the browser.
    trust_imports
        Allow saved classifiers to import their network's code.
    announce
        Called with the address, token and all, when the viewer answers.

    Raises
    ------
    ExperimentError
        If a folder holds no finished run, or the port is taken.
    MissingExtraError
        Without the extra ``web``.
    """
    session = Session(folders, trust_imports=trust_imports)
    try:
        import uvicorn

        from phonoscope.viewer.app import build_app
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] in ("starlette", "uvicorn", "anyio", "h11"):
            raise MissingExtraError(str(error.name), "web") from error
        raise
    session.read_tables()
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((HOST, port))
        except OSError as error:
            raise ExperimentError(
                f"port {port} cannot be used ({error.strerror}); choose another, or --port 0"
            ) from error
        listening.listen(64)
        chosen, token = listening.getsockname()[1], new_token()
        address = f"http://{HOST}:{chosen}/?token={token}"

        def ready() -> None:
            announce(address)
            if browser:
                webbrowser.open(address)

        app = build_app(session, token=token, port=chosen, on_start=ready)
        config = uvicorn.Config(
            app, loop="asyncio", http="h11", ws="none", lifespan="on", log_level="warning", access_log=False,
            server_header=False, timeout_graceful_shutdown=1,
        )  # fmt: skip
        logging.getLogger("uvicorn.error").addFilter(_is_fault)
        uvicorn.Server(config).run(sockets=[listening])
