"""cri.py SOCKET METHOD < REQUEST > ANSWER: one call of the container runtime interface, as kubelet makes it.

Request and answer are JSON; the message types come from the interface's own package, so nothing of the protocol is
written here. An error of the engine goes to standard error as its sentence, with exit status 1.
"""

import json
import sys

import grpc
from cri_api.v1 import api_pb2 as messages
from cri_api.v1 import api_pb2_grpc as stubs
from google.protobuf import json_format

LIMIT_S = 60


def main() -> int:
    socket, name = sys.argv[1:]
    services = messages.DESCRIPTOR.services_by_name.values()
    service = next(each for each in services if name in each.methods_by_name)
    request_type = getattr(messages, service.methods_by_name[name].input_type.name)
    request = json_format.Parse(sys.stdin.read() or "{}", request_type())
    with grpc.insecure_channel("unix://" + socket) as channel:
        call = getattr(getattr(stubs, service.name + "Stub")(channel), name)
        try:
            reply = call(request, timeout=LIMIT_S, wait_for_ready=True)
        except grpc.RpcError as error:
            print(error.details(), file=sys.stderr)
            return 1
    answer = json_format.MessageToDict(reply, preserving_proto_field_name=True)
    for stream in ("stdout", "stderr"):  # bytes are no JSON
        if isinstance(getattr(reply, stream, None), bytes):
            answer[stream] = getattr(reply, stream).decode(errors="replace")
    json.dump(answer, sys.stdout)
    return 0


sys.exit(main())
