"""The demo shop: what the merchant shows to browsers. It sells six things and never sees a card number."""
