"""What `serve` does: lock, bind, start everything in order, say so, keep it alive, end it in order."""

import json
import math
import os
import signal
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from service.master_keys import given_master_keys
from service.runtime import banner, generated, metrics_folder, run_file, valkey
from service.runtime.banner import Ready
from service.runtime.children import Child, Program
from service.runtime.errors import ChildFailed, StartError
from service.runtime.folder import DataFolder
from service.runtime.generated import SandboxAccount
from service.runtime.listen import is_free, listen, port_of, reachable_host
from service.runtime.probe import Probe
from service.runtime.programs import Commands
from service.runtime.resolve import environment, environment_without_secrets, fill_in
from service.runtime.run_file import Running
from service.runtime.state import look_at_state
from service.runtime.store_check import check_store
from service.runtime.supervisor import StopRequested, Supervisor
from service.runtime.terminal import Terminal
from service.runtime.valkey_socket import ping
from service.settings import Settings

LOADING_WITHIN = 300.0  # seconds for Valkey to read its file; a crash leaves no more than it held
READY_WITHIN = 30.0
AFTER_A_CRASH = 3.0  # seconds in which the processes of a killed `serve` surely let its port go
WEB_GRACE = 9.0  # seconds; a little longer than gunicorn gives its workers


@dataclass(frozen=True, kw_only=True)
class _Site:
    """What is settled before the first process starts; `filled`: the settings with what was left unset."""

    settings: Settings
    filled: Settings
    folder: DataFolder
    listener: socket.socket
    account: SandboxAccount | None
    running: Running
    env: Mapping[str, str]
    commands: Commands
    has_worker: bool


def run(
    settings: Settings,
    *,
    json_output: bool = False,
    commands: Commands | None = None,
    has_worker: bool = True,
) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        settings: as they were given.
        json_output: print the banner as one JSON line.
        commands: what to run for each part.
        has_worker: also run the process that minds deadlines; without it one has to run elsewhere.

    Raises:
        StartError: it can't start, or can't go on.

    """
    if settings.uses_embedded_redis and not has_worker:
        raise StartError("REDIS_URL: set it to the server that is shared with the workers")
    folder = DataFolder(settings.data_dir)
    folder.create()
    with folder.locked():
        if settings.redis_url is not None:
            check_store(settings.redis_url.get_secret_value())
        if settings.alert_urls is not None:
            _check_alerts(settings.alert_urls.get_secret_value())
        with _listen(settings, crashed=folder.run_file.exists()) as listener:
            site = partial(_prepare, has_worker=has_worker, commands=commands or Commands())
            try:
                _serve(site(settings, folder, listener), json_output=json_output)
            except StopRequested:
                return
            except OSError as error:
                raise StartError(" ".join(map(str, filter(None, (error.strerror, error.filename))))) from None
            finally:
                with suppress(OSError):
                    run_file.remove(folder)
                valkey.tidy(folder)


def _check_alerts(urls: str) -> None:
    from service.providers.alerts import parse_targets, require_understood

    try:
        require_understood(parse_targets(urls))
    except ValueError as error:
        raise StartError(f"OTP_ALERT_URLS: {error}") from None


def _listen(settings: Settings, *, crashed: bool) -> socket.socket:
    """The listening socket; the port of a `serve` that was killed a moment ago is waited for."""
    deadline = time.monotonic() + (AFTER_A_CRASH if crashed else 0.0)
    while True:
        try:
            return listen(settings.host, settings.port)
        except StartError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.05)


def _prepare(
    settings: Settings, folder: DataFolder, listener: socket.socket, *, commands: Commands, has_worker: bool
) -> _Site:
    port = port_of(listener)
    sandboxed = settings.uses_sandbox_twilio or settings.uses_sandbox_mail
    running = Running(
        url=f"http://{reachable_host(settings.host)}:{port}",
        port=port,
        embedded_store=settings.uses_embedded_redis,
        sandbox_url=f"http://127.0.0.1:{_free_port(port + 1)}" if sandboxed else None,
        smtp_port=_free_port() if sandboxed else None,
        pid=os.getpid(),
    )
    account = generated.sandbox_account(folder) if sandboxed else None
    keys = given_master_keys(settings) or generated.master_keys(folder)
    filled = fill_in(settings, folder, keys=keys, account=account, running=running)
    metrics_folder.empty(folder.metrics)
    return _Site(
        settings=settings,
        folder=folder,
        listener=listener,
        account=account,
        running=running,
        filled=filled,
        env={
            **environment(filled.model_copy(update={"is_child": True, "worker_port": None})),
            metrics_folder.VARIABLE: str(folder.metrics),
        },
        commands=commands,
        has_worker=has_worker,
    )


def _free_port(wanted: int = 0) -> int:
    if wanted and is_free("127.0.0.1", wanted):
        return wanted
    with listen("127.0.0.1", 0) as probe:
        return port_of(probe)


def _serve(site: _Site, *, json_output: bool) -> None:
    web: Child | None = None
    terminal = Terminal()

    def reload() -> None:
        if terminal.is_gone():
            supervisor.stop()
        elif web is not None:
            web.signal(signal.SIGHUP)

    with Supervisor(on_hangup=reload, on_tick=partial(valkey.rotate_log, site.folder)) as supervisor:
        _start_store(supervisor, site)
        upgrades = look_at_state(site.filled)
        heard: dict[str, dict[str, object]] = {}
        if site.account is not None:
            supervisor.start(_sandbox(site, site.account, heard))
        first_key = supervisor.start(_first_key(site, heard))
        if upgrades:  # it takes what it takes, and others would only wait for it
            supervisor.wait_for(partial(_ended, first_key), within=math.inf, otherwise="")
        web = supervisor.start(_web(site))
        run_file.write(site.folder, site.running)

        supervisor.wait_for(
            partial(_ended, first_key),
            within=READY_WITHIN,
            otherwise=f"the first API key was not made within {READY_WITHIN:.0f} s",
        )
        if site.account is not None:
            supervisor.wait_for(
                lambda: heard.get("sandbox"),
                within=READY_WITHIN,
                otherwise=f"the sandbox was not ready within {READY_WITHIN:.0f} s",
            )
        supervisor.wait_for(
            Probe(reachable_host(site.settings.host).strip("[]"), site.running.port).look,
            within=READY_WITHIN,
            otherwise=f"{site.running.url}/readyz did not answer 200 within {READY_WITHIN:.0f} s",
        )
        # Last, for nobody's login waits for it: while it begins it takes a core from others.
        if site.has_worker:
            supervisor.start(Program(name="worker", argv=site.commands.outbox_worker(), env=site.env))
        banner.show(_ready(site, heard), json_output=json_output)
        with site.listener:  # closed before the web server is: late callers are refused, not held
            supervisor.run()


def _start_store(supervisor: Supervisor, site: _Site) -> None:
    if not site.settings.uses_embedded_redis:
        return
    supervisor.start(valkey.program(site.folder))
    log = site.folder.show(valkey.log_file(site.folder))
    supervisor.wait_for(
        lambda: ping(site.folder.path) == "ready" or None,
        within=LOADING_WITHIN,
        otherwise=f"the embedded Valkey was not ready within {LOADING_WITHIN:.0f} s: see {log}",
    )


def _web(site: _Site) -> Program:
    listener = site.listener.fileno()
    return Program(
        name="web",
        argv=site.commands.web(listener, site.settings.workers),
        env=site.env,
        pass_fds=(listener,),
        grace=WEB_GRACE,
        holding=partial(metrics_folder.without_dead, site.folder.metrics),
    )


def _sandbox(site: _Site, account: SandboxAccount, heard: dict[str, dict[str, object]]) -> Program:
    port = int((site.running.sandbox_url or "").rpartition(":")[2])
    return Program(
        name="sandbox",
        argv=site.commands.twilio_sandbox(site.folder, account, port, site.running.smtp_port or 0),
        env={**environment_without_secrets(), "TWILIO_AUTH_TOKEN": account.auth_token},
        grace=1.0,
        says=_into(heard, "sandbox"),
    )


def _first_key(site: _Site, heard: dict[str, dict[str, object]]) -> Program:
    return Program(
        name="first key",
        # One of several hosts of production prints no key of all scopes: `keys create` makes it.
        argv=site.commands.first_key(invent=site.has_worker or site.settings.env != "production"),
        env={name: value for name, value in site.env.items() if name != metrics_folder.VARIABLE},
        once=True,
        says=_into(heard, "first key"),
    )


def _into(heard: dict[str, dict[str, object]], name: str) -> Callable[[str], None]:
    """Keep the JSON object that a child prints."""

    def note(line: str) -> None:
        with suppress(ValueError):
            told = json.loads(line)
            if isinstance(told, dict):
                heard[name] = told

    return note


def _ended(child: Child) -> bool | None:
    if child.exit_status:
        raise ChildFailed("the state could not be prepared, or no first API key be made: see the lines above")
    return True if child.exit_status == 0 else None


def _ready(site: _Site, heard: dict[str, dict[str, object]]) -> Ready:
    key = heard.get("first key", {}).get("api_key")
    return Ready(
        url=site.running.url,
        api_key=key if isinstance(key, str) else None,
        key_is_given=site.settings.bootstrap_api_key is not None,
        sandbox_url=site.running.sandbox_url,
        data=str(site.folder.path),
        pid=os.getpid(),
    )
