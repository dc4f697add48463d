"""One exchange of messages by nats.py over TCP; see exchange.js."""

import asyncio
import json
import os
import sys

import nats


async def main():
    environment = os.environ
    connection = await nats.connect(
        environment["NATS_URL"],
        nkeys_seed_str=environment["SEED"],
        inbox_prefix=environment["INBOX_PREFIX"],
        allow_reconnect=False,
    )
    inbox = await connection.subscribe(environment["INBOX"], max_msgs=1)
    await connection.flush()
    print("ready", flush=True)
    sys.stdin.readline()
    request = {"to": environment["PEER"], "envelope": {"from": "nats.py"}}
    answer = await connection.request(environment["SEND"], json.dumps(request).encode(), timeout=10)
    if answer.headers and "Nats-Service-Error" in answer.headers:
        raise RuntimeError(answer.headers["Nats-Service-Error"])
    message = await inbox.next_msg(timeout=60)
    received = {
        "subject": message.subject,
        "headers": {name: [value] for name, value in message.headers.items()},
        "envelope": json.loads(message.data),
    }
    print(json.dumps({"client": "nats.py", "sent": json.loads(answer.data), "received": received}))
    await connection.close()


asyncio.run(main())
