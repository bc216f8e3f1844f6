"""The process around the application: its health, its memory, its end."""
