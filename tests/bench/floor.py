"""The floor: the least that a service on the same server, with the same state, could do for a request.

One JSON route with one Lua call, under the product's own gunicorn worker class. What the product's requests
cost more than this is its own doing.
"""

import os
from types import SimpleNamespace

import redis
from flask import Flask, Response, jsonify, request

SCRIPT = """\
local n = redis.call('INCR', KEYS[1])
redis.call('PEXPIRE', KEYS[1], 600000)
return n
"""


def create_app() -> Flask:
    """The application, on the server that `REDIS_URL` names."""
    client = redis.Redis.from_url(os.environ["REDIS_URL"], max_connections=2048)
    count = client.register_script(SCRIPT)
    app = Flask(__name__)
    app.extensions["otp"] = SimpleNamespace(
        watch=SimpleNamespace(stop=lambda: None)
    )  # the worker asks for it

    @app.post("/floor")
    def floor() -> Response:
        code = request.get_json()["code"]
        return jsonify(valid=True, count=count(keys=[f"otp:{{00}}:floor:{code}"]))

    return app


app = create_app()
