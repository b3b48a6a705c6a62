"""Runs phonoscope's commands in processes of their own that are killed at a chosen moment; started by `test_killed.py`.

One process imports everything and then forks for each command, because starting Python takes longer than the commands.
It reads one JSON object a line: ``argv``, ``cwd``, and when to kill: ``event`` (the number of the change to the file
system before which the process dies) or ``seconds``. It answers with the exit status, the number of changes to the file
system and how long it took.
"""

import json
import os
import signal
import sys
import threading
import time

# What Python tells before it changes the file system (PEP 578).
_CHANGES = frozenset({"os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.truncate", "os.chmod", "shutil.rmtree"})


def count_changes(told: int, kill_at: int | None) -> None:
    """Count the changes of this process to the file system in a pipe; die of SIGKILL before one of them."""
    changes = 0

    def hook(event: str, arguments: tuple) -> None:
        nonlocal changes
        opened = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if event in _CHANGES or (opened and isinstance(arguments[0], str | os.PathLike)):
            changes += 1
            if changes == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            os.write(told, b".")

    sys.addaudithook(hook)


def work(argv: list[str], cwd: str, told: int, kill_at: int | None) -> int:
    """Run one command in this forked process; its exit status."""
    os.chdir(cwd)
    output = os.open("output.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for standard in (1, 2):
        os.dup2(output, standard)
    from phonoscope.cli import main

    sys.argv = ["phonoscope", *argv]
    count_changes(told, kill_at)
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    finally:
        sys.stdout.flush()
    return 0


def serve() -> None:
    """Import what the commands need, then fork for each line."""

    for line in sys.stdin:
        asked = json.loads(line)
        read, told = os.pipe()
        started = time.monotonic()
        process = os.fork()
        if process == 0:
            os.close(read)
            status = 70
            try:
                status = work(asked["argv"], asked["cwd"], told, asked.get("event"))
            except BaseException:
                import traceback

                traceback.print_exc()
            finally:
                os._exit(status)
        os.close(told)
        changes = 0

        def drain() -> None:
            nonlocal changes
            while data := os.read(read, 4096):  # noqa: B023
                changes += len(data)

        reader = threading.Thread(target=drain)
        reader.start()
        timer = None
        if asked.get("seconds") is not None:
            timer = threading.Timer(asked["seconds"], os.kill, (process, signal.SIGKILL))
            timer.start()
        _, status = os.waitpid(process, 0)
        if timer is not None:
            timer.cancel()
        reader.join()
        os.close(read)
        answer = {"status": os.waitstatus_to_exitcode(status), "changes": changes}
        print(json.dumps(answer | {"seconds": time.monotonic() - started}), flush=True)


if __name__ == "__main__":
    serve()
