"""The statements of the notice store, each made once."""

from __future__ import annotations

from sqlalchemy import bindparam, delete, func, insert, or_, select, update

from chassis.sql import upsert
from chassis.sql.sweeping import in_parts
from notifier.schema.tables import INBOXES, NOTICES, THREADS, TOLD

OF_USER = NOTICES.c.user_name == bindparam("by_user_name")
SHOWN = NOTICES.c.in_page == 1
UNREAD = NOTICES.c.read_time.is_(None)
WAITING = "WAITING"

WAS_TOLD = select(TOLD.c.fact_id).where(TOLD.c.fact_id == bindparam("by_fact"))
NOTE_TOLD = insert(TOLD)
THREAD = select(THREADS.c.position).where(THREADS.c.name == bindparam("by_name")).with_for_update()
NOTE_THREAD = upsert(THREADS, None, ["name"], ["position", "time"])

# One statement, which makes the next one of the same inbox wait: so positions come in order.
NEXT_POSITION = upsert(INBOXES, None, ["user_name"], {"position": INBOXES.c.position + 1})
INBOX = select(INBOXES.c.position, INBOXES.c.end_time).where(
    INBOXES.c.user_name == bindparam("by_user_name")
)
END_INBOX = upsert(INBOXES, None, ["user_name"], ["end_time"])

ADD = insert(NOTICES)
MAILED = select(func.count()).where(
    OF_USER,
    NOTICES.c.kind == bindparam("by_kind"),
    NOTICES.c.create_time > bindparam("after"),
    NOTICES.c.mail != "NONE",
)
ONE = select(NOTICES).where(NOTICES.c.id == bindparam("by_id"), OF_USER, SHOWN)
SINCE = (
    select(NOTICES)
    .where(OF_USER, SHOWN, NOTICES.c.position > bindparam("after"))
    .order_by(NOTICES.c.position)
    .limit(bindparam("most"))
)
COUNT_UNREAD = select(func.count()).where(OF_USER, SHOWN, UNREAD)
READ_ALL = update(NOTICES).where(OF_USER, SHOWN, UNREAD).values(read_time=bindparam("present"))
READ_SOME = READ_ALL.where(NOTICES.c.id.in_(bindparam("by_ids", expanding=True)))
DELETE = delete(NOTICES).where(NOTICES.c.id == bindparam("by_id"), OF_USER, SHOWN)

ABOUT = select(NOTICES.c.user_name).where(NOTICES.c.resource == bindparam("by_resource")).distinct()
WITHDRAW = delete(NOTICES).where(NOTICES.c.resource == bindparam("by_resource"))
ERASE = delete(NOTICES).where(
    or_(OF_USER, NOTICES.c.by_user == bindparam("by_user_name")),
)

GATHERED = (
    select(
        NOTICES.c.user_name,
        NOTICES.c.kind,
        func.count().label("how_many"),
        func.max(NOTICES.c.position).label("last"),
    )
    .where(NOTICES.c.mail == WAITING)
    .group_by(NOTICES.c.user_name, NOTICES.c.kind)
    .having(func.min(NOTICES.c.create_time) <= bindparam("before"))
    .limit(bindparam("most"))
)
OF_GATHERED = (
    OF_USER,
    NOTICES.c.kind == bindparam("by_kind"),
    NOTICES.c.mail == WAITING,
    NOTICES.c.position <= bindparam("last"),
)
TITLES = (
    select(NOTICES.c.title)
    .where(*OF_GATHERED)
    .order_by(NOTICES.c.position)
    .limit(bindparam("most"))
)
SETTLE = update(NOTICES).where(*OF_GATHERED).values(mail="GATHERED")

SWEEP_BEYOND = in_parts(
    delete(NOTICES).where(
        NOTICES.c.mail != WAITING,
        NOTICES.c.position
        <= select(INBOXES.c.position - bindparam("most"))
        .where(INBOXES.c.user_name == NOTICES.c.user_name)
        .correlate(NOTICES)
        .scalar_subquery(),
    )
)
SWEEP_OLD = in_parts(
    delete(NOTICES).where(NOTICES.c.mail != WAITING, NOTICES.c.create_time < bindparam("before"))
)
SWEEP_TOLD = in_parts(delete(TOLD).where(TOLD.c.time < bindparam("before")))
SWEEP_THREADS = in_parts(delete(THREADS).where(THREADS.c.time < bindparam("before")))
SWEEP_INBOXES = in_parts(delete(INBOXES).where(INBOXES.c.end_time < bindparam("before")))
