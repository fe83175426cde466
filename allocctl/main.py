"""The commands.

Each is imported when it is called, so that `allocctl ls` does not load what `allocctl up` needs.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from allocctl.commands import (
    accounts,
    admin,
    allocations,
    backup,
    broker,
    catalogue,
    certs,
    changes,
    dead_letters,
    feed,
    invitations,
    limits,
    logs,
    migrate,
    nodes,
    notices,
    running,
    timeline,
    tokens,
    usage,
    volumes,
    webhooks,
)
from allocctl.failures import Failure, shown_failures

app = typer.Typer(
    name="allocctl",
    help="Rents machines, and runs the allocator that rents them out.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

app.command("up", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(
    running.up
)
app.command("signup")(accounts.sign_up)
app.command("verify")(accounts.verify)
app.command("login")(accounts.log_in)
app.command("logout")(accounts.log_out)
app.command("whoami")(accounts.who_am_i)
app.command("estimate")(changes.estimate)
app.command("allocate")(allocations.allocate)
app.command("ls")(allocations.list_allocations)
app.command("inspect")(allocations.inspect)
app.command("logs")(logs.logs)
app.command("usage")(usage.usage)
app.command("archive")(volumes.archive)
app.command("timeline")(timeline.timeline)
app.command("stop")(allocations.stop)
app.command("start")(allocations.start)
app.command("restart")(allocations.restart)
app.command("rm")(allocations.remove)
app.command("update")(changes.update)
app.command("recreate")(changes.recreate)
app.command("cancel")(changes.cancel)
app.command("migrate")(migrate.migrate)
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
app.command("export")(backup.export)
app.command("import")(backup.import_)
app.add_typer(volumes.app, name="volumes")
app.add_typer(limits.quota, name="quota")
app.add_typer(limits.classes, name="classes")
app.add_typer(changes.queue, name="queue")
app.add_typer(nodes.app, name="nodes")
app.add_typer(tokens.app, name="tokens")
app.add_typer(notices.app, name="notifications")
app.add_typer(notices.preferences_app, name="preferences")
app.add_typer(webhooks.app, name="webhooks")
app.add_typer(feed.comments_app, name="comments")
app.add_typer(feed.reviews_app, name="reviews")
app.add_typer(invitations.app, name="invitations")
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(timeline.audit_app, name="audit")
app.add_typer(admin.app, name="admin")
app.add_typer(broker.app, name="broker")
app.add_typer(certs.app, name="certs")
app.add_typer(catalogue.app, name="machines")


@app.callback()
def options(
    server: Annotated[
        str,
        typer.Option(
            envvar="ALLOCATOR_CLI_SERVER",
            help="Where gRPC is served: host:port, or https://host:port for TLS; that of the last "
            "login by default.",
        ),
    ] = "",
    ca: Annotated[
        str,
        typer.Option(
            envvar="ALLOCATOR_CLI_CA",
            help="The file of certificates that sign the server's; those of the machine by default.",
        ),
    ] = "",
    token: Annotated[
        str,
        typer.Option(
            envvar="ALLOCATOR_CLI_TOKEN",
            help="An access token to call with, instead of a login; better in the environment than in "
            "the arguments, which others on the machine can see.",
        ),
    ] = "",
) -> None:
    """Rents machines, and runs the allocator that rents them out."""
    from allocctl import session

    session.chosen_token = token.strip()
    session.chosen_server = server
    session.chosen_ca = ca


def main() -> None:
    """Runs the command that the arguments name; says failures in a sentence."""
    try:
        with shown_failures():
            app()
    except Failure as failure:
        sys.stderr.write(f"{failure}\n")
        sys.exit(failure.exit_code)


if __name__ == "__main__":
    main()
