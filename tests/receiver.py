"""A platform that takes events, as tests want it to behave: receiver.py PORT LOG MODE SECRET [CERT KEY]

Serves POST /events on 127.0.0.1:PORT (0: any; the port is printed). What the file MODE says decides each
answer: ok, fail (503), stall (no answer for a minute), forbidden (401), refuse:KIND (422 for a request with
an event of that kind), fail-order:ID (500 for a request with an event of the order with that external
number), slow (Retry-After: 2). Each event of a request that was answered 200 is appended to
LOG as one line of JSON, with "signed" true or false. Ends when its parent does."""
import hashlib
import hmac
import json
import os
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

port, log, mode_file, secret_file = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
secret = open(secret_file, "rb").read().rstrip(b"\n")
parent = os.getppid()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        mode = open(mode_file).read().strip()
        events = json.loads(body)["events"]
        if mode == "stall":
            time.sleep(60)
        if mode == "fail":
            return self.answer(503)
        if mode == "slow":
            return self.answer(503, [("Retry-After", "2")])
        if mode == "forbidden":
            return self.answer(401)
        if mode.startswith("refuse:") and any(e["kind"] == mode[7:] for e in events):
            return self.answer(422)
        if mode.startswith("fail-order:") and any(e.get("external_id") in mode[11:].split() for e in events):
            return self.answer(500)
        timestamp = self.headers["X-Paidan-Timestamp"]
        mac = hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
        is_signed = hmac.compare_digest("v1=" + mac, self.headers.get("X-Paidan-Signature", ""))
        with open(log, "a") as out:
            for event in events:
                event["signed"] = is_signed and abs(time.time() - int(timestamp)) < 60
                event["together"] = len(events)
                out.write(json.dumps(event, ensure_ascii=False) + "\n")
        self.answer(200)


def watch():
    while os.getppid() == parent:
        time.sleep(0.2)
    os._exit(0)


server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
if len(sys.argv) > 6:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[5], sys.argv[6])
    server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
threading.Thread(target=watch, daemon=True).start()
server.serve_forever()
