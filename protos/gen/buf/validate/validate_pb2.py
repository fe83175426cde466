"""Registers the validation rules' descriptor with the protobuf runtime that our stubs use.

No package installs `buf.validate` for this runtime; protovalidate carries the descriptor, so it is
taken from there, whichever version is installed.
"""

from google.protobuf import descriptor_pb2, descriptor_pool, duration_pb2, field_mask_pb2, timestamp_pb2
from google.protobuf.internal import builder
from protovalidate._gen.buf.validate import validate_pb

_NEEDED_FIRST = (descriptor_pb2, duration_pb2, field_mask_pb2, timestamp_pb2)

DESCRIPTOR = descriptor_pool.Default().AddSerializedFile(validate_pb.desc().proto.to_binary())
builder.BuildMessageAndEnumDescriptors(DESCRIPTOR, globals())
builder.BuildTopDescriptorsAndMessages(DESCRIPTOR, "buf.validate.validate_pb2", globals())
