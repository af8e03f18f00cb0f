"""Real parts under load while what stands between them breaks; `make chaos`, and a quick part in every test run."""
