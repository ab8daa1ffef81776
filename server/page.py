"""The page: pictures and one table of who holds how much, which it asks for again and again."""

from importlib.resources import files

from mcp.server.mcpserver.exceptions import ToolError
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from server.answers import Answer
from server.pictures import PICTURES, refusal
from server.protocol import OIServer
from server.rest import Handler, asked_of, guarded

# Nothing from elsewhere is loaded, and the page may talk to its own server only.
HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'self'; connect-src 'self'; "
    "img-src 'self'",
    "cache-control": "no-cache",
    "x-content-type-options": "nosniff",
}
TYPES = {"html": "text/html", "js": "text/javascript"}


def add_page(server: OIServer) -> None:
    for path, name in {"/": "index.html", "/page.js": "page.js"}.items():
        server.custom_route(path, methods=["GET"])(guarded(sending(name)))
    for name in PICTURES:
        server.custom_route(f"/picture/{name}.svg", methods=["GET"])(guarded(drawing(server, name)))


def sending(name: str) -> Handler:
    content = files("server").joinpath("web", name).read_text(encoding="utf-8")
    kind = TYPES[name.rsplit(".", 1)[1]]

    async def send(_: Request) -> Response:
        return HTMLResponse(content, headers=HEADERS, media_type=kind)

    return send


def drawing(server: OIServer, name: str) -> Handler:
    """A picture of an answer as of now. `again` may say anything: a browser asks anew for an address that is new."""
    tool, fixed, wanted, draw = PICTURES[name]

    def arguments(request: Request) -> dict[str, str]:
        asked = {key: value for key, value in request.query_params.items() if key != "again"}
        if unknown := sorted(set(asked) - wanted):
            raise ToolError(f"{', '.join(unknown)}: unknown parameter. Parameters: {', '.join(sorted(wanted))}.")
        return {**fixed, **asked}

    async def send(request: Request) -> Response:
        content, status = await asked_of(server, tool, request.url.path, lambda: arguments(request))
        return picture(draw(Answer.model_validate(content)) if status == 200 else refusal(content), status)

    return send


def picture(words: str, status: int = 200) -> Response:
    headers = {**HEADERS, "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"}
    return Response(words, status, headers, media_type="image/svg+xml")
