"""Where the inboxes listen."""

LOOPBACK = "127.0.0.1"
