"""What `serve` prints when it is ready: where things are, and a first call that works as printed."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass

BODY = '{"user_id": "alice", "phone": "+14155550123", "email": "alice@example.com"}'


@dataclass(frozen=True, kw_only=True)
class Ready:
    """A service that is ready; `api_key` only when it was just made."""

    url: str
    api_key: str | None
    key_is_given: bool  # by OTP_BOOTSTRAP_API_KEY
    sandbox_url: str | None
    data: str
    pid: int


def show(ready: Ready, *, json_output: bool) -> None:
    """Print the banner to standard output; a reader that went away is no reason to stop."""
    try:
        if json_output:
            keys = ("url", "api_key", "sandbox_url", "pid")
            print(json.dumps({key: getattr(ready, key) for key in keys}))
        elif sys.stdout.isatty():
            _show_in_colour(ready)
        else:
            print("\n".join(text for _, text in lines(ready)))
        sys.stdout.flush()
    except OSError:
        pass


def lines(ready: Ready) -> Iterator[tuple[str, str]]:
    """The banner's lines, each with what it is: title, fact, hint, call or space."""
    yield "title", "otp-fallback is ready"
    yield "space", ""
    yield "fact", f"  API      {ready.url}   (documentation: {ready.url}/docs)"
    if ready.sandbox_url:
        yield "fact", f"  Inbox    {ready.sandbox_url}   (sandbox: text messages and mail arrive here)"
    yield "fact", f"  Data     {ready.data}"
    if ready.api_key:
        yield "fact", f"  API key  {ready.api_key}   (shown this once)"
    yield "space", ""
    if not ready.api_key:
        source = "the one in OTP_BOOTSTRAP_API_KEY" if ready.key_is_given else "an API key"
        yield "hint", f"Start a challenge, with {source} in $OTP_API_KEY"
        yield "hint", "(make a new one: otp-fallback keys create --name NAME --scope challenges):"
    else:
        yield "hint", "Start a challenge:"
    yield "space", ""
    yield "call", first_call(ready.url, ready.api_key)
    yield "space", ""


def first_call(url: str, api_key: str | None) -> str:
    """A command for a shell that starts a challenge."""
    bearer = f"'Authorization: Bearer {api_key}'" if api_key else '"Authorization: Bearer $OTP_API_KEY"'
    # `url` may hold [::1], which curl would take for a range of numbers without -g.
    globbing = "-g " if "[" in url else ""
    return (
        f"curl -sS {globbing}{_quoted(url)}/v1/challenges -H {bearer}"
        f" -H 'Content-Type: application/json' -d '{BODY}'"
    )


def _quoted(url: str) -> str:
    return f"'{url}'" if "[" in url else url


def _show_in_colour(ready: Ready) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    styles = {"title": "bold green", "hint": "dim", "call": "cyan", "fact": "", "space": ""}
    for kind, text in lines(ready):
        line = Text(text, style=styles[kind])
        if kind == "fact":
            line.stylize("bold", 2, 10)
        console.print(line, soft_wrap=True)  # a line that wraps must still be one line when it is copied
