"""What the network hands on whole when it swaps token and PAN."""

from google.protobuf.descriptor import FieldDescriptor

from cardnet.v1.network_pb2 import RouteAuthorisationRequest
from cardnet.v1.payment_pb2 import TokenData
from services.network.swap import detokenisation_of


def test_the_token_service_provider_gets_every_field_of_the_token_data() -> None:
    token_data = TokenData()
    for number, field in enumerate(TokenData.DESCRIPTOR.fields, 1):
        setattr(token_data, field.name, str(number) if field.type == FieldDescriptor.TYPE_STRING else 1)
    assert len(token_data.ListFields()) == len(TokenData.DESCRIPTOR.fields)

    asked = detokenisation_of(RouteAuthorisationRequest(token_data=token_data))

    assert asked.token_data == token_data
