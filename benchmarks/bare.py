"""The yardsticks of `calls`: servers that do nothing but answer with the same bytes.

python -m benchmarks.bare FOLDER RPC_PORT HTTP_PORT
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import grpc
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


class Echo(grpc.GenericRpcHandler):
    """Answers every unary call with the same bytes."""

    def __init__(self, answer: bytes) -> None:
        async def serve(_request: bytes, _context: object) -> bytes:
            return answer

        self._handler = grpc.unary_unary_rpc_method_handler(serve)

    def service(self, handler_call_details: object) -> object:
        return self._handler


async def main() -> None:
    folder, rpc_port, http_port = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Echo((folder / "answer.bin").read_bytes()),))
    server.add_insecure_port(f"127.0.0.1:{rpc_port}")
    await server.start()
    body = (folder / "answer.json").read_bytes()

    async def answer(_request: Request) -> Response:
        return Response(body, media_type="application/json")

    app = Starlette(routes=[Route("/v1/allocations/{allocation}", answer)])
    web = uvicorn.Server(
        uvicorn.Config(
            app,
            port=http_port,
            http="httptools",
            log_config=None,
            access_log=False,
            lifespan="off",
        )
    )
    serving = asyncio.ensure_future(web.serve())
    while not web.started:
        await asyncio.sleep(0.01)
    print("ready", flush=True)
    await serving
    await server.stop(0)


asyncio.run(main())
