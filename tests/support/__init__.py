"""Servers, clients, peers and programs that tests share."""
