"""What `otp-fallback serve` needs to start, watch and end its processes.

`server.run` tells the story; `supervisor` keeps the processes alive, `parent_death` makes them end with
it, `resolve` lets the other commands find what runs.
"""
