"""Feeds: what there is of each machine, its rows in bounded partitions, and the names of authors.

* `feeds`: one partition for each machine. Its static columns are the numbers of the feed; every change is
  made by a conditional write on `version`. `pending` holds the rows of the last change until they have
  reached their own partitions, which `settled` says. Its rows are what waits to be published (`fact`, up to
  `published`), what requests were answered (`once`, for a day), and one that is always there (`head`).
* `comments`, `reviews`: 128 to a partition, newest first; `replies`: the 200 at most of a comment.
* `standings`: the vote and the review of each person, in 64 partitions for each machine.
* `contributions`: the machines of whose feeds a person has a part.

The rows of a machine are written with its version as their time stamp, so that the same change can be
written twice, and an earlier one too late.
"""

_COMMENT = """
    uid text, author text, text text, line_allocation text, line_cursor bigint, replies int,
    replies_made int, deleted boolean, version int, create_time bigint, update_time bigint
"""

STATEMENTS = (
    """
    CREATE TABLE IF NOT EXISTS feeds (
        machine text, kind text, id text,
        version bigint static, epoch int static, likes int static, dislikes int static,
        comments int static, stars1 int static, stars2 int static, stars3 int static,
        stars4 int static, stars5 int static, threads_made int static, reviews_made int static,
        end_time bigint static, pending text static, settled bigint static,
        published bigint static, purged int static,
        topic text, value blob, headers text, fingerprint text, answer text,
        PRIMARY KEY ((machine), kind, id)
    ) WITH gc_grace_seconds = 86400
    """,
    f"""
    CREATE TABLE IF NOT EXISTS comments (
        machine text, epoch int, part int, thread int, {_COMMENT},
        PRIMARY KEY ((machine, epoch, part), thread)
    ) WITH CLUSTERING ORDER BY (thread DESC)
    """,
    f"""
    CREATE TABLE IF NOT EXISTS replies (
        machine text, epoch int, thread int, reply int, {_COMMENT},
        PRIMARY KEY ((machine, epoch, thread), reply)
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS reviews (
        machine text, epoch int, part int, number int, uid text, author text, stars int, text text,
        version int, create_time bigint, update_time bigint,
        PRIMARY KEY ((machine, epoch, part), number)
    ) WITH CLUSTERING ORDER BY (number DESC)
    """,
    """
    CREATE TABLE IF NOT EXISTS standings (
        machine text, epoch int, part int, person text, direction text, vote_time bigint, review int,
        PRIMARY KEY ((machine, epoch, part), person)
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS contributions (
        person text, machine text, PRIMARY KEY ((person), machine)
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS authors (
        name text PRIMARY KEY, shown text, version bigint, gone boolean
    )
    """,
)
