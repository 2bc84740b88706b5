"""The demo's page, built with gradio (extra `demo`), and its server."""

from dglgan_tf.cost import tables
from dglgan_tf.demo_page import booth as booths
from dglgan_tf.demo_page import guard
from dglgan_tf.foundation import optional_packages

_CSS = "footer {display: none !important} .picture img {image-rendering: pixelated}"


def require(package: str):
    """Returns a package of the extra `demo`.

    Raises:
      ValueError: it is not installed; says what to install.
    """
    return optional_packages.require(package, "the demo", "demo")


def page(booth: booths.Booth, costs: dict[str, tuple[int, int]]):
    """Returns the page as `gradio.Blocks`.

    Args:
      booth: what draws.
      costs: {name: (parameters, MACs)} of the networks where known.
    """
    gradio = require("gradio")
    names = list(booth.samplers)

    def answer(seed, other, share, label, psi, count):
        try:
            drawn = booth.draw(seed, other, share, label, psi, count)
        except (ValueError, TypeError, OverflowError) as error:
            raise gradio.Error(str(error), print_exception=False) from error
        pictures = [drawn[name].picture for name in names]
        return [*pictures, *caption(drawn, costs)]

    with gradio.Blocks(
        analytics_enabled=False, title="dglgan_tf", delete_cache=(600, 600)
    ) as blocks:
        gradio.Markdown(
            f"# {' beside '.join(names)}\nThe same latents, on this machine."
        )
        with gradio.Row():
            pictures, texts = [], []
            for name in names:
                with gradio.Column(min_width=280):
                    pictures.append(
                        gradio.Image(
                            label=name,
                            interactive=False,
                            format="png",
                            elem_classes="picture",
                            buttons=["download"],
                        )
                    )
                    texts.append(gradio.Markdown())
        inputs = _controls(gradio, booth)
        outputs = [*pictures, *texts]
        shown = {"show_progress": "hidden", "trigger_mode": "always_last"}
        for item in inputs:
            item.change(answer, inputs, outputs, **shown)
        blocks.load(answer, inputs, outputs)
    blocks.queue(max_size=8, default_concurrency_limit=1)
    return blocks


def _controls(gradio, booth):
    """Makes what one can set, in the order of `Booth.draw`'s arguments."""
    low, high = booth.truncations()
    classes = booth.classes()
    with gradio.Row():
        seed, other = (
            # Bounds are the booth's, whose sentence comes without a traceback.
            gradio.Number(value, label=label, precision=0)
            for value, label in ((0, "Seed"), (100, "Towards seed"))
        )
        wide = {"min_width": 240, "scale": 2}
        share = gradio.Slider(0, 1, 0, label="Interpolation", **wide)
        psi = gradio.Slider(low, high, high, label="Truncation", **wide)
        label = gradio.Dropdown(
            [(name, i) for i, name in enumerate(classes)] or [("none", 0)],
            value=0,
            label="Class",
            visible=bool(classes),
        )
        count = gradio.Dropdown(list(booths.COUNTS), value=4, label="Images")
    return [seed, other, share, label, psi, count]


def caption(drawn: dict[str, booths.Drawn], costs: dict) -> list[str]:
    """Returns the line under each picture: time, speed-up, parameters, MACs."""
    names, lines = list(drawn), []
    for name in names:
        mine, first = drawn[name], drawn[names[0]]
        line = f"**{mine.milliseconds:.1f} ms** for {mine.images}"
        if name != names[0]:
            line += f" ({first.milliseconds / mine.milliseconds:.2f} times as fast)"
        if name in costs:
            parameters, macs = costs[name]
            line += f", {tables.scaled(parameters)} parameters"
            line += f", {tables.scaled(macs)} MACs"
        lines.append(line)
    return lines


def application(booth: booths.Booth, costs: dict, host: str, port: int, allowed=()):
    """Returns the guarded ASGI application.

    Args:
      booth, costs: as for `page`.
      host: address that it will listen on; names under which nobody reaches it are
        refused (`guard.hosts`).
      port: its port.
      allowed: further names under which browsers may ask for it.
    """
    gradio, fastapi = require("gradio"), require("fastapi")
    app = fastapi.FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    gradio.mount_gradio_app(
        app,
        page(booth, costs),
        path="",
        server_name=host,
        server_port=port,
        footer_links=[],
        theme=gradio.themes.Base(),
        css=_CSS,
        ssr_mode=False,
        pwa=False,
        max_file_size=1,
    )
    return guard.Guard(app, guard.hosts(host, allowed))


def serve(app, host: str, port: int) -> None:
    """Serves until it is interrupted.

    Raises:
      OSError: the port is taken.
    """
    import socket

    uvicorn = require("uvicorn")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise OSError(f"cannot listen on {host}:{port} ({error.strerror})") from error
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    server.run(sockets=[listener])
