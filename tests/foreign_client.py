"""Drives a paidand with a MessagePack-RPC client that this project did not write (pynvim's).

usage: foreign_client.py unix:PATH|tcp:HOST:PORT     exit code 0: all went as it should
"""
import sys
import pynvim.msgpack_rpc as rpc


class Refused(Exception):
    pass


def connect(address):
    if address.startswith("unix:"):
        session = rpc.socket_session(address[5:])
    else:
        _, host, port = address.split(":")
        session = rpc.tcp_session(host, int(port))
    session.error_wrapper = lambda error: Refused(error["code"])
    return session


def main():
    session = connect(sys.argv[1])

    def call(method, **params):
        return session.request(method, params)

    assert call("server.info")["protocol"] == 1
    org = call("org.put", name="法律队", lat=23.0861, lon=114.4132, skills=["legal_aid"])["org"]
    order = call("order.place", ref="foreign-" + sys.argv[1], region=441302001001,
                 category="legal_aid", mode="auto")
    assert order["state"] == "offered" and order["offers"][0]["org"] == org, order
    offer = order["offers"][0]["offer"]
    assert call("offer.accept", offer=offer)["state"] == "accepted"
    assert call("service.start", offer=offer)["state"] == "serving"
    records = [{"volunteer": 5, "minutes": 60}]
    assert call("service.complete", offer=offer, records=records)["state"] == "done"
    assert call("order.rate", order=order["order"], stars=5)["state"] == "closed"
    kinds = [event["kind"] for event in call("order.history", order=order["order"])["items"]]
    assert kinds == ["placed", "offered", "accepted", "started", "completed", "rated"], kinds
    try:
        call("org.put", lat=100, lon=0, skills=["legal_aid"])
        raise AssertionError("not refused")
    except Refused as refused:
        assert str(refused) == "out_of_range", refused
    call("org.remove", org=org)


main()
