"""Log lines and traces."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

from chassis.telemetry import child_of, new_trace, observe_call, render_metrics, trace_id
from chassis.telemetry.logs import LineWriter

SCRIPT = """
import logging
from pathlib import Path
from chassis.telemetry import configure_logs, log
configure_logs("info", Path(FILE))
log("tests").info("something", number=1, odd={1: object})
log("tests").debug("left out")
logging.getLogger("library").warning("said %s", "this")
try:
    1 / 0
except ZeroDivisionError as error:
    log("tests").error("failed", exc_info=error)
"""


def test_lines_are_json_with_a_source_and_a_time(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "log"
    subprocess.run([sys.executable, "-c", SCRIPT.replace("FILE", repr(str(file)))], check=True)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["event"] for line in lines] == ["something", "said this", "failed"]
    assert [line["source"] for line in lines] == ["tests", "library", "tests"]
    assert all(line["time"].endswith("Z") for line in lines)
    assert "ZeroDivisionError" in lines[2]["exception"]
    assert file.stat().st_mode & 0o777 == 0o600


OFTEN = """
from pathlib import Path
from chassis.telemetry import configure_logs, log, log_often
configure_logs(LEVEL, Path(FILE))
log("tests").info("call", ms=1.5, odd={1: object})
log_often("tests", "call", {"ms": 1.5, "odd": {1: object}})
log("tests").warning("end")
"""


def test_lines_that_are_written_often_are_like_all_others(tmp_path: Path) -> None:
    for level, count in (("info", 3), ("warning", 1)):
        file = tmp_path / level
        script = OFTEN.replace("FILE", repr(str(file))).replace("LEVEL", repr(level))
        subprocess.run([sys.executable, "-c", script], check=True)
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        times = [line.pop("time") for line in lines]
        assert len(lines) == count
        assert times == sorted(times)
        assert {len(time) for time in times} == {len("2026-03-01T12:00:00.123456Z")}
        assert all(line == lines[0] for line in lines[:-1])


def test_a_file_that_has_grown_is_turned_over(tmp_path: Path) -> None:
    writer = LineWriter(tmp_path / "log", largest_bytes=100)
    for number in range(100):
        writer.write(f"{number:020d}\n".encode())
    writer.close()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["log", "log.1", "log.2", "log.3"]
    assert (tmp_path / "log").read_text().endswith(f"{99:020d}\n")


def test_a_trace_goes_on_with_its_id() -> None:
    parent = new_trace()
    child = child_of(parent)
    assert trace_id(child) == trace_id(parent)
    assert child != parent


def test_a_malformed_trace_begins_anew() -> None:
    for odd in (None, "", "00-zz", "00-" + "0" * 31 + "-" + "0" * 16 + "-01", "é" * 55):
        assert len(child_of(odd)) == 55


def test_calls_are_counted_by_method_and_outcome() -> None:
    observe_call("/tests.Service/Method", "grpc", "OK", 0.01)
    body, media_type = render_metrics()
    wanted = 'method="/tests.Service/Method",outcome="OK",protocol="grpc"'
    assert wanted.encode() in body
    assert media_type.startswith("text/plain")


def test_levels_of_libraries_are_kept_down() -> None:
    assert logging.getLogger("uvicorn.access").level in (logging.NOTSET, logging.WARNING)
