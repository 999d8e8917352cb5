"""The same configuration, from the environment and `.env` files."""
