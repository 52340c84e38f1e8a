"""What is claimed about speed and quality, as programs that measure it."""
