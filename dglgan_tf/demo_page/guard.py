"""What stands before the demo's server: known hosts, small requests, no uploads."""

import ipaddress
import re
import socket

LOOPBACK = ("127.0.0.1", "localhost", "::1")
EVERYWHERE = ("0.0.0.0", "::", "")
LARGEST_BODY = 64 * 1024
# The page may load and ask nothing but this server.
POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; "
    "frame-ancestors 'none'; form-action 'none'"
)


def hosts(listening: str, allowed=()) -> frozenset[str]:
    """Returns the names under which browsers may ask for the page.

    Args:
      listening: address that the server listens on.
      allowed: further names, such as that of a proxy.

    Returns:
      names in lower case; '*' among them stands for every address in figures, which
      no foreign page can take for a name of its own.

    Raises:
      ValueError: an allowed name that is none.
    """
    for name in allowed:
        if not re.fullmatch(r"[A-Za-z0-9._:-]{1,253}", name):
            raise ValueError(
                f"--allow_host={name!r} must be a host's name, without port"
            )
    found = {*LOOPBACK, listening, *allowed}
    if listening in EVERYWHERE:
        own = socket.gethostname()
        found |= {"*", own, f"{own}.local", socket.getfqdn()}
    return frozenset(name.lower().rstrip(".") for name in found if name)


def name_of(host: str) -> str:
    """Returns the name in a Host header, without port, in lower case; '' of others."""
    found = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?", host)
    return found[1].strip("[]").lower().rstrip(".") if found else ""


class Guard:
    """ASGI middleware around the demo.

    Args:
      application: what it protects.
      known: names under which the page may be asked for (`hosts`), with any port, as a
        tunnel or a container changes it; others get 400, so that no foreign page can
        reach the server by a name of its own (DNS rebinding).
    """

    def __init__(self, application, known):
        self._application, self._known = application, frozenset(known)

    async def __call__(self, scope, receive, send):
        """Answers or passes on one request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._application(scope, receive, send)
            return
        refused = self._refusal(scope)
        if refused is not None:
            await _answer(send, *refused)
            return
        seen = 0

        async def bounded():
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > LARGEST_BODY:
                return {"type": "http.disconnect"}
            return message

        async def guarded(message):
            if message["type"] == "http.response.start":
                extra = (b"content-security-policy", POLICY.encode())
                message = {**message, "headers": [*message["headers"], extra]}
            await send(message)

        await self._application(scope, bounded, guarded)

    def _refusal(self, scope):
        """Returns (status, text) of a request that is not passed on, else None."""
        headers = dict(scope["headers"])
        name = name_of(headers.get(b"host", b"").decode("latin-1"))
        if name not in self._known and not ("*" in self._known and _in_figures(name)):
            return 400, "unknown host: see --allow_host"
        if "upload" in scope["path"]:
            return 403, "this page takes no uploads"
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > LARGEST_BODY:
            return 413, f"more than {LARGEST_BODY} bytes"
        return None


def _in_figures(name) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


async def _answer(send, status, text):
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})
