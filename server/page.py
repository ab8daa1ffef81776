"""The page: one table of who holds how much, which asks the REST interface again and again."""

from importlib.resources import files

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from server.protocol import OIServer
from server.rest import Handler, guarded

# Nothing from elsewhere is loaded, and the page may talk to its own server only.
HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'self'; connect-src 'self'",
    "cache-control": "no-cache",
    "x-content-type-options": "nosniff",
}
TYPES = {"html": "text/html", "js": "text/javascript"}


def add_page(server: OIServer) -> None:
    for path, name in {"/": "index.html", "/page.js": "page.js"}.items():
        server.custom_route(path, methods=["GET"])(guarded(sending(name)))


def sending(name: str) -> Handler:
    content = files("server").joinpath("web", name).read_text(encoding="utf-8")
    kind = TYPES[name.rsplit(".", 1)[1]]

    async def send(_: Request) -> Response:
        return HTMLResponse(content, headers=HEADERS, media_type=kind)

    return send
