"""A server for tests: answers, hangs, dies or talks rubbish, as its arguments say. Not a test itself."""

import os
import sys
import time

from mcp.server import MCPServer

manner, transport, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
if manner == "babble":
    while True:
        print("<<< this is no JSON-RPC >>>", flush=True)
        time.sleep(0.01)
if manner == "tardy":
    time.sleep(2.0)
server = MCPServer("odd", log_level="ERROR")
calls = {"n": 0}


@server.tool()
def fear(symbol: str) -> dict:
    calls["n"] += 1
    if manner == "hang" or (manner == "later" and calls["n"] > 1):
        time.sleep(120)  # longer than anybody waits, and then it is gone
    if manner == "slow" and calls["n"] == 1:
        time.sleep(1.5)
    if manner == "die" and calls["n"] > 1:
        os._exit(3)
    if manner == "rubbish":
        return {"index": {"value": "very afraid"}}
    if manner == "fail":
        raise RuntimeError("the tool broke")
    return {"index": {"value": 25 + calls["n"]}, "symbol": symbol}


@server.tool()
def mood() -> float:
    return 0.5


server.run(transport="stdio") if transport == "stdio" else server.run(
    transport="streamable-http", host="127.0.0.1", port=port
)
