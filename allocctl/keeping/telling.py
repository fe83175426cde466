"""What a store, the bus, the disk or a setting has refused, as a sentence for the operator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from allocctl.failures import EXIT_AWAY, Failure
from chassis.faults import Fault, Unavailable
from chassis.sql import SchemaTooNew, SchemaTooOld


@contextmanager
def told_failures() -> Iterator[None]:
    """Turns what keeping an installation can end with into a Failure.

    Raises:
        Failure: with the reason.
    """
    try:
        yield
    except Unavailable as fault:
        raise Failure(fault.message, EXIT_AWAY) from None
    except Fault as fault:
        raise Failure(fault.message) from None
    except (SchemaTooOld, SchemaTooNew) as problem:
        raise Failure(str(problem)) from None
    except OSError as error:
        where = f"{error.filename} " if error.filename else "It "
        raise Failure(f"{where}cannot be read or written: {error.strerror or error}.") from None
    except (ValueError, RuntimeError) as error:
        # A URL that cannot be read, or whose driver is not installed.
        raise Failure(str(error)) from error
