"""Run the shop: `python deploy/examples/flask [--hosted] [--port 5000]`."""

import argparse

import hosted_page
import own_prompt
from shop import create_app

parser = argparse.ArgumentParser()
parser.add_argument("--hosted", action="store_true", help="ask on otp-fallback's page")
parser.add_argument("--port", type=int, default=5000)
asked = parser.parse_args()

print(f"The shop is at http://127.0.0.1:{asked.port} (alice, correct horse)", flush=True)
create_app(hosted_page if asked.hosted else own_prompt).run(port=asked.port, threaded=True)
