"""FeedService: from the wire to the use cases and back."""

from __future__ import annotations

from allocator.feed.v1 import feed_pb2, feed_service_pb2
from google.protobuf.empty_pb2 import Empty

from chassis.listing import Once, chosen_fields, version_of
from chassis.rpc import Call
from feed_svc.domain.faults import ReviewNotYours
from feed_svc.domain.feed import Comment, Review
from feed_svc.domain.names import machine_of, review_place
from feed_svc.transport.mapping import (
    comment_message,
    direction_of,
    line_of,
    review_message,
    summary_message,
    vote_message,
)
from feed_svc.usecases.commenting import Commenting, Draft
from feed_svc.usecases.naming import Naming
from feed_svc.usecases.reviewing import Reviewing
from feed_svc.usecases.summing import Summing
from feed_svc.usecases.voting import Voting


class FeedServicer:
    """Serves `allocator.feed.v1.FeedService`."""

    def __init__(
        self,
        commenting: Commenting,
        reviewing: Reviewing,
        voting: Voting,
        summing: Summing,
        naming: Naming,
    ) -> None:
        """Serves these use cases."""
        self._commenting = commenting
        self._reviewing = reviewing
        self._voting = voting
        self._summing = summing
        self._naming = naming

    async def CreateComment(
        self, request: feed_service_pb2.CreateCommentRequest, call: Call
    ) -> feed_pb2.Comment:
        """Says something of a machine, or answers a comment."""
        given = request.comment
        # A request id is known to the feed of the machine that it was sent about.
        once = Once.of(
            call.caller.user,
            f"CreateComment {request.parent}",
            request.request_id,
            given.text,
            given.reply_to,
            given.line.SerializeToString(deterministic=True),
        )
        draft = Draft(request.parent, given.text, given.reply_to, line_of(given))
        return await self._comment(await self._commenting.create(draft, call.caller.user, once))

    async def GetComment(
        self, request: feed_service_pb2.GetCommentRequest, call: Call
    ) -> feed_pb2.Comment:
        """Reads one comment, or one reply."""
        return await self._comment(await self._commenting.get(request.name))

    async def ListComments(
        self, request: feed_service_pb2.ListCommentsRequest, call: Call
    ) -> feed_service_pb2.ListCommentsResponse:
        """Lists what is said of a machine, newest first."""
        page = await self._commenting.list(request.parent, request.page_size, request.page_token)
        return feed_service_pb2.ListCommentsResponse(
            comments=await self._comments(page.comments), next_page_token=page.next_page_token
        )

    async def ListReplies(
        self, request: feed_service_pb2.ListRepliesRequest, call: Call
    ) -> feed_service_pb2.ListRepliesResponse:
        """Lists the replies to a comment, oldest first."""
        page = await self._commenting.list_replies(
            request.parent, request.page_size, request.page_token
        )
        return feed_service_pb2.ListRepliesResponse(
            replies=await self._comments(page.comments), next_page_token=page.next_page_token
        )

    async def UpdateComment(
        self, request: feed_service_pb2.UpdateCommentRequest, call: Call
    ) -> feed_pb2.Comment:
        """Changes the text of the caller's own comment."""
        given = request.comment
        fields = chosen_fields(request.update_mask.paths, ["text"], ["text"])
        text = given.text if fields else None
        comment = await self._commenting.update(
            given.name, text, version_of(given.etag), call.caller.user
        )
        return await self._comment(comment)

    async def DeleteComment(
        self, request: feed_service_pb2.DeleteCommentRequest, call: Call
    ) -> Empty:
        """Deletes a comment: its author, or an admin."""
        await self._commenting.delete(request.name, version_of(request.etag), call.caller)
        return Empty()

    async def SetReview(
        self, request: feed_service_pb2.SetReviewRequest, call: Call
    ) -> feed_pb2.Review:
        """Writes the caller's review, or puts it in place of the one that is there."""
        given = request.review
        machine, number = review_place(given.name)
        if number:
            raise ReviewNotYours(
                f"A review is written as {machine}/reviews/me, which is the caller's own.",
                review=given.name,
            )
        review = await self._reviewing.set(
            machine, given.stars, given.text, version_of(given.etag), call.caller.user
        )
        return await self._review(review)

    async def GetReview(
        self, request: feed_service_pb2.GetReviewRequest, call: Call
    ) -> feed_pb2.Review:
        """Reads one review."""
        return await self._review(await self._reviewing.get(request.name, call.caller))

    async def ListReviews(
        self, request: feed_service_pb2.ListReviewsRequest, call: Call
    ) -> feed_service_pb2.ListReviewsResponse:
        """Lists the reviews of a machine, newest first."""
        page = await self._reviewing.list(request.parent, request.page_size, request.page_token)
        authors = await self._naming.authors_of(page.reviews)
        return feed_service_pb2.ListReviewsResponse(
            reviews=[review_message(review, authors) for review in page.reviews],
            next_page_token=page.next_page_token,
        )

    async def DeleteReview(
        self, request: feed_service_pb2.DeleteReviewRequest, call: Call
    ) -> Empty:
        """Deletes a review: its author, or an admin."""
        await self._reviewing.delete(request.name, version_of(request.etag), call.caller)
        return Empty()

    async def SetVote(self, request: feed_service_pb2.SetVoteRequest, call: Call) -> feed_pb2.Vote:
        """Votes on a machine."""
        given = request.vote
        machine = machine_of(given.name)
        return vote_message(await self._voting.set(machine, direction_of(given), call.caller.user))

    async def GetVote(self, request: feed_service_pb2.GetVoteRequest, call: Call) -> feed_pb2.Vote:
        """Reads the caller's vote."""
        return vote_message(await self._voting.get(machine_of(request.name), call.caller.user))

    async def ClearVote(self, request: feed_service_pb2.ClearVoteRequest, call: Call) -> Empty:
        """Withdraws the caller's vote."""
        await self._voting.clear(machine_of(request.name), call.caller.user)
        return Empty()

    async def GetSummary(
        self, request: feed_service_pb2.GetSummaryRequest, call: Call
    ) -> feed_pb2.FeedSummary:
        """Adds up the feed of a machine."""
        machine = machine_of(request.name)
        feeds, votes = await self._summing.summaries([machine], call.caller.user)
        return summary_message(feeds[0], votes.get(machine))

    async def BatchGetSummaries(
        self, request: feed_service_pb2.BatchGetSummariesRequest, call: Call
    ) -> feed_service_pb2.BatchGetSummariesResponse:
        """Adds up the feeds of several machines."""
        feeds, votes = await self._summing.summaries(request.machines, call.caller.user)
        return feed_service_pb2.BatchGetSummariesResponse(
            summaries=[summary_message(feed, votes.get(feed.machine)) for feed in feeds]
        )

    async def _comment(self, comment: Comment) -> feed_pb2.Comment:
        return comment_message(comment, await self._naming.authors_of([comment]))

    async def _comments(self, comments: list[Comment]) -> list[feed_pb2.Comment]:
        authors = await self._naming.authors_of(comments)
        return [comment_message(comment, authors) for comment in comments]

    async def _review(self, review: Review) -> feed_pb2.Review:
        return review_message(review, await self._naming.authors_of([review]))
