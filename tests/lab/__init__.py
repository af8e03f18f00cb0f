"""The outage lab: simulated incidents, decided on by the real code in simulated time."""
