"""Who may sign in: three people who do not exist, and so have no passwords."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Customer:
    """A demo customer."""

    id: str
    """The shop's own name for them, under which their cards are on file."""
    name: str


_PEOPLE = (Customer("mina", "Mina Okafor"), Customer("jonas", "Jonas Lindqvist"), Customer("aiko", "Aiko Tanaka"))

CUSTOMERS = {customer.id: customer for customer in _PEOPLE}
"""Every demo customer by id."""
