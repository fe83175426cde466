"""REST, served in the same process from the same descriptors as gRPC.

`rest_app(chain)` is an ASGI application that serves each public method of the chain at the paths of
its `google.api.http` rule. A request becomes the method's request message and a `Call`, which enters
the chain as a call by gRPC does; the answer becomes JSON. Nothing loops back over a socket.

    GET /v1/machines/redis          →  templates.py, router.py: which method, which fields
    ?pageSize=5, {"title": …}       →  binding.py, query.py, decoding.py: the request message
    Authorization, traceparent      →  incoming.py: metadata, address and deadline of the call
    chain.unary / chain.stream         chassis.rpc: who, whether they may, validation, telemetry
    200 {"name": …}                 ←  encoding.py: JSON, by functions compiled per message type
    a body of any length            →  uploads.py: the messages of a client's stream
    text/event-stream, NDJSON       ←  streams.py
    application/problem+json        ←  problem.py: faults

What a client can rely on:

* Paths: a variable of one segment is decoded whole; in one of several segments `%2F` stays as it is.
  A known path with another HTTP method is 405 with `Allow`; HEAD is a GET without its body.
* The path counts: what a body or query says of a field of the path is forgotten, or refused.
* Names in queries and bodies are JSON names or those of the contract. Whatever is not known, is
  given twice or has the wrong type is refused with 400 and the path of the field. A body is JSON in
  UTF-8 and says so in `Content-Type` (415), and has at most `max_body_bytes` bytes (413). As in all
  protobuf JSON, null stands for "not given", numbers may be quoted and enum values be numbers.
* PATCH without `updateMask` changes the fields that the body names, but for the name, the etag and
  what only the server sets.
* `Idempotency-Key` is `request_id`; `If-Match` is the etag, with 412 where it is stale; answers with
  an etag have it as `ETag`, and `If-None-Match` gets 304.
* Fields without presence are always in an answer, also where they have their default value; fields
  with presence (messages, `optional`, oneofs) only where they are set. A client sees complete
  resources and needs no defaults of its own.
* Calls with one answer end after 30 s, streams do not; `X-Request-Timeout: 2.5` (seconds) or
  `grpc-timeout: 2500m` shorten either.
* Streams are server-sent events: `data: {…}` a message, a comment in each silence of 15 s, at the
  end `event: end`, or `event: error` with a problem document. With `Accept: application/x-ndjson` a
  line a message, and `{"error": …}` as the last line on a fault. A fault before the first message
  has an HTTP status of its own. The reader's speed is the stream's.
* `google.api.HttpBody` in either direction carries any media type as it is. Where a method takes a
  stream of them, its body may be of any length: it is handed on as it comes, and read no faster.
* Every failure is a problem document (RFC 9457) with `reason`, `metadata`, `fields`, `retryAfter`.

`chassis.rest.openapi` makes the OpenAPI document from the same rules and the contract's comments.
"""

from chassis.rest.app import Calls, RestApp, rest_app
from chassis.rest.encoding import encoder_of, to_json
from chassis.rest.problem import problem_of, status_of
from chassis.rest.sideroutes import SECURITY_HEADERS

__all__ = [
    "SECURITY_HEADERS",
    "Calls",
    "RestApp",
    "encoder_of",
    "problem_of",
    "rest_app",
    "status_of",
    "to_json",
]
