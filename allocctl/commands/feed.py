"""What people say of machines: comments and reviews."""

from __future__ import annotations

import sys
import uuid
from typing import TYPE_CHECKING, Annotated, Any

import typer

from allocctl.failures import Failure
from allocctl.output import Format, Output, age, print_json, print_table

if TYPE_CHECKING:
    from allocator.feed.v1 import feed_pb2

comments_app = typer.Typer(help="What people say of machines.", no_args_is_help=True)
reviews_app = typer.Typer(help="How people rate machines.", no_args_is_help=True)

Machine = Annotated[str, typer.Argument(help="Which machine: its name in the catalogue.")]
Newest = Annotated[
    int, typer.Option("--newest", "-n", min=0, help="So many of the newest; 0: all.")
]


@comments_app.command("list")
def list_comments(
    machine: Machine,
    newest: Newest = 50,
    output: Output = Format.TABLE,
) -> None:
    """Lists the comments on a machine with their replies, the newest first."""
    from allocator.feed.v1 import feed_service_pb2 as service

    found: list[feed_pb2.Comment] = []
    parent = _machine(machine)
    request = service.ListCommentsRequest(parent=parent)
    for one in _listed("ListComments", request, "comments", newest):
        found.append(one)
        if one.reply_count:
            replies = service.ListRepliesRequest(parent=one.name)
            found += _listed("ListReplies", replies, "replies")
    if output is Format.JSON:
        print_json(found)
        return
    print_table(
        ("NAME", "BY", "AGE", "TEXT"),
        (
            (
                one.name,
                one.author_name or one.author,
                age(one.create_time),
                ("↳ " if one.reply_to else "") + ("(deleted)" if one.deleted else one.text),
            )
            for one in found
        ),
        "Nobody has said anything about it.",
    )


@comments_app.command("add")
def add_comment(
    machine: Machine,
    text: Annotated[str, typer.Argument(help="What to say, in Markdown.")],
    reply_to: Annotated[str, typer.Option(help="The comment to answer, as it is listed.")] = "",
    line: Annotated[
        str,
        typer.Option(help="A line of a log that it is about: ALLOCATION:NUMBER, `a1b2c3d4:17`."),
    ] = "",
    output: Output = Format.TABLE,
) -> None:
    """Comments on a machine."""
    from allocator.feed.v1 import feed_pb2
    from allocator.feed.v1 import feed_service_pb2 as service

    comment = feed_pb2.Comment(text=text, reply_to=reply_to)
    if line:
        from allocctl.names import full_name

        allocation, _, number = line.rpartition(":")
        if not allocation or not number.isdecimal():
            raise Failure(f"--line takes ALLOCATION:NUMBER, not {line!r}.")
        comment.line.allocation = full_name(allocation)
        comment.line.cursor = int(number)
    request = service.CreateCommentRequest(
        parent=_machine(machine), comment=comment, request_id=str(uuid.uuid4())
    )
    made = _call("CreateComment", request)
    if output is Format.JSON:
        print_json(made)
    else:
        sys.stdout.write(f"{made.name}\n")


@comments_app.command("delete")
def delete_comment(
    name: Annotated[str, typer.Argument(help="Which comment, as it is listed.")],
) -> None:
    """Deletes a comment: your own, or as an admin anybody's."""
    from allocator.feed.v1 import feed_service_pb2 as service

    _call("DeleteComment", service.DeleteCommentRequest(name=name))
    sys.stdout.write(f"{name} is deleted.\n")


@reviews_app.command("list")
def list_reviews(machine: Machine, newest: Newest = 50, output: Output = Format.TABLE) -> None:
    """Lists the reviews of a machine, the newest first."""
    from allocator.feed.v1 import feed_service_pb2 as service

    request = service.ListReviewsRequest(parent=_machine(machine))
    found = list(_listed("ListReviews", request, "reviews", newest))
    if output is Format.JSON:
        print_json(found)
        return
    print_table(
        ("NAME", "BY", "STARS", "AGE", "TEXT"),
        (
            (
                one.name,
                one.author_name or one.author,
                f"{one.stars} of 5",
                age(one.create_time),
                one.text,
            )
            for one in found
        ),
        "Nobody has reviewed it.",
    )


@reviews_app.command("set")
def set_review(
    machine: Machine,
    stars: Annotated[int, typer.Argument(min=1, max=5, help="One to five.")],
    text: Annotated[str, typer.Argument(help="Why, in Markdown.")] = "",
    output: Output = Format.TABLE,
) -> None:
    """Reviews a machine that you have rented; a review that you wrote before is replaced."""
    from allocator.feed.v1 import feed_pb2
    from allocator.feed.v1 import feed_service_pb2 as service

    review = feed_pb2.Review(name=f"{_machine(machine)}/reviews/me", stars=stars, text=text)
    made = _call("SetReview", service.SetReviewRequest(review=review))
    if output is Format.JSON:
        print_json(made)
    else:
        sys.stdout.write(f"{made.name}\n")


@reviews_app.command("delete")
def delete_review(
    machine: Machine,
    name: Annotated[
        str, typer.Option("--of", help="As an admin: whose review, as it is listed.")
    ] = "",
) -> None:
    """Deletes your review of a machine."""
    from allocator.feed.v1 import feed_service_pb2 as service

    full = name or f"{_machine(machine)}/reviews/me"
    _call("DeleteReview", service.DeleteReviewRequest(name=full))
    sys.stdout.write(f"{full} is deleted.\n")


def _machine(said: str) -> str:
    from allocctl.calls import named

    return named("machines", said)


def _call(method: str, request: Any) -> Any:
    from allocator.feed.v1 import feed_service_pb2_grpc

    from allocctl.calls import call

    return call(feed_service_pb2_grpc.FeedServiceStub, method, request)


def _listed(method: str, request: Any, field: str, most: int = 0) -> Any:
    from allocator.feed.v1 import feed_service_pb2_grpc

    from allocctl.calls import listed

    return listed(feed_service_pb2_grpc.FeedServiceStub, method, request, field, most)
