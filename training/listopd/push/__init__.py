"""A trained checkpoint for the hub, with a card that says what it was trained from and what is known of it."""
