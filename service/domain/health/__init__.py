"""Knowing that a route does not work: the decision, pure, the same live and in replay.

`monitor.py` is the way in; `route.py` is one route; `breaker.py` its states; `silence.py`, `baseline.py` and
`delays.py` the statistics of silent failure.
"""
