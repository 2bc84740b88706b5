"""What stands before the demo's server: known hosts, small requests, no uploads."""

LARGEST_BODY = 64 * 1024
# The page may load and ask nothing but this server.
POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; "
    "frame-ancestors 'none'; form-action 'none'"
)


class Guard:
    """ASGI middleware around the demo.

    Args:
      application: what it protects.
      hosts: names under which the page may be asked for; others get 400, so that no
        foreign page can reach the server by a name of its own (DNS rebinding).
    """

    def __init__(self, application, hosts):
        self._application, self._hosts = application, frozenset(hosts)

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
        host = headers.get(b"host", b"").decode("latin-1")
        if host.rpartition(":")[0].strip("[]") not in self._hosts:
            return 400, "unknown host"
        if "upload" in scope["path"]:
            return 403, "this page takes no uploads"
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > LARGEST_BODY:
            return 413, f"more than {LARGEST_BODY} bytes"
        return None


async def _answer(send, status, text):
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})
