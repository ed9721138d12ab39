"""Private PostgreSQL, Redis and Mosquitto servers for tests and the bench; nothing here knows Django."""
