"""The shim of one process: owns its session, writes its log, records its end.

    python -I -S shim.py run DIRECTORY < orders.json     # begins, reports in one JSON line, goes on
    python -I -S shim.py enter ORDERS                    # inside a sandbox: gives rights up, executes

It uses the standard library only and imports nothing of the allocator, so that a running one does not
change when the allocator is updated. What it is ordered comes by standard input, as secrets are in it.

Files in its directory, each replaced at once: `run.json` (pid and start of the shim and of the program),
`exit.json` (the end of that run), `stop.json` (read at SIGTERM: the grace), `log.json` (one JSON object
a line as Docker's json-file driver writes them; turned over by renaming it to `log.json.1`), `lock`.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import select
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:  # as in `typing`, which costs the shim 5 ms
    from typing import Any

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_CHILD_SUBREAPER = 36
_MAX_LINE = 16384
_CHUNK = 65536
_LOOK_SECONDS = 0.5
_DRAIN_SECONDS = 0.5
_LOCK_SECONDS = 5.0
_KILL_SECONDS = 5.0
_PAGE = os.sysconf("SC_PAGE_SIZE")
# They may ask a program to end. Some may be ignored here: a shell does so for what it runs behind.
_ASKING = [signal.Signals[f"SIG{name}"] for name in ("TERM", "INT", "QUIT", "HUP", "USR1", "USR2")]


def start_ticks(pid: int) -> int:
    """When a process began, in ticks since the start of the system: tells it from a later one.

    Raises:
        OSError: there is no such process, or it has ended and nobody has asked how yet.
    """
    with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 - pathlib doubles the start
        told = file.read().rpartition(b")")[2].split()
    if told[0] in (b"Z", b"X"):
        raise ProcessLookupError(pid)
    return int(told[19])


def descendants(pid: int) -> list[int]:
    """The processes below one, without itself."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        parent = waiting.pop()
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{parent}/task"):  # noqa: PTH208
                with open(f"/proc/{parent}/task/{task}/children", "rb") as file:  # noqa: PTH123
                    children = [int(child) for child in file.read().split()]
                found += children
                waiting += children
    return found


def private_bytes(pid: int) -> int:
    """The memory that a process has for itself; 0 where it has ended."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:  # noqa: PTH123
            fields = file.read().split()
        return (int(fields[1]) - int(fields[2])) * _PAGE
    except (OSError, IndexError):
        return 0


def write_whole(path: str, value: object) -> None:
    """Replaces a file by a JSON value; a reader sees the old or the new one."""
    with open(path + ".new", "w", encoding="utf-8") as file:  # noqa: PTH123
        json.dump(value, file)
    os.replace(path + ".new", path)  # noqa: PTH105


def enter(orders: dict[str, Any]) -> None:
    """Gives rights up and executes the program; in a child of the shim, or inside a sandbox.

    Raises:
        OSError: it could not be executed.
    """
    import resource

    libc = ctypes.CDLL(None, use_errno=True)
    if orders["uid"]:
        os.setgroups([])
        os.setgid(orders["uid"])
        os.setuid(orders["uid"])
        # In its own uid only: the kernel counts all processes of a uid.
        resource.setrlimit(resource.RLIMIT_NPROC, (orders["pids"], orders["pids"]))
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    files = 4096 if hard == resource.RLIM_INFINITY else min(4096, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # A backstop against one great allocation between two looks of the shim. Not nearer, since
    # stacks of threads count although they are hardly used.
    data = 4 * orders["memory_bytes"]
    resource.setrlimit(resource.RLIMIT_DATA, (data, data))
    with contextlib.suppress(OSError):
        os.nice(orders["nice"])
    for number in (*_ASKING, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    os.umask(0o077)
    os.chdir(orders["directory"])
    os.execvpe(orders["command"][0], orders["command"], orders["environment"])  # noqa: S606


class Log:
    """The log file: whole lines with their time, turned over by size."""

    def __init__(self, path: str, max_bytes: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._size = os.fstat(self._file).st_size
        self._rests = {"stdout": b"", "stderr": b""}
        self._second = (0, "")

    def take(self, stream: str, chunk: bytes) -> None:
        """Takes what a stream has given."""
        lines = (self._rests[stream] + chunk).split(b"\n")
        rest = lines.pop()
        pieces = [piece for line in lines for piece in self._cut(line + b"\n")]
        while len(rest) > _MAX_LINE:
            piece = _whole_characters(rest[:_MAX_LINE])
            pieces.append(piece)
            rest = rest[len(piece) :]
        self._rests[stream] = rest
        self._write(stream, pieces)

    def finish(self) -> None:
        """Writes lines without an end, and closes."""
        for stream, rest in self._rests.items():
            if rest:
                self._write(stream, [rest])
        os.close(self._file)

    def _cut(self, line: bytes) -> list[bytes]:
        if len(line) <= _MAX_LINE:
            return [line]
        pieces = []
        while len(line) > _MAX_LINE:
            pieces.append(_whole_characters(line[:_MAX_LINE]))
            line = line[len(pieces[-1]) :]
        return [*pieces, line]

    def _write(self, stream: str, pieces: list[bytes]) -> None:
        if not pieces:
            return
        now = time.time_ns()
        second, nanoseconds = divmod(now, 1_000_000_000)
        if self._second[0] != second:
            self._second = (second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)))
        tail = f'","stream":"{stream}","time":"{self._second[1]}.{nanoseconds:09d}Z"}}\n'
        rows = []
        for piece in pieces:
            text = json.dumps(piece.decode("utf-8", "replace"), ensure_ascii=False)
            rows.append(f'{{"log":{text[:-1]}{tail}')
        block = "".join(rows).encode("utf-8", "replace")
        # A full disk loses lines, but never holds the program or ends the shim.
        with contextlib.suppress(OSError):
            if self._size and self._size + len(block) > self._max_bytes:
                self._turn_over()
            view = memoryview(block)
            while view:
                written = os.write(self._file, view)
                self._size += written
                view = view[written:]

    def _turn_over(self) -> None:
        os.replace(self._path, self._path + ".1")  # noqa: PTH105
        os.close(self._file)
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._size = 0


def _whole_characters(piece: bytes) -> bytes:
    """The longest beginning that does not cut a UTF-8 character."""
    for back in range(1, min(4, len(piece))):
        byte = piece[-back]
        if byte & 0xC0 == 0x80:
            continue
        length = 2 if byte & 0xE0 == 0xC0 else 3 if byte & 0xF0 == 0xE0 else 4
        return piece[:-back] if byte & 0xC0 == 0xC0 and length > back else piece
    return piece


class Shim:
    """Runs one program to its end."""

    def __init__(self, directory: str, orders: dict[str, Any]) -> None:
        self._directory = directory
        self._orders = orders
        self._killed_at = 0.0
        self._out_of_memory = False
        self._status: int | None = None
        self._main = 0

    def begin(self) -> dict[str, Any]:
        """Takes the lock and starts the program.

        Returns:
            What `run.json` says.

        Raises:
            OSError: the program could not be executed.
            TimeoutError: another shim holds the directory.
        """
        self._lock()
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        outs, errs, said = os.pipe(), os.pipe(), os.pipe()
        self._main = os.fork()
        if self._main == 0:
            self._become_program(outs[1], errs[1], said[1])
        # The child does the same; whichever comes first. Refused where it executes already.
        with contextlib.suppress(OSError):
            os.setpgid(self._main, self._main)
        for end in (outs[1], errs[1], said[1]):
            os.close(end)
        with os.fdopen(said[0], "rb") as file:
            failure = file.read()
        if failure:
            os.waitpid(self._main, 0)
            number, _, name = failure.decode().partition(" ")
            raise OSError(int(number), os.strerror(int(number)), name)
        self._streams = {outs[0]: "stdout", errs[0]: "stderr"}
        self._log = Log(f"{self._directory}/log.json", self._orders["log_bytes"])
        now = time.time_ns()
        self._run = {
            "run": str(now),
            "shim": os.getpid(),
            "shim_ticks": start_ticks(os.getpid()),
            "started_ns": now,
        }
        write_whole(f"{self._directory}/run.json", self._run)
        return self._run

    def _lock(self) -> None:
        self._lock_file = os.open(f"{self._directory}/lock", os.O_RDWR | os.O_CREAT, 0o600)
        until = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno != errno.EWOULDBLOCK or time.monotonic() > until:
                    raise
                time.sleep(0.02)
            else:
                return

    def _become_program(self, out: int, err: int, said: int) -> None:
        """In the child: never returns."""
        try:
            os.setpgid(0, 0)
            os.set_inheritable(said, False)  # noqa: FBT003
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(out, 1)
            os.dup2(err, 2)
            if sandbox := self._orders["sandbox"]:
                # The sandbox itself is not to end; `enter`, inside it, takes that back.
                for number in _ASKING:
                    signal.signal(number, signal.SIG_IGN)
                inner = {**self._orders, "sandbox": []}
                read_end, write_end = os.pipe()
                if os.fork() == 0:
                    os.close(read_end)
                    with os.fdopen(write_end, "wb") as file:
                        file.write(json.dumps(inner).encode())
                    os._exit(0)
                os.close(write_end)
                os.dup2(read_end, 0)
                os.execve(sandbox[0], sandbox, {"PATH": "/usr/bin:/bin"})  # noqa: S606
            else:
                enter(self._orders)
        except OSError as error:
            name = (
                sandbox[0] if (sandbox := self._orders["sandbox"]) else self._orders["command"][0]
            )
            os.write(said, f"{error.errno} {name}".encode())
        finally:
            os._exit(127)

    def serve(self) -> None:
        """Copies the log until the program has ended, and writes its end down."""
        wake_read, wake_write = os.pipe()
        os.set_blocking(wake_write, False)
        os.set_blocking(wake_read, False)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        poll = select.poll()
        for end in (wake_read, *self._streams):
            os.set_blocking(end, False)
            poll.register(end, select.POLLIN)
        # What ended before the handlers were there gives no signal any more.
        self._reap()
        until = 0.0
        while self._status is None or (self._streams and time.monotonic() < until):
            for end, _ in poll.poll(_LOOK_SECONDS * 1000 if self._status is None else 50):
                if end == wake_read:
                    if signal.SIGTERM in _all(end):
                        self._stop()
                elif not self._copy(end):
                    poll.unregister(end)
                    os.close(end)
                    del self._streams[end]
            self._reap()
            if self._status is None:
                self._look()
            elif not until:
                until = time.monotonic() + _DRAIN_SECONDS
                self._kill_all()
        self._kill_all()
        self._log.finish()
        code = os.waitstatus_to_exitcode(self._status)
        end_of_run = {
            "run": self._run["run"],
            "code": 128 - code if code < 0 else code,
            "out_of_memory": self._out_of_memory,
            "finished_ns": time.time_ns(),
        }
        write_whole(f"{self._directory}/exit.json", end_of_run)

    def _copy(self, end: int) -> bool:
        """Copies what a stream has; False at its end."""
        try:
            chunk = os.read(end, _CHUNK)
        except BlockingIOError:
            return True
        if chunk:
            self._log.take(self._streams[end], chunk)
        return bool(chunk)

    def _stop(self) -> None:
        grace = 10.0
        with (
            contextlib.suppress(OSError, ValueError, KeyError),
            open(f"{self._directory}/stop.json", encoding="utf-8") as file,  # noqa: PTH123
        ):
            grace = float(json.load(file)["grace"])
        until = time.monotonic() + grace
        self._killed_at = min(self._killed_at or until, until)
        if grace > 0:
            with contextlib.suppress(OSError):
                os.killpg(self._main, signal.Signals[self._orders["stop_signal"]])
        self._look()

    def _look(self) -> None:
        """Whether it is time to kill: for the end of the grace, or for memory."""
        if self._killed_at and time.monotonic() >= self._killed_at:
            self._kill_all()
        used = sum(private_bytes(pid) for pid in descendants(os.getpid()))
        if used > self._orders["memory_bytes"]:
            self._out_of_memory = True
            self._kill_all()

    def _kill_all(self) -> None:
        """Kills everything below, until nothing is left: some may be born meanwhile."""
        until = time.monotonic() + _KILL_SECONDS
        while (below := descendants(os.getpid())) and time.monotonic() < until:
            for pid in below:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.005)
            self._reap()

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if pid == self._main:
                    self._status = status


def _all(end: int) -> bytes:
    try:
        return os.read(end, 4096)
    except BlockingIOError:
        return b""


def run(directory: str) -> int:
    """Daemonises, begins, and reports on standard output whether the program runs."""
    orders = json.load(sys.stdin)
    read_end, write_end = os.pipe()
    if os.fork():
        os.close(write_end)
        with os.fdopen(read_end, "rb") as file:
            report = file.read()
        os.write(1, report or b'{"failure": "the shim has ended", "number": 0}')
        return 0
    os.close(read_end)
    os.setsid()
    os.chdir("/")
    os.umask(0o077)
    nothing = os.open(os.devnull, os.O_RDWR)
    for end in (0, 1, 2):
        os.dup2(nothing, end)
    shim = Shim(directory, orders)
    try:
        report = json.dumps(shim.begin()).encode()
    except OSError as error:
        failure = {"failure": f"{error.filename or ''}: {error.strerror}", "number": error.errno}
        os.write(write_end, json.dumps(failure).encode())
        return 1
    # Secrets are not needed any more.
    orders["environment"] = {}
    os.write(write_end, report)
    os.close(write_end)
    shim.serve()
    return 0


def main() -> int:
    """Does what the first argument says."""
    if sys.argv[1] == "run":
        return run(sys.argv[2])
    orders = json.load(sys.stdin)
    os.dup2(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC), 0)
    try:
        enter(orders)
    except OSError as error:
        os.write(2, f"{orders['command'][0]}: {error.strerror}\n".encode())
        return 126 if error.errno == errno.EACCES else 127
    return 1


if __name__ == "__main__":
    sys.exit(main())
