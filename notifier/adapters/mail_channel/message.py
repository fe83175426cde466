"""A mail as the text that mail servers and files hold (RFC 5322)."""

from __future__ import annotations

from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from notifier.domain.faults import MailRefused
from notifier.domain.mail import Mail


def message_of(mail: Mail, sender: str) -> EmailMessage:
    """The mail with its headers, ready to be sent.

    Args:
        mail: the mail.
        sender: the address, with a name if wished, that it comes from: `Allocator <no-reply@host>`.

    Raises:
        MailRefused: the address is none.
    """
    message = EmailMessage(policy=SMTP)
    try:
        message["To"] = Address(addr_spec=mail.to)
        message["From"] = sender
        # A subject is one line, whatever comes in it.
        message["Subject"] = " ".join(mail.subject.split())
    except (ValueError, HeaderParseError, IndexError) as error:
        raise MailRefused(f"A mail to this address cannot be written: {error}.") from error
    domain = _domain_of(message["From"].addresses[0])
    message["Message-ID"] = f"<{mail.id}@{domain}>"
    message["Date"] = format_datetime(mail.date)
    # RFC 3834: nobody's holiday replies to it.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    if mail.html:
        # The last part is what mail programs prefer (RFC 2046, 5.1.4).
        message.add_alternative(mail.html, subtype="html")
    return message


def _domain_of(address: Address) -> str:
    return address.domain or "localhost"
