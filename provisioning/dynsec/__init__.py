"""Keeps the clients and roles of Mosquitto's dynamic security plugin as the database says."""
