"""A token as others may see it: by its reference, the numbers by their last four digits."""

from cardnet.v1.token_pb2 import Token
from services.tsp.sealing import Entry


def token_message(entry: Entry) -> Token:
    """What requestor, issuer and operator are shown of a token."""
    record = entry.record
    return Token(
        token_reference_id=entry.reference,
        token_requestor_id=record.token_requestor_id,
        state=f"TOKEN_STATE_{record.state.name}",
        suspended_by=[f"PARTY_{party.name}" for party in sorted(record.suspended_by)],
        token_last_four=entry.token.last_four,
        token_expiry=str(record.token_expiry),
        pan_last_four=record.pan_last_four,
        par=record.par,
        token_assurance_level=record.assurance_level,
        token_assurance_data=record.assurance_data,
        usage=f"TOKEN_USAGE_{record.domain.usage.name}",
        location=f"TOKEN_LOCATION_{record.location.name}",
        pan_product_id=record.pan_product_id,
        version=entry.version,
    )
