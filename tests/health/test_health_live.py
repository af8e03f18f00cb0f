"""Real time, two workers, real processes: an outage is noticed, lived with, and over."""

import itertools
import threading

import pytest

from tests.support.stack import Api, Process, running, wait_until


@pytest.fixture(scope="module")
def stack():
    with running(worker_process=True) as found:
        second = Process("worker2", found.worker.command, found.env, found.folder)
        second.start()
        found.second = second
        yield found
        second.kill()


def routes(stack):
    return {r["route"]: r for r in stack.api("GET", "/v1/ops/health").json()["routes"]}


def state(stack, route):
    return routes(stack).get(route, {"state": "closed"})["state"]


def started(stack, body):
    answer = stack.api("POST", "/v1/challenges", body)
    assert answer.status_code == 201
    return answer.json()


def test_a_hanging_provider_is_left_alone_and_comes_back(stack):
    users = [f"hang-{n}" for n in range(8)]
    for user in users:
        stack.api.enroll(user)
    numbers = iter(range(1000, 9999))

    def body(user):
        return {"user_id": user, "phone": f"+1415556{next(numbers)}"}

    stack.sandbox.fail("hang", operation="send", country="+1")
    for n in range(5):
        assert started(stack, body(users[n]))["switches"][0]["reason"] == "deadline"
    wait_until(lambda: state(stack, "twilio_verify/sms/+1") == "open")
    asked = stack.sandbox.count("send")
    for n in range(24):
        assert started(stack, body(users[n % 8]))["channel"] == "totp"
    assert stack.sandbox.count("send") == asked  # nobody waited for what hangs

    # Whoever decides dies; the other takes over.
    deciding = stack.worker if '"event": "deciding"' in stack.worker.text() else stack.second
    deciding.kill()
    stack.sandbox.heal()

    pause, turns = threading.Event(), itertools.cycle(users)

    def back():
        pause.wait(0.2)  # a user may begin so many challenges an hour, and every other start is a probe
        challenge = started(stack, body(next(turns)))
        sms = challenge["channels"][0]
        # Until it is closed nobody is asked to wait for an SMS: probes go beside the app's prompt.
        if state(stack, "twilio_verify/sms/+1") != "closed":
            assert challenge["channel"] == "totp" or sms["state"] == "sent"
        return challenge["channel"] == "sms"

    # 15 s; on a machine so busy that probes miss the deadline, twice as long with each.
    wait_until(back, 110)
    reasons = [(e["to"], e["reason"]) for e in stack.events() if e.get("route") == "twilio_verify/sms/+1"]
    assert reasons[0] == ("open", "consecutive_faults")
    assert reasons[-1] == ("closed", "probes_good")


def test_silent_loss_in_one_country_opens_that_country_only(stack):
    if stack.worker.popen.poll() is not None:
        stack.worker.start()
    stack.sandbox.fail("not_delivered", operation="send", country="+91")
    stop = threading.Event()
    count = iter(range(10_000, 99_999))
    lock = threading.Lock()

    def logins():
        api = Api(stack.url)
        while not stop.is_set():
            with lock:
                n = next(count)
            api.start(f"in-{n}", phone=f"+9198765{n}", email=f"in-{n}@mail.example")
            challenge = api.start(f"de-{n}", phone=f"+49151123{n}", email=f"de-{n}@mail.example")
            code = stack.sandbox.code(f"+49151123{n}")
            api.verify(challenge["id"], code)
            stop.wait(0.3)

    threads = [threading.Thread(target=logins) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: state(stack, "twilio_verify/sms/+91") == "open", 60)
        india, germany = routes(stack)["twilio_verify/sms/+91"], routes(stack)["twilio_verify/sms/+49"]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert india["reason"] == "not_arriving"
    assert germany["state"] == "closed"
    assert germany["evidence"]["approved"] > 10
    assert india["next_probe_at"] is not None
