"""E-mail: codes, and notices about changes. What every letter has is in `letters`."""
