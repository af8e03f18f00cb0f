"""Pages for users: enrolling an app, answering a challenge, managing factors."""
