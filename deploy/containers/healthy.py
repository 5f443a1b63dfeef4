"""`python healthy.py PORT PATH`: whether it answers there with 200; a container's health check.

By a socket alone, because it runs often: `urllib` takes ten times as long to import.
"""

import socket
import sys

port, path = sys.argv[1:]
try:
    with socket.create_connection(("127.0.0.1", int(port)), timeout=5) as connection:
        connection.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        answer = connection.recv(4096).decode(errors="replace")
except OSError as error:
    sys.exit(f"port {port}: {error}")
if answer.split(maxsplit=2)[1:2] != ["200"]:
    sys.exit(f"{path}: {answer}")
