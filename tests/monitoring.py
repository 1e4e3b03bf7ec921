#!/usr/bin/env python3
"""Alerts and dashboard with a real Prometheus that scrapes a real daemon: every rule is loaded and evaluates,
every query of the dashboard is answered, and an alert is pending once the daemon is gone.

usage: monitoring.py BUILD; prints one line, and exit code 1 when something did not hold."""
import json, os, re, shutil, subprocess, sys, tempfile, time, urllib.parse, urllib.request

from powercut import hold_port

BUILD = sys.argv[1]
TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CONFIG = """
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: ["%s/conf/alerts.yml"]
scrape_configs:
  - job_name: paidan
    authorization: {credentials: "%s"}
    static_configs: [{targets: ["%s"]}]
"""


def wait_for(what, look, seconds=40):
    for _ in range(seconds * 5):
        try:
            found = look()
            if found:
                return found
        except OSError:
            pass
        time.sleep(0.2)
    raise AssertionError("never came: " + what)


def paidan(server, *words):
    return json.loads(subprocess.check_output([os.path.join(BUILD, "paidan"), "--server", server, "--json", *words]))


def main():
    directory = tempfile.mkdtemp(prefix="paidan-monitoring.")
    server = "unix:" + os.path.join(directory, "sock")
    log = os.path.join(directory, "log")
    daemon = subprocess.Popen([os.path.join(BUILD, "paidand"), "--data", os.path.join(directory, "data"), "--listen", server,
                               "--listen", "http:127.0.0.1:0", "--push-url", "http://127.0.0.1:9/", "--regions", "conf/huizhou/regions.csv",
                               "--codes", "conf/huizhou", "--disk-reserve-mib", "0"], stderr=open(log, "wb"))
    prometheus = None
    try:
        address = wait_for("the daemon", lambda: re.search(r"address=http:(\S+)", open(log).read())).group(1)
        wait_for("its socket", lambda: os.path.exists(server[5:]))
        token = paidan(server, "token", "add", "metrics", "--roles", "operator")["token"]
        paidan(server, "order", "place", "--region", "441302001001", "--category", "legal_aid")
        config = os.path.join(directory, "prometheus.yml")
        with open(config, "w") as out:
            out.write(CONFIG % (TOP, token, address))
        held, port = hold_port()
        here = "127.0.0.1:%d" % port
        prometheus = subprocess.Popen(["prometheus", "--config.file=" + config, "--storage.tsdb.path=" + os.path.join(directory, "tsdb"),
                                       "--web.listen-address=" + here], stdout=open(os.path.join(directory, "prometheus.log"), "wb"), stderr=subprocess.STDOUT)

        def api(path, **query):
            with urllib.request.urlopen("http://%s/api/v1/%s?%s" % (here, path, urllib.parse.urlencode(query)), timeout=10) as answer:
                return json.load(answer)["data"]

        def rules():
            return [r for g in api("rules")["groups"] for r in g["rules"]]

        wait_for("a scrape", lambda: [t for t in api("targets")["activeTargets"] if t["health"] == "up"])
        wait_for("the rules", lambda: rules() and all(r["health"] == "ok" for r in rules()))
        queries = [t["expr"] for p in json.load(open("conf/dashboard.json"))["panels"] for t in p.get("targets", [])]
        for query in queries:
            api("query", query=query.replace("$__rate_interval", "1m"))
        assert api("query", query="paidan_orders_open")["result"][0]["value"][1] == "1"
        count = len(rules())
        daemon.terminate()
        daemon.wait(30)
        wait_for("the alarm", lambda: [r for r in rules() if r["name"] == "PaidanDown" and r["state"] in ("pending", "firing")])
        print("monitoring held: rules=%d queries=%d" % (count, len(queries)))
        return 0
    except (AssertionError, subprocess.CalledProcessError) as why:
        print("monitoring DID NOT HOLD: %s" % why)
        return 1
    finally:
        for process in (daemon, prometheus):
            if process is not None and process.poll() is None:
                process.terminate()
                process.wait(30)
        shutil.rmtree(directory, ignore_errors=True)


sys.exit(main())
