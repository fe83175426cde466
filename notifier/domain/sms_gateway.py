"""Where text messages go: a gateway of the installation's choice, or a folder."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

PLACEHOLDERS = ("to", "from", "text", "id")
"""What a field of the generic gateway's JSON may have in braces."""

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_MOST_FIELDS = 4000
_FORMS = (
    "an SMS URL is https://gateway.example.org/path, twilio://SID:token@api.twilio.com, or "
    "file:///folder"
)


@dataclass(frozen=True, slots=True)
class HttpGateway:
    """A gateway that takes JSON.

    Attributes:
        url: what is posted to.
        fields: the JSON that is posted; in each text of it `{to}`, `{from}`, `{text}` and `{id}` are
            replaced.
        sender: whom the messages come from.
        user, password: for basic authentication; empty for none.
        token: for bearer authentication; empty for none.
    """

    url: str
    fields: Mapping[str, Any]
    sender: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class TwilioGateway:
    """Twilio, or what speaks its Messages API.

    Attributes:
        url: of the API, without a path: `https://api.twilio.com`.
        account: the account SID, `AC…`, whose messages they are.
        user: the user name of basic authentication: the account SID, or the SID of an API key, `SK…`.
        password: the auth token, or the key's secret.
        sender: a number of one's own, or the SID of a messaging service, `MG…`.
    """

    url: str
    account: str
    user: str
    password: str = field(repr=False)
    sender: str = ""


def read_sms_url(
    url: str,
    *,
    sender: str = "",
    fields: str = "",
    user: str = "",
    password: str = "",
    token: str = "",
) -> HttpGateway | TwilioGateway | Path:
    """Where text messages go, from the settings.

    Args:
        url: `https://gateway.example.org/path` for a gateway that takes JSON; `http://…` for one that
            needs no password, or on this host; `twilio://SID:token@api.twilio.com`, with
            `?account=AC…` where SID is that of an API key; or `file:///folder`, where each message
            becomes a file.
        sender: whom the messages come from, as the gateway knows it.
        fields: the JSON of the gateway, an object.
        user: for basic authentication.
        password: for basic authentication.
        token: for bearer authentication.

    Raises:
        ValueError: something of it cannot be.
    """
    parts = urlsplit(url)
    if parts.scheme == "file":
        if parts.netloc not in ("", "localhost") or parts.path in ("", "/") or parts.query:
            raise ValueError("the SMS URL of a folder is file:///path/to/folder")
        return Path(unquote(parts.path))
    if parts.fragment or not parts.hostname:
        raise ValueError(_FORMS)
    if parts.scheme == "twilio":
        return _twilio(url, sender)
    if parts.scheme not in ("http", "https") or parts.username or parts.password:
        raise ValueError(f"{_FORMS}; a user and a password are settings of their own")
    if token and (user or password):
        raise ValueError("an SMS gateway is shown a token, or a user and a password, not both")
    if bool(user) != bool(password):
        raise ValueError("an SMS gateway needs both a user and a password, or neither")
    if parts.scheme == "http" and (token or user) and not _is_here(parts.hostname):
        raise ValueError("a password or a token is not sent without TLS; use https://")
    return HttpGateway(url, read_fields(fields), sender, user, password, token)


def read_fields(text: str) -> dict[str, Any]:
    """The JSON that a gateway takes, as a template.

    Args:
        text: a JSON object; empty for `{"to": "{to}", "from": "{from}", "text": "{text}"}`.

    Raises:
        ValueError: it is none, says neither `{to}` nor `{text}`, or names something else in braces.
    """
    if not text:
        return {"to": "{to}", "from": "{from}", "text": "{text}"}
    try:
        fields = json.loads(text) if len(text) <= _MOST_FIELDS else None
    except (ValueError, RecursionError) as error:
        raise ValueError("the fields of an SMS gateway are one JSON object") from error
    if not isinstance(fields, dict):
        raise ValueError("the fields of an SMS gateway are one JSON object")  # noqa: TRY004
    named = set(_PLACEHOLDER.findall(json.dumps(fields)))
    if not {"to", "text"} <= named or not named <= set(PLACEHOLDERS):
        known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
        raise ValueError(
            f"the fields of an SMS gateway have {{to}} and {{text}}, and of {known} only"
        )
    return fields


def filled(template: Any, values: Mapping[str, str]) -> Any:
    """A template with its placeholders replaced; what a value says is not replaced again.

    Args:
        template: JSON: an object, a list, text, or anything else, which stays as it is.
        values: of each placeholder.
    """
    if isinstance(template, str):
        return _PLACEHOLDER.sub(lambda found: values[found[1]], template)
    if isinstance(template, dict):
        return {key: filled(value, values) for key, value in template.items()}
    if isinstance(template, list):
        return [filled(value, values) for value in template]
    return template


def _twilio(url: str, sender: str) -> TwilioGateway:
    parts = urlsplit(url)
    options = parse_qs(parts.query, keep_blank_values=True)
    tls = options.pop("tls", ["yes"])[-1]
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    account = options.pop("account", [user])[-1]
    if options or tls not in ("yes", "no") or parts.path not in ("", "/"):
        raise ValueError("the SMS URL of Twilio has no path, and no option but account and tls")
    if not user or not password or not re.fullmatch(r"AC[0-9a-zA-Z]{1,64}", account):
        raise ValueError(
            "the SMS URL of Twilio is twilio://SID:token@api.twilio.com with the SID of an account, "
            "or with that of an API key and ?account=AC…"
        )
    if not sender:
        raise ValueError("Twilio needs a sender: a number of yours, or a messaging service, MG…")
    if tls == "no" and not _is_here(parts.hostname or ""):
        raise ValueError("a password is not sent without TLS; leave tls=no out")
    host = parts.netloc.rpartition("@")[2]
    scheme = "https" if tls == "yes" else "http"
    return TwilioGateway(f"{scheme}://{host}", account, user, password, sender)


def _is_here(host: str) -> bool:
    return host in ("localhost", "127.0.0.1", "::1")
