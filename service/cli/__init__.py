"""`otp-fallback`: the commands."""

from service import garbage

garbage.look_seldom()  # before what they import
