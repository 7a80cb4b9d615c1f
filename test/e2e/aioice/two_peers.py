"""Two aioice peers that may use their relays only: one says hello, the other one answers. Prints one JSON object."""

import asyncio
import json
import sys

import aioice


async def main(options):
    def peer(controlling):
        return aioice.Connection(
            ice_controlling=controlling,
            turn_server=(options["host"], options["port"]),
            turn_username=options["username"],
            turn_password=options["password"],
            turn_transport=options["transport"],
            transport_policy=aioice.TransportPolicy.RELAY,
            use_ipv6=False,
        )

    caller, callee = peer(True), peer(False)
    await asyncio.gather(caller.gather_candidates(), callee.gather_candidates())
    for one, other in ((caller, callee), (callee, caller)):
        for candidate in one.local_candidates:
            await other.add_remote_candidate(candidate)
        await other.add_remote_candidate(None)
        other.remote_username = one.local_username
        other.remote_password = one.local_password
    await asyncio.gather(caller.connect(), callee.connect())

    await caller.send(b"hello")
    heard = await callee.recv()
    await callee.send(b"you said " + heard)
    answer = await caller.recv()
    selected = caller._nominated[1]
    print(
        json.dumps(
            {
                "answer": answer.decode(),
                "candidates": [c.to_sdp() for c in caller.local_candidates + callee.local_candidates],
                "selected": [selected.local_candidate.type, selected.remote_candidate.type],
            }
        )
    )
    await asyncio.gather(caller.close(), callee.close())


asyncio.run(asyncio.wait_for(main(json.loads(sys.argv[1])), 20))
