"""Accounts: sign up, verify, log in, log out."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from allocctl.failures import Failure, reason_of
from allocctl.output import Format, Output

if TYPE_CHECKING:
    from allocator.users.v1 import session_service_pb2

_TOTP_DIGITS = 6

Email = Annotated[str, typer.Argument(help="The e-mail address of the account.")]
PasswordFile = Annotated[
    Path | None,
    typer.Option(help="Read the password from this file instead of asking; - for standard input."),
]


def sign_up(
    email: Email,
    password_file: PasswordFile = None,
    phone: Annotated[
        str, typer.Option(help="Your phone number, +4930123456: the code comes there by SMS.")
    ] = "",
    invitation: Annotated[
        str, typer.Option(help="The code of an invitation, where people sign up by invitation.")
    ] = "",
) -> None:
    """Signs up; a one-time code is sent to the address, or to the phone number where one is given."""
    from allocator.users.v1 import user_pb2, user_service_pb2, user_service_pb2_grpc

    from allocctl import session

    by = user_service_pb2.CreateUserRequest.VerifyBy
    users = session.stub(user_service_pb2_grpc.UserServiceStub)
    answer = users.CreateUser(
        user_service_pb2.CreateUserRequest(
            user=user_pb2.User(email=email, phone_number=phone),
            password=_password(password_file, confirm=True),
            verify_by=by.PHONE if phone else by.EMAIL,
            invitation_code=invitation,
        ),
        timeout=session.CALL_SECONDS,
    )
    where = answer.phone_number or answer.email
    sys.stdout.write(f"A code was sent to {where}. Then: allocctl verify {where} CODE\n")


def verify(
    contact: Annotated[
        str, typer.Argument(help="The e-mail address or phone number that the code was sent to.")
    ],
    code: Annotated[str, typer.Argument(help="The code that was sent: six digits.")],
) -> None:
    """Shows by the one-time code that the address or number is yours."""
    from allocator.users.v1 import user_service_pb2, user_service_pb2_grpc

    from allocctl import session

    users = session.stub(user_service_pb2_grpc.UserServiceStub)
    request = user_service_pb2.VerifyUserRequest(code=code)
    if contact.startswith("+"):
        request.phone_number = contact
    else:
        request.email = contact
    users.VerifyUser(request, timeout=session.CALL_SECONDS)
    sys.stdout.write(f"{contact} is verified. Then: allocctl login {contact}\n")


def log_in(
    email: Annotated[str, typer.Argument(help="The e-mail address of the account.")] = "",
    password_file: PasswordFile = None,
    admin_file: Annotated[
        Path | None,
        typer.Option(help="Log in as the first admin, with the credentials in this file."),
    ] = None,
    code: Annotated[
        str,
        typer.Option(
            help="The present code of the authenticator app, or a recovery code; asked for where the "
            "account needs one."
        ),
    ] = "",
) -> None:
    """Logs in, and remembers it for the next commands."""
    import grpc
    from allocator.users.v1 import session_service_pb2, session_service_pb2_grpc

    from allocctl import session

    if admin_file is not None:
        email, password = _credentials(admin_file)
    else:
        email = email or typer.prompt("E-mail")
        password = _password(password_file)
    server = session.server()
    request = session_service_pb2.CreateSessionRequest(email=email, password=password)
    _show(request, code)
    sessions = session.stub(session_service_pb2_grpc.SessionServiceStub)
    try:
        answer = sessions.CreateSession(request, timeout=session.CALL_SECONDS)
    except grpc.RpcError as error:
        if code or reason_of(error) != "TOTP_REQUIRED" or not sys.stdin.isatty():
            raise
        _show(request, typer.prompt("Code"))
        answer = sessions.CreateSession(request, timeout=session.CALL_SECONDS)
    session.keep(answer, server)
    sys.stdout.write(f"Logged in as {answer.user.email} at {server}.\n")


def log_out() -> None:
    """Ends the session here and on the server."""
    from allocator.users.v1 import session_service_pb2, session_service_pb2_grpc

    from allocctl import session

    kept = session.load()
    if kept is None:
        sys.stdout.write("Nobody is logged in.\n")
        return
    try:
        session.stub(session_service_pb2_grpc.SessionServiceStub).DeleteSession(
            session_service_pb2.DeleteSessionRequest(name=kept.name),
            timeout=session.CALL_SECONDS,
            metadata=session.signed_in(),
        )
    finally:
        session.forget()
    sys.stdout.write("Logged out.\n")


def who_am_i(output: Output = Format.TABLE) -> None:
    """Shows who is logged in."""
    from allocator.users.v1 import user_pb2, user_service_pb2, user_service_pb2_grpc

    from allocctl import session
    from allocctl.output import print_json

    me = session.stub(user_service_pb2_grpc.UserServiceStub).GetUser(
        user_service_pb2.GetUserRequest(name="users/me"),
        timeout=session.CALL_SECONDS,
        metadata=session.signed_in(),
    )
    if output is Format.JSON:
        print_json(me)
        return
    roles = ", ".join(user_pb2.User.Role.Name(role).lower() for role in me.roles)
    sys.stdout.write(f"{me.email} ({me.name}){f', {roles}' if roles else ''}\n")


def _show(request: session_service_pb2.CreateSessionRequest, code: str) -> None:
    """Puts a code of the second factor into a request, of whichever kind it is."""
    code = code.strip()
    if code.isdecimal() and len(code) == _TOTP_DIGITS:
        request.totp_code = code
    else:
        request.recovery_code = code


def _password(source: Path | None, *, confirm: bool = False) -> str:
    if source is None:
        answer: str = typer.prompt("Password", hide_input=True, confirmation_prompt=confirm)
        return answer
    if str(source) == "-":
        return sys.stdin.readline().rstrip("\n")
    try:
        return source.read_text(encoding="utf-8").rstrip("\n")
    except OSError as error:
        raise Failure(f"{source} cannot be read: {error.strerror}.") from None


def _credentials(source: Path) -> tuple[str, str]:
    try:
        read = json.loads(source.read_text(encoding="utf-8"))
        return str(read["email"]), str(read["password"])
    except OSError as error:
        raise Failure(
            f"{source} cannot be read: {error.strerror}. It is deleted when the first admin changes "
            "their password."
        ) from None
    except (ValueError, KeyError):
        raise Failure(f"{source} does not hold an e-mail address and a password.") from None
