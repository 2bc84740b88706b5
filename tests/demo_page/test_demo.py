"""The demo: the networks' own images, bounded requests, a guarded server."""

import asyncio
import contextlib
import dataclasses
import importlib.util
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request

import numpy as np
import psutil
import pytest
from support import browser

from dglgan_tf.demo_page import booth, demo_page, guard
from dglgan_tf.deploy import opening
from dglgan_tf.sampling import paths


@pytest.fixture(scope="module")
def shown(stored):
    found = opening.load(stored["biggan"])
    return booth.Booth({"teacher": found, "student": found})


def test_pictures_are_the_networks_own(shown):
    drawn = shown.draw(3, 9, 0.0, 2, 5.0, 4)
    expected = shown.samplers["teacher"].images([3, 4, 5, 6], [2] * 4)
    pixels = drawn["student"].picture
    assert pixels.shape == (384, 384, 3) and drawn["student"].milliseconds > 0
    small = pixels[::6, ::6, 0].astype(int)
    found = small.reshape(2, 32, 2, 32).swapaxes(1, 2).reshape(4, 32, 32, 1)
    expected = np.clip(expected * 127.5 + 128, 0, 255).astype(int)
    assert np.abs(found - expected).max() <= 1
    turned = shown.draw(9, 3, 1.0, 2, 5.0, 4)["teacher"].picture
    assert np.abs(turned.astype(int) - pixels.astype(int)).max() <= 1
    assert shown.classes() == ["coat", "bag", "boot"]
    (known, nameless), facts = shown.samplers.values(), shown.facts
    nameless = dataclasses.replace(
        nameless, facts=dataclasses.replace(facts, class_names=())
    )
    assert booth.Booth({"a": nameless, "b": known}).classes() == shown.classes()
    assert booth.Booth({"a": nameless}).classes()[2] == "class 2"
    assert paths.slerp([0.0, 1.0], [1.0, 0.0], 1.0).tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    "change,message",
    [
        ({"seed": -1}, "seed -1 must be from 0"),
        ({"seed": 2**32}, "seed 4294967296"),
        ({"share": 1.5}, "interpolation 1.5 must be from 0 to 1"),
        ({"share": float("nan")}, "interpolation nan"),
        ({"label": 3}, "class 3 must be from 0 to 2"),
        ({"psi": 0.0}, "truncation 0.0 must be from 0.1 to 5"),
        ({"psi": None}, "truncation None"),
        ({"count": 1000}, "1000 images: choose from"),
    ],
)
def test_values_out_of_bounds_are_refused(shown, change, message):
    given = {"seed": 0, "other": 1, "share": 0, "label": 0, "psi": 1, "count": 1}
    with pytest.raises(ValueError, match=message):
        shown.draw(**(given | change))


def test_networks_of_other_latents_are_refused(stored):
    both = {name: opening.load(path) for name, path in stored.items()}
    with pytest.raises(ValueError, match="stylegan2 has z_dim=12, the first network"):
        booth.Booth(both)


def test_captions_tell_time_and_cost():
    drawn = {
        "teacher": booth.Drawn(np.zeros([1, 1, 3]), 8.0, 4),
        "student": booth.Drawn(np.zeros([1, 1, 3]), 2.0, 4),
    }
    first, second = demo_page.caption(drawn, {"student": (90_049, 26_500_000)})
    assert first == "**8.0 ms** for 4"
    assert second == (
        "**2.0 ms** for 4 (4.00 times as fast), 90.05 k parameters, 26.5 M MACs"
    )


def _ask(headers, path="/", body=b""):
    """Sends one request through the guard; returns the status and headers."""
    sent = []

    async def application(scope, receive, send):
        seen = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            seen += message["body"]
            if not message["more_body"]:
                break
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": seen})

    parts = [body[i : i + 4096] for i in range(0, len(body), 4096)] or [b""]
    waiting = [
        {"type": "http.request", "body": p, "more_body": i + 1 < len(parts)}
        for i, p in enumerate(parts)
    ]

    async def receive():
        return waiting.pop(0)

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "path": path, "headers": headers}
    guarded = guard.Guard(application, {"127.0.0.1", "localhost", "::1"})
    asyncio.run(guarded(scope, receive, send))
    return (sent[0]["status"], dict(sent[0]["headers"])) if sent else (None, {})


def test_guard_knows_its_hosts_and_bounds():
    here = (b"host", b"127.0.0.1:7860")
    status, headers = _ask([here], body=b"x" * 9000)
    assert status == 200
    assert b"default-src 'self'" in headers[b"content-security-policy"]
    assert _ask([(b"host", b"[::1]:7860")])[0] == 200
    assert _ask([(b"host", b"evil.example:7860")])[0] == 400
    assert _ask([])[0] == 400
    assert _ask([here], "/gradio_api/upload")[0] == 403
    assert _ask([here, (b"content-length", b"65537")])[0] == 413
    assert _ask([here, (b"content-length", b"-1")])[0] == 413
    assert _ask([here], body=b"x" * 70_000)[0] is None  # unannounced and too long


def test_names_that_browsers_send():
    local = guard.hosts("127.0.0.1")
    for host in ("localhost", "localhost:80", "LOCALHOST:7860", "[::1]:1", "127.0.0.1"):
        assert guard.name_of(host) in local
    for host in ("", ":7860", "a b", "localhost:", "localhost:x", "[::1", "x@localhost",
                 "localhost/", "\xe9"):  # fmt: skip
        assert guard.name_of(host) not in local
    assert "*" not in local
    everywhere = guard.hosts("0.0.0.0", ["Demo.Example."])
    assert {"*", "demo.example", "localhost"} <= everywhere
    with pytest.raises(ValueError, match="must be a host's name"):
        guard.hosts("0.0.0.0", ["http://x/"])


def test_everywhere_is_every_address_but_no_other_name():
    async def application(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def status(host, known):
        sent = []

        async def send(message):
            sent.append(message)

        scope = {"type": "http", "path": "/", "headers": [(b"host", host.encode())]}
        await guard.Guard(application, known)(scope, None, send)
        return sent[0]["status"]

    known = guard.hosts("0.0.0.0", ["demo.example"])
    for host in ("192.168.1.7:7860", "[fe80::1]:80", "10.0.0.1", "demo.example:8080"):
        assert asyncio.run(status(host, known)) == 200, host
    for host in ("evil.example", "evil.example:7860", "192.168.1.7.evil.example", "*"):
        assert asyncio.run(status(host, known)) == 400, host
    assert asyncio.run(status("192.168.1.7", guard.hosts("127.0.0.1"))) == 400


def test_missing_gradio_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(ValueError, match=r"dglgan_tf\[demo\]"):
        demo_page.require("gradio")


@pytest.fixture(scope="module")
def served(stored):
    """The address of a demo of two networks, in a process of its own."""
    if importlib.util.find_spec("gradio") is None:
        pytest.skip("needs the extra `demo`")
    command = [sys.executable, "-m", "dglgan_tf.demo", "--port=17861"]
    command += [f"--network={n}={stored['biggan']}" for n in ("teacher", "student")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        address = process.stdout.readline().split()[0]
        for _ in range(300):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(address, timeout=20).close()
                break
            time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.mark.slow
def test_server_listens_here_alone_and_refuses(served):
    assert served == "http://127.0.0.1:17861"
    connections = psutil.net_connections("tcp")
    listening = [c.laddr for c in connections if c.status == psutil.CONN_LISTEN]
    assert {a.ip for a in listening if a.port == 17861} == {"127.0.0.1"}
    for path, body, headers, status in (
        ("/gradio_api/upload", b"file", {}, 403),
        ("/gradio_api/queue/join", b"x" * 70_000, {}, 413),
        ("/", None, {"Host": "evil.example:17861"}, 400),
    ):
        request = urllib.request.Request(served + path, body, headers)
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=20)
        assert refused.value.code == status


@pytest.mark.slow
def test_page_interpolates_beside_the_teacher_and_tells_times(served, tmp_path):
    if browser.find() is None:
        pytest.skip("no Chromium here: install it to test the page itself")
    told = "Array.from(document.querySelectorAll('.prose')).map(p => p.innerText)"
    drawn = "Array.from(document.querySelectorAll('.picture img')).map(i => i.src)"
    with browser.page(tmp_path) as page:
        page.open(served)
        page.wait("document.body.innerText.includes('times as fast')")
        lines = {line for line in page.value(told) if " ms for 4" in line}
        assert len(lines) == 2 and all("parameters" in line for line in lines)
        before = page.value(drawn)
        assert len(before) == 2
        assert page.value("document.querySelector('[aria-label=Class]').value")
        # The interpolation's number: half way to the other seed.
        page.value(
            """(() => {
              const box = Array.from(document.querySelectorAll('input[type=number]'))
                .find((i) => (i.ariaLabel || '').includes('Interpolation'));
              box.focus();
              box.value = '0.5';
              box.dispatchEvent(new Event('input', {bubbles: true}));
              box.dispatchEvent(new Event('change', {bubbles: true}));
              box.blur();
            })()"""
        )
        old = json.dumps(before)
        page.wait(f"({drawn}).every((src, i) => src !== {old}[i])")
        assert page.errors == []
        assert all(address.startswith(served) for address in page.requests)
