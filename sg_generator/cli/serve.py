"""`sg-generator serve`: the HTTP API and the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sg_coach.streams import lost_output

if TYPE_CHECKING:
    from sg_generator.settings import Settings

BundleRoot = Annotated[
    str | None,
    typer.Option("--bundle-root", metavar="DIR", show_default=False, help="Folder for clips [SG_BUNDLE_ROOTS]."),
]
QueueDir = Annotated[
    str | None,
    typer.Option(
        "--queue-dir", metavar="DIR", show_default=False, help="The worker's queue, looked at [SG_COACH_QUEUE_DIR]."
    ),
]
Host = Annotated[
    str | None,
    typer.Option("--host", metavar="HOST", show_default=False, help="Address to listen on [SG_GENERATOR_HOST]."),
]
Port = Annotated[
    int | None,
    typer.Option("--port", metavar="PORT", show_default=False, help="Port, 0: a free one [SG_GENERATOR_PORT]."),
]
AllowRemote = Annotated[
    bool, typer.Option("--allow-remote", help="Listen on an address that other machines can reach.")
]
ReadyLine = Annotated[
    bool, typer.Option("--ready-line", help="Print `READY URL` on stdout, and nothing else there, once it answers.")
]


def serve(
    host: Host = None,
    port: Port = None,
    bundle_root: BundleRoot = None,
    queue_dir: QueueDir = None,
    allow_remote: AllowRemote = False,
    ready_line: ReadyLine = False,
) -> None:
    """Serve the HTTP API and the page, until SIGTERM or Ctrl-C.

    An end is clean: event streams end, running requests get SG_GENERATOR_GRACE_S seconds; a second signal hurries.
    There is no password: whoever reaches the address may use it. So it listens on this machine alone, unless
    --allow-remote is given.
    """
    import anyio

    from sg_generator import logs
    from sg_generator.settings import load_settings

    flags = {
        "host": host,
        "port": port,
        "bundle_roots": None if bundle_root is None else [_given("--bundle-root", bundle_root)],
        "queue_dir": None if queue_dir is None else _given("--queue-dir", queue_dir),
    }
    settings = load_settings(flags)
    _check_reach(settings.host, allow_remote)
    logs.configure(settings.log_format, settings.log_level)
    anyio.run(_serve, settings, ready_line)


async def _serve(settings: Settings, ready_line: bool) -> None:
    from sg_generator.compose import server_of
    from sg_generator.server import bound_socket, serve, url_of

    listener = bound_socket(settings.host, settings.port)
    url = url_of(listener)

    def ready() -> None:
        try:
            print(f"READY {url}" if ready_line else f"The generator answers on {url} (Ctrl-C ends it)", flush=True)
        except OSError:
            if ready_line:  # somebody waits for it
                raise
            lost_output()

    app, hub = server_of(settings)
    await serve(app, listener, grace_s=settings.grace_s, ready=ready, stopping=hub.close)


def _check_reach(host: str, allow_remote: bool) -> None:
    from sg_generator.errors import SettingUnusable
    from sg_generator.request_policy import is_loopback

    if not allow_remote and not is_loopback(host):
        raise SettingUnusable(
            f"--host {host}: other machines could reach it, and there is no password; "
            "use 127.0.0.1, or add --allow-remote if that is what you want"
        )


def _given(option: str, value: str) -> str:
    if not value.strip():
        raise typer.BadParameter("it is empty; is a variable not set?", param_hint=option)
    return value
