"""`sg-hybrid ai`: the switch of the AI, what is in force and why, and a trial call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from .exits import Exit
from .options import ConfigFile, Json, QueueDir, note_missing_queue, settings_from
from .output import print_json, print_line, print_table

if TYPE_CHECKING:
    from sg_hybrid.settings import Settings
    from sg_hybrid.switch import Mode

    from .ping import Ping

app = typer.Typer(help="Switch the AI on and off, see what is in force, try it.", rich_markup_mode=None)


@app.command("on")
def on(queue_dir: QueueDir = None, config: ConfigFile = None, json: Json = False) -> None:
    """Switch the AI on, whatever AI_COACH_ENABLED says.

    A running worker obeys within a second, without a restart.
    """
    _set("on", queue_dir, config, json)


@app.command("off")
def off(queue_dir: QueueDir = None, config: ConfigFile = None, json: Json = False) -> None:
    """Switch the AI off: no new calls, nothing applied.

    A running worker obeys within a second; its running calls finish into the queue.
    """
    _set("off", queue_dir, config, json)


@app.command("auto")
def auto(queue_dir: QueueDir = None, config: ConfigFile = None, json: Json = False) -> None:
    """Leave it to AI_COACH_ENABLED again."""
    _set("auto", queue_dir, config, json)


@app.command("status")
def status(queue_dir: QueueDir = None, config: ConfigFile = None, json: Json = False) -> None:
    """Show what is in force and why: switch, key, worker, queue."""
    settings = settings_from(config, queue_dir=queue_dir)
    note_missing_queue(settings)
    document = _status(settings)
    if json:
        print_json(document)
    else:
        print_table(("WHAT", "STATE"), _status_rows(document))


@app.command("ping")
def ping(queue_dir: QueueDir = None, config: ConfigFile = None, json: Json = False) -> None:
    """Make one small real call to the AI service.

    Says what works, how fast, and what to fix; works with the AI switched off too. Exit code 0: a usable reply
    came, in time or not. 1: none came. 3: there is no key, or it cannot be used; with --json `ok` is false then and
    `error` says why.
    """
    import anyio

    from sg_hybrid.errors import ConfigError
    from sg_hybrid.on_demand import ai_config
    from sg_hybrid.secrecy import redact

    from .ping import ping as try_it
    from .run import start_logs

    settings = settings_from(config, queue_dir=queue_dir)
    start_logs(settings, usual_level="error")
    try:
        result = anyio.run(try_it, ai_config(settings))
    except ConfigError as error:
        if json:
            print_json({"ok": False, "error_kind": "config", "error": redact(str(error))})
        raise
    in_time = result.in_time(settings.reply_deadline_ms)
    if json:
        print_json(result.document() | {"in_time": in_time, "reply_deadline_ms": settings.reply_deadline_ms})
    else:
        print_table(("STEP", "RESULT"), _ping_rows(result, settings.reply_deadline_ms))
    raise typer.Exit(Exit.OK if result.ok else Exit.FAILED)


def _set(mode: Mode, queue_dir: str | None, config: str | None, json: bool) -> None:
    from sg_hybrid.clock import SystemClock
    from sg_hybrid.queue_lock import holder
    from sg_hybrid.switch import Switch, set_mode

    settings = settings_from(config, queue_dir=queue_dir)
    set_mode(settings.queue_dir, mode, SystemClock().now())
    state, worker = Switch(settings.queue_dir, settings).state(), holder(settings.queue_dir)
    if json:
        print_json({"mode": mode, "enabled": state.enabled, "why": state.why, "worker": worker})
        return
    print_line(state.why)
    if worker is None:
        print_line("No worker runs on this queue; the next one will obey.")


def _status(settings: Settings) -> dict[str, Any]:
    from sg_hybrid.queue_lock import holder
    from sg_hybrid.queue_tools import count_entries
    from sg_hybrid.switch import Switch

    state = Switch(settings.queue_dir, settings).state()
    cloud = settings.ai_provider == "cloud"
    return {
        "enabled": state.enabled,
        "why": state.why,
        "key_present": state.key_present,
        "missing": list(settings.missing_credentials),
        "provider": settings.ai_provider,
        "model": None if cloud else settings.ai_model,
        "base_url": settings.cloud_url if cloud else settings.anthropic_base_url,
        "reply_deadline_ms": settings.reply_deadline_ms,
        "worker": holder(settings.queue_dir),
        "queue_dir": str(settings.queue_dir),
        "queue": count_entries(settings.queue_dir),
        "today": _today(settings),
    }


def _today(settings: Settings) -> dict[str, Any]:
    """What the AI did today (UTC): calls, tokens, cost, and where the tips of takes came from."""
    from dataclasses import asdict

    from sg_hybrid.clock import SystemClock
    from sg_hybrid.ledger import Day, read_usage

    day = read_usage(settings.queue_dir).get(SystemClock().now().date().isoformat(), Day())
    return asdict(day) | {"daily_calls": settings.daily_calls, "daily_tokens": settings.daily_tokens}


def _status_rows(document: dict[str, Any]) -> list[tuple[str, str]]:
    counts = ", ".join(f"{count} {state}" for state, count in document["queue"].items())
    return [
        ("AI", document["why"]),
        ("key", "present" if document["key_present"] else f"not set: {', '.join(document['missing'])}"),
        ("provider", ", ".join(document[part] for part in ("provider", "model", "base_url") if document[part])),
        ("worker", _worker(document["worker"])),
        ("queue", f"{document['queue_dir']}: {counts}"),
        ("today", _calls(document["today"])),
        ("tips today", _tips(document["today"])),
    ]


def _calls(today: dict[str, Any]) -> str:
    calls = today["live_calls"] + today["prepare_calls"]
    unpriced = f" (and {today['unpriced_calls']} calls of a model without a known price)"
    return (
        f"{calls} of {today['daily_calls']} calls ({today['live_calls']} live, {today['prepare_calls']} to prepare), "
        f"{today['tokens']} of {today['daily_tokens']} tokens, {today['cost_usd']:.4f} USD"
        f"{unpriced if today['unpriced_calls'] else ''}"
    )


def _tips(today: dict[str, Any]) -> str:
    takes = today["live"] + today["prepared"] + today["none"]
    if not takes:
        return "no take with the AI on yet"
    share = (today["live"] + today["prepared"]) / takes
    return f"{share:.0%} of {takes} takes in time: {today['live']} live, {today['prepared']} prepared"


def _worker(holder: dict[str, Any] | None) -> str:
    if holder is None:
        return "none runs on this queue"
    roots = holder.get("bundle_roots")
    watched = ", ".join(map(str, roots)) if isinstance(roots, list) else "unknown folders"
    return f"process {holder.get('pid', 'unknown')} since {holder.get('since_utc', 'an unknown time')}, on {watched}"


def _ping_rows(result: Ping, deadline_ms: int) -> list[tuple[str, str]]:
    rows = [
        ("address", f"{result.base_url}, model {result.model}"),
        ("client", f"ready in {result.client_ms:g} ms; a worker does this once, at its start"),
        ("connection", "open" if result.connected else "could not be opened"),
    ]
    if not result.ok:
        return [*rows, ("reply", f"none after {result.reply_ms:g} ms ({result.error_kind}): {result.error}")]
    verdict = "in time" if result.in_time(deadline_ms) else "late: it would wait for the next take"
    first = "" if result.first_token_ms is None else f", first token after {result.first_token_ms:g} ms"
    tip = "" if result.tip_ms is None else f", tip after {result.tip_ms:g} ms"
    rows.append(("reply", f"after {result.reply_ms:g} ms{first}{tip}; the deadline is {deadline_ms} ms: {verdict}"))
    return [*rows, ("model id", str(result.model_id)), ("tip", result.coaching_tip or "(none, other texts only)")]
