#!/usr/bin/env python3
"""Clients that connect, send (at once or in two pieces) and close in bursts; every request must be answered.

usage: hammer.py PORT [REQUESTS] [CLIENTS] [BURST]; prints one line, fails when a request had no answer within 5 s.
Half of the clients ask for the end of the connection, half close it themselves; one in ten leaves without reading.
"""
import random
import socket
import sys
import threading
import time

PATIENCE_S = 5
HEAD = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"


class Client(threading.Thread):
    def __init__(self, port, requests, burst, number):
        super().__init__()
        self.port, self.requests, self.burst = port, requests, burst
        self.request = HEAD + (b"Connection: close\r\n" if number % 2 else b"") + b"\r\n"
        self.random = random.Random(number)
        self.sent = self.left = self.unanswered = 0

    def run(self):
        while self.sent < self.requests:
            opened = []
            cut = self.random.choice((1, 20, len(self.request)))
            for _ in range(self.random.randint(1, self.burst)):
                connection = socket.create_connection(("127.0.0.1", self.port), PATIENCE_S)
                connection.sendall(self.request[:cut])
                opened.append(connection)
            for connection in opened:  # what comes later is heard only if the connection's events are alive
                connection.sendall(self.request[cut:])
            for connection in opened:
                self.sent += 1
                if self.random.random() < 0.1:
                    self.left += 1
                else:
                    self.unanswered += not self.is_answered(connection)
                connection.close()

    @staticmethod
    def is_answered(connection):
        try:
            return connection.recv(4096).startswith(b"HTTP/1.1 200 ")
        except OSError:
            return False


def main():
    port, requests, clients, burst = [int(a) for a in sys.argv[1:]] + [100000, 16, 8][len(sys.argv) - 2:]
    crew = [Client(port, requests // clients, burst, i) for i in range(clients)]
    began = time.monotonic()
    for client in crew:
        client.start()
    for client in crew:
        client.join()
    sent = sum(c.sent for c in crew)
    unanswered = sum(c.unanswered for c in crew)
    print(f"hammer: requests={sent} clients={clients} left={sum(c.left for c in crew)} unanswered={unanswered} "
          f"seconds={time.monotonic() - began:.1f}")
    sys.exit(1 if unanswered or sent < requests // clients * clients else 0)


main()
